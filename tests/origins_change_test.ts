/**
 * Origins that may connect no more, as pages of them are about to: what is let in by one list is asked about
 * again by the next.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { GatewayRig, type GatewayRigOptions, settingsFor } from "./support/gateway_rig.ts";
import { request } from "./support/http.ts";
import { connectByPoll, poll } from "./support/polls.ts";
import { RawWebSocket } from "./support/websocket.ts";
import { within } from "./support/within.ts";

const ORIGIN = "https://goes.example";

function startRig(options: GatewayRigOptions = {}): GatewayRig {
  const rig = new GatewayRig(options);
  rig.gateway.configure(settingsFor(ORIGIN));
  return rig;
}

async function open(rig: GatewayRig, path = "/chloe/ws"): Promise<RawWebSocket> {
  return await RawWebSocket.open(rig, path, { origin: ORIGIN });
}

/** The frames that come until the socket is closed, and the code. */
async function lastWords(socket: RawWebSocket): Promise<[string[], number]> {
  const frames: string[] = [];
  for (;;) {
    const received = await socket.next();
    if (received.kind === "closed") return [frames, received.code];
    for (const line of received.text.split("\n")) frames.push(Object.keys(JSON.parse(line))[0]!);
  }
}

Deno.test("a socket that was let in by its origin begins no session once that is gone", async () => {
  await using rig = startRig();
  using socket = await open(rig);
  rig.gateway.configure(settingsFor());
  await socket.send('{"connect":{}}');
  assertEquals(await lastWords(socket), [["error", "bye"], 1008]);
  assertEquals(rig.hub.sessions.size, 0);
});

Deno.test("a page that the app was asked about meanwhile is sent away, and the app hears of it", async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: told, resolve: answer } = Promise.withResolvers<void>();
  const ended: (number | undefined)[] = [];
  await using rig = startRig({
    async admit() {
      ask();
      await told;
      return { ok: true };
    },
    listener: {
      subscribed() {},
      unsubscribed() {},
      occupied() {},
      vacated() {},
      ended: (_session, close) => void ended.push(close?.code),
    },
  });
  for (const path of ["/chloe/ws", "/chloe/websocket"]) {
    using socket = await open(rig, path);
    if (path === "/chloe/ws") await socket.send('{"connect":{}}');
    await within(asked, "the question");
    rig.gateway.configure(settingsFor());
    answer();
    assertEquals((await lastWords(socket))[1], 1008);
    assertEquals([ended.splice(0), rig.hub.sessions.size], [[1008], 0]);
    rig.gateway.configure(settingsFor(ORIGIN));
  }
});

Deno.test("a session whose page is between two polls is over, and its next poll is refused", async () => {
  await using rig = startRig();
  using connecting = await request(rig, "/chloe/poll", {
    method: "POST",
    headers: { origin: ORIGIN },
    body: '{"connect":{"subscribe":{"news":{}}}}',
  });
  const { resume } = JSON.parse((await connecting.text()).split("\n")[0]!).connected;
  rig.gateway.configure(settingsFor());
  assertEquals(rig.publish("news", 1), 0);
  using next = await request(rig, "/chloe/poll", {
    method: "POST",
    headers: { origin: ORIGIN },
    body: JSON.stringify({ resume, received: 0 }),
  });
  assertEquals((await next.head()).status, 403);
});

Deno.test("a session goes by the page that it was resumed on", async () => {
  await using rig = startRig();
  const { resume, session } = await connectByPoll(rig);
  using socket = await open(rig);
  await socket.send(JSON.stringify({ connect: { resume, received: 0 } }));
  await socket.next();
  assertEquals(rig.hub.sessions.get(session)?.transport?.kind, "websocket");
  rig.gateway.configure(settingsFor());
  assertEquals(await lastWords(socket), [["bye"], 1008]);
});

Deno.test("programs and pages of the own origin stay, whatever is listed", async () => {
  await using rig = startRig();
  const { resume, session: program } = await connectByPoll(rig);
  using held = await poll(rig, resume, 0);
  using own = await RawWebSocket.open(rig, "/chloe/ws", {
    origin: `http://${rig.hostname}:${rig.port}`,
  });
  await own.send('{"connect":{"subscribe":{"news":{}}}}');
  await own.next();
  rig.gateway.configure(settingsFor());
  assertEquals(rig.hub.sessions.size, 2);
  rig.publish("news", "still here");
  const received = await own.next();
  assertEquals(received.kind === "text" && JSON.parse(received.text).data, "still here");
  rig.hub.publish({ kind: "session", session: program }, "1");
  assertEquals((await held.head()).status, 200);
});

Deno.test("a page of protocol 1 whose origin is gone is not let back in", async () => {
  await using rig = startRig();
  using socket = await open(rig, "/chloe/websocket");
  await socket.send('{"type":"channel-subscribe","version":1,"channel":"/news","id":1}');
  rig.gateway.configure(settingsFor());
  assertEquals((await lastWords(socket))[1], 1008);
  const again = await open(rig, "/chloe/websocket").catch((error) => error);
  assertEquals(again.head.status, 403);
});
