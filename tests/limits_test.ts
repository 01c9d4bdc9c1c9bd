/**
 * Each limit over real sockets: what is refused, with which words, and that it is counted. Those of channels
 * are in conformance/limits_test.ts; what becomes of memory is in load/pressure_test.ts.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { Chloe } from "../client/mod.ts";
import { createApiKey } from "../src/signing/secrets.ts";
import { CommandPace } from "../src/hub/command_pace.ts";
import { AddressLimit } from "../src/transports/address_limit.ts";
import { ask, type Exchange, request } from "./support/http.ts";
import { GatewayRig, type GatewayRigOptions } from "./support/gateway_rig.ts";
import { JsonpClient, LegacyWebSocketClient, XhrClient } from "./support/legacy_client.ts";
import { MisbehavingApp } from "./support/misbehaving_app.ts";
import { connectByPoll, poll, post } from "./support/polls.ts";
import { type Address, startTestServer } from "./support/server.ts";
import {
  ConnectRefused,
  HandshakeRefused,
  type Reply,
  SessionClient,
  TRANSPORTS,
} from "./support/session_client.ts";
import { openStalled } from "./support/stalled_reader.ts";
import { OPCODES, RawWebSocket } from "./support/websocket.ts";
import { eventually, within } from "./support/within.ts";

/** What a server has counted of one limit. */
async function hits(address: Address, name: string, key?: string): Promise<number> {
  const { limitsHit } = (await stats(address, key)).hub;
  return limitsHit[name];
}

async function stats(address: Address, key?: string) {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return JSON.parse((await ask(address, "/api/stats", { headers })).text);
}

const CONNECT = '{"connect":{}}';

// Connections of one address

/** A peer that may have connections, and as many bans as it earns; frames 120 at once. */
const BANNING = {
  connections_per_address: 100,
  ban: "10m",
  commands_per_second: 1,
  commands_burst: 10,
};

/** How each way to begin a session is answered. */
async function beginnings(address: Address) {
  const posted = await Promise.all([
    post(address, "/chloe/poll", [CONNECT]),
    post(address, "/chloe/events", [CONNECT]),
    ask(address, "/chloe/xhr", { method: "POST", body: LEGACY_CONNECT }),
  ]);
  const sockets = await Promise.all(["/chloe/ws", "/chloe/websocket"].map(async (path) => {
    const { head } = await assertRejects(() => RawWebSocket.open(address, path), HandshakeRefused);
    return head;
  }));
  return [...posted, ...sockets].map(({ status }) => status);
}

const LEGACY_CONNECT = `data=${encodeURIComponent('{"type":"connect","version":1}')}`;

Deno.test("ban: who was closed for a flood begins no session, and who is there goes on", async () => {
  await using server = await startTestServer({ limits: BANNING });
  await using client = new SessionClient(server);
  await client.connect("websocket");
  assertEquals("ok" in await client.subscribe("news"), true);
  const polling = await connectByPoll(server);
  using flooding = await RawWebSocket.open(server, "/chloe/ws");
  await flooding.send(CONNECT);
  await flooding.send(Array(1000).fill("{}").join("\n"));
  assertEquals((await flooding.closed()).code, 3009);

  assertEquals(await beginnings(server), Array(5).fill(429));
  const { head } = await assertRejects(
    () => RawWebSocket.open(server, "/chloe/ws"),
    HandshakeRefused,
  );
  assertMatch(head.headers.get("retry-after")!, /^(?:600|5\d\d)$/);
  const { status, headers, text } = await post(server, "/chloe/poll", [CONNECT]);
  assertEquals([status, JSON.parse(text).error.code], [429, "too_fast"]);
  assertMatch(headers.get("retry-after")!, /^(?:600|5\d\d)$/);
  assertEquals(await hits(server, "banned"), 7);

  // A browser's own EventSource would not ask again, and nothing comes from it.
  using stream = await request(server, "/chloe/events?channel=news");
  assertEquals((await stream.head()).status, 200);
  assertEquals(await server.send({ channel: "news", data: 1 }), 2);
  stream.cut();
  assertEquals(await client.nextData(), 1);
  const up = [{ resume: polling.resume, received: 0 }];
  assertEquals((await post(server, "/chloe/up", up)).status, 204);
});

