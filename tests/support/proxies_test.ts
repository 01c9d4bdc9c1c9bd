import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ask, request } from "./http.ts";
import { startProxy, type TestProxy } from "./proxies.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { HandshakeRefused, SessionClient, type TransportName } from "./session_client.ts";

/** A session through the proxy, in the channel of its transport's name. */
async function connect(proxy: TestProxy, transport: TransportName): Promise<SessionClient> {
  const client = new SessionClient(proxy);
  await client.connect(transport, { subscribe: { [transport]: {} } });
  return client;
}

async function assertHears(server: TestServer, client: SessionClient, channel: string) {
  assertEquals(await server.send({ channel, data: channel }), 1);
  assertEquals(await client.nextData(), channel);
}

const EVENTS = { method: "POST", body: `{"connect":{"subscribe":{"x":{}}}}` };

Deno.test("proxy: without faults every transport comes through", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server);
  for (const transport of ["websocket", "events", "poll"] as const) {
    await using client = await connect(proxy, transport);
    await assertHears(server, client, transport);
  }
  assertEquals(proxy.requests.slice(0, 3), [
    "GET /chloe/ws",
    "POST /chloe/events",
    "POST /chloe/poll",
  ]);
});

Deno.test("proxy: a stripped upgrade is refused, other transports come through", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server, { upgrades: "strip" });
  const { head } = await assertRejects(() => connect(proxy, "websocket"), HandshakeRefused);
  assertEquals(head.status, 426);
  await using client = await connect(proxy, "events");
  await assertHears(server, client, "events");
});

Deno.test("proxy: a swallowed upgrade is never answered", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server, { upgrades: "swallow" });
  const opening = assertRejects(() => connect(proxy, "websocket"));
  await using client = await connect(proxy, "events");
  await assertHears(server, client, "events");
  proxy.cut();
  await opening;
});

Deno.test("proxy: a buffered stream comes when it has ended, and polls come through", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server, { answers: "buffer" });
  using stream = await request(proxy, "/chloe/events", EVENTS);
  await using client = await connect(proxy, "poll");
  await assertHears(server, client, "poll");
  await server.send({ channel: "x", data: "late" });
  await server.shutdown();
  const text = await stream.text();
  assertStringIncludes(text, `"late"`);
  assertStringIncludes(text, `"bye"`);
});

Deno.test("proxy: a captive portal answers everything, until the visitor has paid", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server, { answers: "portal" });
  for (const path of ["/chloe/poll", "/chloe/ws", "/chloe.js"]) {
    const { status, text } = await ask(proxy, path, { method: "POST", body: "{}" });
    assertEquals([status, text.includes("Please pay")], [200, true]);
  }
  proxy.mend();
  assertEquals((await ask(proxy, "/chloe.js")).text.includes("Please pay"), false);
});

Deno.test("proxy: an outage ends what is there, and what comes", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server);
  await using client = await connect(proxy, "websocket");
  proxy.set({ network: "down" });
  await assertHears(server, client, "websocket");
  proxy.cut();
  await client.ended;
  await assertRejects(() => ask(proxy, "/chloe.js"));
  proxy.mend();
  assertEquals((await ask(proxy, "/chloe.js")).status, 200);
});

Deno.test("proxy: a connection is ended when nothing was said for a while", async () => {
  await using server = await startTestServer();
  await using proxy = startProxy(server);
  await using client = await connect(proxy, "websocket");
  proxy.set({ idleMs: 1 });
  await assertHears(server, client, "websocket");
  await client.ended;
});
