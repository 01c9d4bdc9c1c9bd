import { assertEquals } from "@std/assert";
import { ask } from "../support/http.ts";
import { startTestServer } from "../support/server.ts";
import { SessionClient } from "../support/session_client.ts";

Deno.test("a poll that comes after another transport took over is refused, and takes nothing back", async () => {
  for (const transport of ["websocket", "events"] as const) {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect("poll", { subscribe: { news: {} } });
    const { secret } = client;
    await client.resume(transport);

    const body = JSON.stringify({ resume: secret, received: 0 });
    const { status, text } = await ask(server, "/chloe/poll", { method: "POST", body });
    assertEquals([transport, status], [transport, 409]);
    const { error } = JSON.parse(text);
    assertEquals([error.code, error.retry], ["taken_over", true]);

    await server.send({ channel: "news", data: "still here" });
    assertEquals(await client.nextData(), "still here");
  }
});

Deno.test("a poll that a later request came before ends empty, and the session goes on", async () => {
  await using server = await startTestServer();
  await using client = new SessionClient(server);
  await client.connect("poll", { subscribe: { news: {} } });
  for (let n = 1; n <= 3; n++) {
    await server.send({ channel: "news", data: n });
    assertEquals(await client.nextData(), n);
  }
  client.acknowledge();
  await client.subscribe("other"); // answered, so the line before it was taken

  // On its way since before the acknowledgement.
  const body = JSON.stringify({ resume: client.secret, received: 1 });
  const { status, text } = await ask(server, "/chloe/poll", { method: "POST", body });
  assertEquals([status, text], [200, ""]);

  await server.send({ channel: "news", data: 4 });
  assertEquals(await client.nextData(), 4);
});