const MIB = 1024 * 1024;

for (
  const [what, message, code, isBanned] of [
    ["a text a little too long", "x".repeat(300_000), 1009, false],
    ["a MiB of text", "x".repeat(MIB), 1009, true],
    ["a MiB of text in fewer characters", "\u20ac".repeat(MIB / 2), 1009, true],
    ["binary data", new Uint8Array(10), 1003, false],
    ["a MiB of binary data", new Uint8Array(MIB), 1003, true],
  ] as const
) {
  Deno.test(`ban: who sends ${what} ${isBanned ? "is" : "is not"} banned`, async () => {
    await using server = await startTestServer({ limits: BANNING });
    using socket = await RawWebSocket.open(server, "/chloe/ws");
    await socket.send(CONNECT);
    await socket.next();
    if (typeof message === "string") await socket.send(message);
    else await socket.sendFrame(OPCODES.binary, message);
    assertEquals((await socket.closed()).code, code);
    const again = await RawWebSocket.open(server, "/chloe/ws").catch(({ head }) => head.status);
    assertEquals(again === 429, isBanned);
    if (again !== 429) again.cut();
  });
}

Deno.test("ban: who floods is banned, not the address where the session began", async () => {
  await using rig = new CrowdRig({
    ...STILL,
    addressLimit: new AddressLimit({ max: 9, includesLocal: true }),
    banMs: 600_000,
  });
  const [home, elsewhere] = [{ "x-address": "192.0.2.1" }, { "x-address": "192.0.2.2" }];
  const { text } = await ask(rig, "/chloe/poll", { method: "POST", body: CONNECT, headers: home });
  const { resume } = JSON.parse(text.split("\n")[0]!).connected;
  const body = [JSON.stringify({ resume, received: 0 }), ...Array(20).fill("{}")].join("\n");
  const up = await ask(rig, "/chloe/up", { method: "POST", body, headers: elsewhere });
  assertEquals(up.status, 429);
  assertEquals([await rig.comes("192.0.2.1"), await rig.comes("192.0.2.2")], [true, false]);
});

for (const code of [1000, 4000]) {
  Deno.test(`a session begins with what the last one of its address, closed with ${code}, left of the frames that may come at once`, async () => {
    await using server = await startTestServer({ limits: BANNING });
    {
      using idle = await RawWebSocket.open(server, "/chloe/ws");
      await idle.send(CONNECT);
      await idle.next();
      using socket = await RawWebSocket.open(server, "/chloe/ws");
      await socket.send([CONNECT, ...Array(110).fill("{}")].join("\n"));
      await socket.next();
      await socket.close(code);
      await idle.close(1000); // it has all of its burst left, which is no more than the other's
    }
    using socket = await RawWebSocket.open(server, "/chloe/ws");
    await socket.send([CONNECT, ...Array(110).fill("{}")].join("\n"));
    assertEquals((await socket.closed()).code, 3009);
  });
}

Deno.test("ban: it ends, and this machine's own address has none where it has no limit", async () => {
  await using server = await startTestServer({ limits: { ...BANNING, ban: "200ms" } });
  const flood = async (address: Address) => {
    using flooding = await RawWebSocket.open(address, "/chloe/ws");
    await flooding.send(CONNECT);
    await flooding.send(Array(1000).fill("{}").join("\n"));
    assertEquals((await flooding.closed()).code, 3009);
  };
  await flood(server);
  using again = await eventually(
    () => RawWebSocket.open(server, "/chloe/ws").catch(() => undefined),
    "the end of the ban",
  );
  await again.send(CONNECT);
  assertEquals((await again.next()).kind, "text");

  const { connections_per_address: _, ...unlimited } = BANNING;
  await using other = await startTestServer({ limits: unlimited });
  await flood(other);
  using socket = await RawWebSocket.open(other, "/chloe/ws");
  await socket.send(CONNECT);
  assertEquals((await socket.next()).kind, "text");
});

