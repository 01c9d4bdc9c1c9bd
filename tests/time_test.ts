/**
 * What the transports do as time passes. The clock is the test's, the sockets are real.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { ServerFrame } from "../src/protocol/frames.ts";
import { GatewayRig } from "./support/gateway_rig.ts";
import { request } from "./support/http.ts";
import { JsonpClient, LegacyWebSocketClient, XhrClient } from "./support/legacy_client.ts";
import { connectByPoll, poll } from "./support/polls.ts";
import { SessionClient } from "./support/session_client.ts";
import { RawWebSocket } from "./support/websocket.ts";
import { eventually } from "./support/within.ts";

const PING_MS = 25_000;
const GRACE_MS = 15_000;
const CONNECT_WITHIN_MS = 10_000;
/** The timer wheel is right to a second. */
const SLOT_MS = 1000;

const isBye = (frame: ServerFrame) => "bye" in frame;

Deno.test("a WebSocket that never says connect is told so and closed with 3003", async () => {
  await using rig = new GatewayRig();
  using socket = await RawWebSocket.open(rig, "/chloe/ws");
  await socket.roundTrip();
  rig.pass(CONNECT_WITHIN_MS - SLOT_MS);
  assertEquals(rig.hub.counters.closes, {});
  rig.pass(2 * SLOT_MS);
  const words = await socket.next();
  assert(words.kind === "text");
  const [error, bye] = words.text.split("\n").map((line) => JSON.parse(line));
  assertEquals([error.error.code, bye.bye.code], ["not_connected", 3003]);
  assertEquals((await socket.closed()).code, 3003);
  await rig.allGone();
  assertEquals(rig.hub.wheel.size, 0);
});

Deno.test("a WebSocket that said connect is not closed for having been slow", async () => {
  await using rig = new GatewayRig();
  await using client = new SessionClient(rig);
  await client.connect("websocket");
  rig.pass(CONNECT_WITHIN_MS + SLOT_MS);
  assertEquals(await client.subscribe("x"), { id: 1, ok: {} });
});

for (const transport of ["websocket", "events"] as const) {
  Deno.test(`${transport}: a peer that answers pings stays`, async () => {
    await using rig = new GatewayRig();
    await using client = new SessionClient(rig);
    await client.connect(transport);
    for (let round = 1; round <= 4; round++) {
      rig.pass(PING_MS + SLOT_MS);
      // The answer to a command says that what the client sent before, its pong, was taken.
      assertEquals(await client.subscribe(`x${round}`), { id: round, ok: {} });
      assertEquals(client.pings, round);
    }
    assertEquals(rig.hub.counters.closes, {});
  });

  Deno.test(`${transport}: a silent peer is closed with 3002, and may come back`, async () => {
    await using rig = new GatewayRig();
    await using client = new SessionClient(rig, { mute: true });
    await client.connect(transport, { subscribe: { news: {} } });
    rig.pass(PING_MS + SLOT_MS);
    assertEquals(rig.hub.counters.closes, {});
    rig.pass(PING_MS + SLOT_MS);
    assertEquals(await client.next(isBye), {
      bye: { code: 3002, reason: "no answer to ping", reconnect: true, after: [500, 5000] },
    });
    const { code } = await client.ended;
    if (transport === "websocket") assertEquals(code, 3002);
    rig.publish("news", "while away");
    assertEquals((await client.resume(transport)).resumed, true);
    assertEquals(await client.nextData(), "while away");
  });
}

Deno.test("EventSource is kept alive by comments, which it ignores", async () => {
  await using rig = new GatewayRig();
  using stream = await request(rig, "/chloe/events?channel=news");
  let text = await stream.read();
  assert(/^retry: \d{4}\n\n$/.test(text!), text!);
  for (let round = 0; round < 3; round++) rig.pass(PING_MS + SLOT_MS);
  rig.publish("news", "still here");
  text = "";
  while (!text.includes("still here")) text += await stream.read();
  assertEquals(text, ":\n\n:\n\n:\n\ndata: still here\n\n");
});

Deno.test("a held poll is answered at the end of its hold, with where the count stands", async () => {
  await using rig = new GatewayRig();
  const { resume } = await connectByPoll(rig, { subscribe: { news: {} } });
  rig.publish("news", 1);
  using first = await poll(rig, resume, 0);
  assertEquals(await first.text(), '{"from":0}\n{"channel":"news","data":1}');
  using second = await poll(rig, resume, 1);
  await held(rig);
  rig.pass(PING_MS - SLOT_MS);
  assertEquals(rig.hub.counters.connections, 1);
  rig.pass(2 * SLOT_MS);
  assertEquals(await second.text(), '{"from":1}');
  await rig.allGone();
});

Deno.test("a poll's session is there for its grace time after the answer, and no longer", async () => {
  await using rig = new GatewayRig();
  await connectByPoll(rig);
  rig.pass(GRACE_MS - SLOT_MS);
  assertEquals(rig.hub.sessions.size, 1);
  rig.pass(2 * SLOT_MS);
  assertEquals([rig.hub.sessions.size, rig.hub.wheel.size], [0, 0]);
});

Deno.test("a JSONP poll is answered at the end of its hold with a script that asks again", async () => {
  await using rig = new GatewayRig();
  using client = new JsonpClient(rig, { id: 17 });
  await client.connect();
  await held(rig);
  rig.pass(PING_MS + SLOT_MS);
  await eventually(() => Promise.resolve(client.answers[1]), "the end of the hold");
  assertEquals(client.answers[1], "Chloe.JsonpTransport.connections[17].listenForMessages();");
  await client.subscribe("news");
  await held(rig);
  rig.publish("news", "on the next poll");
  assertEquals((await client.next()).data, "on the next poll");
});

Deno.test("an XHR poll is answered at the end of its hold with what calls nobody and asks again", async () => {
  await using rig = new GatewayRig();
  using client = new XhrClient(rig);
  await client.connect();
  await client.subscribe("news");
  await held(rig);
  rig.pass(PING_MS + SLOT_MS);
  await eventually(() => Promise.resolve(client.answers[0]), "the end of the hold");
  await held(rig);
  rig.publish("news", "on the next poll");
  assertEquals((await client.next()).data, "on the next poll");
});

Deno.test("a WebSocket of protocol 1 is not closed for saying nothing", async () => {
  await using rig = new GatewayRig();
  using client = new LegacyWebSocketClient(rig);
  await client.connect();
  await held(rig);
  rig.pass(10 * PING_MS);
  await eventually(
    () => Promise.resolve(rig.publishToAll("still here") === 1 || undefined),
    "the session",
  );
  assertEquals((await client.next()).data, "still here");
});

/** Waits until a session of the rig has a transport. */
async function held(rig: GatewayRig): Promise<void> {
  await eventually(() => {
    const sessions = [...rig.hub.sessions.values()];
    return Promise.resolve(sessions.some(({ transport }) => transport !== null) || undefined);
  }, "a transport");
}
