import { assertEquals } from "@std/assert";
import { startTestServer } from "../support/server.ts";
import { SessionClient, TRANSPORTS } from "../support/session_client.ts";
import { within } from "../support/within.ts";
import { linesOf, many, openSession, publishAll } from "./sessions.ts";

/** Nearly as much as one request to `/send` may bring, and many times what may wait for a reader. */
const MESSAGES = 17;
const MESSAGE_BYTES = 60_000;
const BURST = Array.from({ length: MESSAGES }, (_, n) => ({
  channel: "news",
  data: `${n} ${"x".repeat(MESSAGE_BYTES)}`,
}));
const BURSTS = 5;

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: a reader that keeps up gets the largest burst there is`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    assertEquals(await publishAll(server, BURST), Array(MESSAGES).fill(1));
    for (const { data } of BURST) assertEquals(await client.nextData(), data);
  });
}

Deno.test("200 sockets that keep up get one burst after the other", async () => {
  await using server = await startTestServer();
  const sockets = await many(200, () => openSession(server, ["news"]));
  const readers = sockets.map(linesOf);
  for (let burst = 0; burst < BURSTS; burst++) {
    const counts = Promise.all(readers.map(async (reader) => {
      let count = 0;
      while (count < MESSAGES && (await reader.next()).done !== true) count++;
      return count;
    }));
    await publishAll(server, BURST);
    assertEquals(await within(counts, "a burst"), sockets.map(() => MESSAGES));
  }
  for (const socket of sockets) socket.drop();
});