Deno.test("connections_per_address: sockets, streams and polls count alike, and one that goes makes room", async () => {
  await using server = await startTestServer({ limits: { connections_per_address: 3 } });
  const { resume } = await connectByPoll(server);
  using held = await poll(server, resume, 0);
  using stream = await request(server, "/chloe/events", { method: "POST", body: CONNECT });
  assertEquals((await stream.head()).status, 200);
  const socket = await RawWebSocket.open(server, "/chloe/ws");
  await eventually(
    async () => (await stats(server)).hub.connections === 3 || undefined,
    "three connections",
  );

  const refused = await Promise.all([
    post(server, "/chloe/events", [CONNECT]),
    post(server, "/chloe/poll", [CONNECT]),
    ask(server, "/chloe/events?channel=news"),
  ]);
  for (const { status, headers, text } of refused) {
    assertEquals([status, headers.get("retry-after")], [429, "5"]);
    const { code, retry } = JSON.parse(text).error;
    assertEquals([code, retry], ["too_many_connections", true]);
  }
  for (const path of ["/chloe/ws", "/chloe/websocket"]) {
    const { head } = await assertRejects(() => RawWebSocket.open(server, path), HandshakeRefused);
    assertEquals(head.status, 429);
  }
  assertEquals(await hits(server, "connectionsPerAddress"), 5);

  socket.cut();
  using again = await eventually(
    () => RawWebSocket.open(server, "/chloe/ws").catch(() => undefined),
    "room for a socket",
  );
  await again.send(CONNECT);
  assertEquals((await again.next()).kind, "text");
  stream.cut();
  held.cut();
});

Deno.test("connections_per_address: without it this machine's own address has no limit of its own", async () => {
  await using server = await startTestServer({ limits: { connections: 8 } });
  const sockets: RawWebSocket[] = [];
  for (let n = 0; n < 8; n++) sockets.push(await RawWebSocket.open(server, "/chloe/ws"));
  const { head } = await assertRejects(
    () => RawWebSocket.open(server, "/chloe/ws"),
    HandshakeRefused,
  );
  assertEquals(head.status, 503);
  assertEquals(await hits(server, "connections"), 1);
  assertEquals(await hits(server, "connectionsPerAddress"), 0);
  for (const socket of sockets) socket.cut();
});

/** A rig of which each request names its own address. */
class CrowdRig extends GatewayRig {
  constructor(options: GatewayRigOptions) {
    super({ addressOf: ({ headers }) => headers.get("x-address") ?? "", ...options });
  }

  readonly #sockets: RawWebSocket[] = [];

  /** Opens a socket from an address. @returns Whether it was let in. */
  async comes(address: string): Promise<boolean> {
    try {
      this.#sockets.push(await RawWebSocket.open(this, "/chloe/ws", { "x-address": address }));
      return true;
    } catch (error) {
      if (error instanceof HandshakeRefused && error.head.status === 429) return false;
      throw error;
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.cut();
    await super[Symbol.asyncDispose]();
  }
}

Deno.test("connections of one address leave room for others; of IPv6 a /64 is one", async () => {
  const addressLimit = new AddressLimit({ max: 2, includesLocal: false });
  await using rig = new CrowdRig({ addressLimit });
  const come = async (...addresses: string[]) => {
    const entered: boolean[] = [];
    for (const address of addresses) entered.push(await rig.comes(address));
    return entered;
  };
  assertEquals(await come("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"), [true, true, false]);
  assertEquals(await come("192.0.2.2", "192.0.2.2", "192.0.2.2"), [true, true, false]);
  assertEquals(
    await come("2001:db8::1", "2001:db8::2:3", "2001:db8::ffff:1", "2001:db8:0:1::1"),
    [true, true, false, true],
  );
  assertEquals(
    await come("127.0.0.1", "127.0.0.1", "127.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"),
    Array(6).fill(true),
  );
  assertEquals(rig.hub.counters.limitsHit.connectionsPerAddress, 3);
});

Deno.test("a plain event stream counts for its address while the app is asked about it", async () => {
  const answers: (() => void)[] = [];
  await using rig = new CrowdRig({
    addressLimit: new AddressLimit({ max: 2, includesLocal: true }),
    admit: () => new Promise((resolve) => answers.push(() => resolve({ ok: true }))),
  });
  const headers = { "x-address": "192.0.2.1" };
  const asking = [];
  for (let n = 1; n <= 2; n++) {
    asking.push(await request(rig, "/chloe/events?channel=news", { headers }));
    await eventually(() => Promise.resolve(answers.length === n || undefined), "a question");
  }
  assertEquals((await ask(rig, "/chloe/events?channel=news", { headers })).status, 429);
  for (const answer of answers) answer();
  for (const stream of asking) {
    assertEquals((await stream.head()).status, 200);
    stream.cut();
  }
  await rig.allGone();
  assertEquals(rig.hub.counters.connectionsOf("192.0.2.1"), 0);
});

Deno.test("what an address held is forgotten when it is gone", async () => {
  const addressLimit = new AddressLimit({ max: 1, includesLocal: true });
  await using rig = new CrowdRig({ addressLimit });
  const headers = { "x-address": "192.0.2.1" };
  const ways: (() => Promise<{ cut(): void }>)[] = [
    () => RawWebSocket.open(rig, "/chloe/ws", headers),
    () => RawWebSocket.open(rig, "/chloe/websocket", headers),
    () => opened(request(rig, "/chloe/events", { method: "POST", body: CONNECT, headers })),
    () => opened(request(rig, "/chloe/events?channel=news", { headers })),
  ];
  for (const open of ways) {
    const connection = await open();
    assertEquals(rig.hub.counters.connectionsOf("192.0.2.1"), 1);
    connection.cut();
    await rig.allGone();
    assertEquals(rig.hub.counters.connectionsOf("192.0.2.1"), 0);
  }
  const { headers: _, text, status } = await post(rig, "/chloe/poll", [CONNECT], headers);
  assertEquals([status, rig.hub.counters.connectionsOf("192.0.2.1")], [200, 0]);
  assertMatch(text, /^{"connected":/);
});

async function opened(exchange: Promise<Exchange>): Promise<Exchange> {
  const stream = await exchange;
  assertEquals((await stream.head()).status, 200);
  return stream;
}

Deno.test("sessions between two polls count for their address, until they are over", async () => {
  const addressLimit = new AddressLimit({ max: 2, includesLocal: true });
  await using rig = new CrowdRig({ addressLimit, bounds: { graceMs: 10_000 } });
  const connect = (address: string) =>
    post(rig, "/chloe/poll", [CONNECT], { "x-address": address });
  const statuses: number[] = [];
  for (let n = 0; n < 5; n++) statuses.push((await connect("192.0.2.1")).status);
  assertEquals(statuses, [200, 200, 200, 200, 429]);
  const legacy = `data=${escape('{"type":"connect","version":1,"id":1}')}`;
  const headers = { "x-address": "192.0.2.1" };
  const refused = await Promise.all([
    post(rig, "/chloe/events", [CONNECT], headers),
    ask(rig, "/chloe/events?channel=news", { headers }),
    ask(rig, `/chloe/jsonp.js?${legacy}`, { headers }),
    ask(rig, "/chloe/xhr", { method: "POST", body: legacy, headers }),
  ]);
  for (const { status, text } of refused) {
    assertEquals([status, JSON.parse(text).error.code], [429, "too_many_connections"]);
  }
  using socket = await RawWebSocket.open(rig, "/chloe/ws", headers);
  await socket.send(CONNECT);
  assertEquals((await socket.closed()).code, 3005);
  assertEquals((await connect("192.0.2.2")).status, 200);
  assertEquals(rig.hub.counters.limitsHit.sessionsPerAddress, 6);

  rig.pass(11_000);
  assertEquals(rig.hub.sessionsByAddress.size, 0);
  assertEquals((await connect("192.0.2.1")).status, 200);
});

// Commands

/** 10 at once, and then one each 50 ms; of frames 120 at once. */
const SLOW = { commands_per_second: 20, commands_burst: 10 };

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: commands that come too fast are answered with too_fast, and the session goes on`, async () => {
    await using server = await startTestServer({ limits: SLOW });
    await using client = new SessionClient(server);
    await client.connect(transport);
    const lines = Array.from({ length: 40 }, (_, n) => {
      return JSON.stringify({ id: n + 1, unsubscribe: { channel: "x" } });
    });
    client.raw(lines.join("\n"));
    const codes: string[] = [];
    for (let id = 1; id <= 40; id++) {
      const { error } = await client.reply(id) as Reply & { error: { code: string } };
      codes.push(error.code);
    }
    assertEquals(codes.slice(0, 10), Array(10).fill("not_subscribed"));
    const refused = codes.filter((code) => code === "too_fast").length;
    assert(refused > 0, "all were done");
    assertEquals(await hits(server, "commandsRefused"), refused);

    // What was refused has used its id, and nothing else: the next one is done as soon as it may be.
    client.lastId = 40;
    await eventually(async () => {
      const reply = await client.subscribe("news");
      return "ok" in reply || undefined;
    }, "a command that is done");
    assertEquals(await server.send({ channel: "news", data: 1 }), 1);
    assertEquals(await client.nextData(), 1);
  });

  Deno.test(`${transport}: who goes on and on is closed with 3009 and may come back`, async () => {
    await using server = await startTestServer({ limits: SLOW });
    await using client = new SessionClient(server);
    await client.connect(transport);
    const { ended } = client;
    client.raw(Array(1000).fill("{}").join("\n"));
    const bye = await client.next((frame) => "bye" in frame);
    const { code, reconnect } = (bye as { bye: { code: number; reconnect: boolean } }).bye;
    assertEquals([code, reconnect], [3009, true]);
    if (transport === "websocket") assertEquals((await ended).code, 3009);
    assertEquals(await hits(server, "framesClosed"), 1);
    await using again = new SessionClient(server);
    await again.connect(transport);
    assertEquals("ok" in await again.subscribe("news"), true);
  });
}

/** Bounds of a rig whose clock stands still: one command, and 12 frames. */
const STILL = { pace: new CommandPace({ perSecond: 1, burst: 1 }) };

Deno.test("polls that come far too fast end their session", async () => {
  await using rig = new GatewayRig(STILL);
  const { resume } = await connectByPoll(rig);
  const polls = await Promise.all(Array.from({ length: 11 }, () => poll(rig, resume, 0)));
  await eventually(
    () => Promise.resolve(rig.hub.counters.framesIn === 12 || undefined),
    "all polls",
  );
  assertEquals(rig.hub.sessions.size, 1);
  using last = await poll(rig, resume, 0);
  assertEquals((await last.head()).status, 429);
  assertEquals(JSON.parse(await last.text()).error.code, "too_fast");
  assertEquals(rig.hub.sessions.size, 0);
  for (const each of polls) each.cut();
  assertEquals((await post(rig, "/chloe/poll", [{ resume, received: 0 }])).status, 404);
});

for (const [name, Client] of [["JSONP", JsonpClient], ["XHR", XhrClient]] as const) {
  Deno.test(`protocol 1, ${name}: who goes on and on has no session any more`, async () => {
    await using rig = new GatewayRig(STILL);
    using client = new Client(rig);
    await client.connect();
    await assertRejects(async () => {
      for (let n = 0; n < 30; n++) await client.send("hello");
    });
    const { limitsHit } = rig.hub.counters;
    assertEquals([limitsHit.framesClosed, rig.hub.sessions.size], [1, 0]);
  });
}

Deno.test("protocol 1: what comes too fast is dropped without a word, and counted", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    app: { url: app.url },
    limits: { commands_per_second: 1, commands_burst: 4 },
  });
  using client = new LegacyWebSocketClient(server);
  await client.connect();
  for (let n = 0; n < 40; n++) await client.send(`${n}`);
  const dropped = await eventually(
    async () => await hits(server, "commandsRefused") || undefined,
    "a message that is dropped",
  );
  assert(dropped > 0);
  for (const [n, data] of ["0", "1", "2", "3"].entries()) {
    assertEquals(JSON.parse((await app.requests(n + 1)).body).data, data);
  }
});

Deno.test("protocol 1, WebSocket: who goes on and on is closed with 3009", async () => {
  await using rig = new GatewayRig(STILL);
  using client = new LegacyWebSocketClient(rig);
  await client.connect();
  for (let n = 0; n < 13; n++) await client.send("hello");
  assertEquals(await within(client.ended, "the end of the socket"), 3009);
  const { limitsHit, closes } = rig.hub.counters;
  assertEquals([limitsHit.framesClosed, limitsHit.commandsRefused, closes[3009]], [1, 11, 1]);
});

Deno.test("a page may subscribe to as many channels as it may be in, all at once, and leave them", async () => {
  await using server = await startTestServer();
  await using client = new SessionClient(server);
  await client.connect("websocket");
  const ids: number[] = [];
  for (let n = 0; n < 500; n++) ids.push(client.command({ subscribe: { channel: `c${n}` } }));
  for (let n = 0; n < 500; n++) ids.push(client.command({ unsubscribe: { channel: `c${n}` } }));
  for (const id of ids) assertEquals("ok" in await client.reply(id), true);
});

for (const transport of TRANSPORTS) {
  Deno.test(`chloe.js, ${transport}: what comes too fast is rejected with retry, and the rest is done`, async () => {
    await using server = await startTestServer({
      limits: SLOW,
      channel: [{ pattern: "**", publish: "clients" }],
    });
    const chloe = new Chloe(server.url, { transports: [transport] });
    try {
      await chloe.connect();
      const outcomes = await within(
        Promise.allSettled(Array.from({ length: 40 }, (_, n) => chloe.channel("news").publish(n))),
        "all answers",
      );
      assertEquals(outcomes[0]!.status, "fulfilled");
      const refused = outcomes.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
      assert(refused.length > 0, "all were done");
      for (const { code, retry } of refused) assertEquals([code, retry], ["too_fast", true]);
      assertEquals(await hits(server, "commandsRefused"), refused.length);
      assertEquals(chloe.state, "connected");
    } finally {
      chloe.close();
    }
  });
}

Deno.test("chloe.js comes back by itself after it was closed for too many commands", async () => {
  await using server = await startTestServer({
    limits: { commands_per_second: 1, commands_burst: 1 },
  });
  const chloe = new Chloe(server.url, {
    transports: ["websocket"],
    environment: { random: () => 0.001 },
  });
  try {
    // Why it was closed is told to nobody but who listens.
    chloe.on("error", () => {});
    const got = Promise.withResolvers<unknown>();
    const began = chloe.subscribe("news", (data) => got.resolve(data));
    await chloe.connect();
    await began;
    const sessionBefore = chloe.session;
    const outcomes = await within(
      Promise.allSettled(Array.from({ length: 100 }, () => chloe.send("x"))),
      "all answers",
    );
    assert(outcomes.every(({ status }) => status === "rejected"));
    await eventually(
      async () => await server.send({ channel: "news", data: "again" }) === 1 || undefined,
      "its return",
    );
    assertEquals(await within(got.promise, "a message"), "again");
    assertNotEquals(chloe.session, sessionBefore);
    assertEquals(await hits(server, "framesClosed"), 1);
  } finally {
    chloe.close();
  }
});

// What waits for all

Deno.test("queued_bytes: readers that lag are ended, and who reads gets everything", async () => {
  await using server = await startTestServer({
    limits: { queued_bytes: "4MiB", unwritten_bytes: "64MiB" },
    session: { grace: "10m" },
  });
  await using quick = new SessionClient(server);
  await quick.connect("websocket", { subscribe: { quick: {} } });
  const stalled = await Promise.all(
    Array.from({ length: 4 }, (_, n) => openStalled("poll", server, `stalled-${n}`)),
  );
  const padding = "x".repeat(60_000);
  for (let n = 0; n < 200; n++) {
    // `unwritten_bytes` is large enough for all of it: what ends anybody is what waits in all.
    await server.send({ channel: `stalled-${n % 4}`, data: padding }, {
      channel: "quick",
      data: `${n} ${padding}`,
    });
    assertEquals(await quick.nextData(), `${n} ${padding}`);
    quick.acknowledge();
  }
  assert(await hits(server, "queuedBytesClosed") > 0);
  assertEquals(await hits(server, "unwrittenBytesClosed"), 0);
  assertEquals(await hits(server, "queuedBytesRefused"), 0);
  for (const each of stalled) each[Symbol.dispose]();
});

Deno.test("queued_bytes: where little waits for each of many, /send says 503 until they have read", async () => {
  await using server = await startTestServer({
    limits: { queued_bytes: "1MiB" },
    session: { grace: "10m" },
    channel: [{ pattern: "**", publish: "clients" }],
  });
  await using client = new SessionClient(server);
  await client.connect("websocket");
  const sessions = await Promise.all(Array.from({ length: 130 }, (_, n) => {
    return connectByPoll(server, { subscribe: { [`c${n}`]: {} } });
  }));
  const send = (channel: string) => {
    return ask(server, "/send", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ channel, data: "x".repeat(10_000) }),
    });
  };
  let n = 0;
  let answer = await send("c0");
  while (answer.status === 200 && n < 129) answer = await send(`c${++n}`);
  assertEquals([answer.status, answer.headers.get("retry-after")], [503, "1"]);
  assertMatch(answer.text, /limits\.queued_bytes/);
  const { error } = await client.publish("c0", 1) as Reply & { error: { code: string } };
  assertEquals(error.code, "busy");
  assert(await hits(server, "queuedBytesRefused") >= 2);
  assertEquals(await hits(server, "queuedBytesClosed"), 0);

  for (const { resume } of sessions.slice(0, n)) {
    using held = await poll(server, resume, 0);
    assertMatch(await held.text(), /x{10000}/);
    // The next one says that it came.
    const { status } = await post(server, "/chloe/up", [{ resume, received: 1 }]);
    assertEquals(status, 204);
  }
  await eventually(async () => (await send("c0")).status === 200 || undefined, "room again");
});

// Requests to /send

Deno.test("send_per_second: each key is let in so often, and told when it may come again", async () => {
  const keys = [createApiKey(), createApiKey()] as const;
  await using server = await startTestServer({
    api_keys: [...keys],
    limits: { send_per_second: 1 },
  });
  const send = (key: string) => {
    return ask(server, "/send", {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: "data=hello",
    });
  };
  const answers = await Promise.all(Array.from({ length: 40 }, () => send(keys[0])));
  const refused = answers.filter(({ status }) => status === 429);
  const done = answers.filter(({ status }) => status === 200);
  assertEquals(refused.length + done.length, 40);
  assert(refused.length > 0 && done.length > 0, `${refused.length} of 40 were refused`);
  for (const { headers, text } of refused) {
    const { code, retry } = JSON.parse(text).error;
    assertEquals([headers.get("retry-after"), code, retry], ["1", "too_fast", true]);
  }
  assertEquals((await send(keys[1])).status, 200);
  const counted = await stats(server, keys[1]);
  assertEquals(counted.hub.limitsHit.sendPerSecond, refused.length);
  assertEquals(counted.send.refused["429"], refused.length);
  // A stranger uses up nobody's.
  assertEquals((await send("chk_stranger")).status, 401);
  await eventually(
    async () => (await send(keys[0])).status === 200 || undefined,
    "the next second",
  );
});

Deno.test("sessions in all: one too many is told to come later, and counted", async () => {
  await using rig = new GatewayRig({ maxSessions: 1 });
  await connectByPoll(rig);
  await using client = new SessionClient(rig);
  await assertRejects(() => client.connect("websocket"), ConnectRefused);
  assertEquals(rig.hub.counters.limitsHit.sessions, 1);
});

// What is too long

Deno.test("what is too long is refused or closed with 1009, and counted by its reason", async () => {
  await using server = await startTestServer({
    limits: { max_bytes: "1KiB", message_bytes: "100B" },
  });
  await using client = new SessionClient(server);
  await client.connect("websocket");
  const refused: string[] = [];
  for (const length of [500, 2000]) {
    const reply = await client.send("x".repeat(length)) as Reply & { error: { code: string } };
    refused.push(reply.error.code);
  }
  assertEquals(refused, ["too_large", "too_large"]);
  assertEquals((await post(server, "/chloe/poll", ["x".repeat(5000)])).status, 413);
  const { ended } = client;
  client.raw("x".repeat(5000));
  assertEquals((await ended).code, 1009);
  const { limitsHit } = (await stats(server)).hub;
  const { messageBytes, maxBytesRefused, maxBytesClosed } = limitsHit;
  assertEquals([messageBytes, maxBytesRefused, maxBytesClosed], [1, 2, 1]);
});
