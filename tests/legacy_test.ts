/**
 * Protocol 1 as its client of 2011 needs it: a page of that time, unmodified.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { ask } from "./support/http.ts";
import {
  JsonpClient,
  type LegacyClient,
  LegacyWebSocketClient,
  XhrClient,
} from "./support/legacy_client.ts";
import { MisbehavingApp } from "./support/misbehaving_app.ts";
import { connectByPoll, post } from "./support/polls.ts";
import {
  type Address,
  type ConfigFile,
  startTestServer,
  type TestServer,
} from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { OPCODES, RawWebSocket } from "./support/websocket.ts";
import { eventually, within } from "./support/within.ts";

const CLIENTS: readonly (readonly [name: string, new (address: Address) => LegacyClient])[] = [
  ["WebSocket", LegacyWebSocketClient],
  ["JSONP", JsonpClient],
  ["XHR", XhrClient],
];

const MEMBERS = ["channel", "data", "id", "sessionId", "type", "version"];

function jsonp(message: unknown): string {
  return `/chloe/jsonp.js?data=${escape(JSON.stringify(message))}ts=1700000000000`;
}

const form = (message: unknown) => `data=${escape(JSON.stringify(message))}`;

for (const [name, Client] of CLIENTS) {
  Deno.test(`protocol 1, ${name}: a message has all six members, and the channel as it was asked for`, async () => {
    await using server = await startTestServer();
    using client = new Client(server);
    await client.connect();
    await client.subscribe("/pumpkin");
    await eventually(
      async () => await server.send({ channel: "pumpkin", data: "Trotter" }) > 0 || undefined,
      "the subscription",
    );
    const message = await client.next();
    assertEquals(Object.keys(message).sort(), MEMBERS);
    const { type, channel, data, version, sessionId } = message;
    assertEquals([channel, data, version, sessionId], ["/pumpkin", "Trotter", 1, null]);
    assertEquals(type, name === "JSONP" ? "poll" : "message");
  });

  Deno.test(`protocol 1, ${name}: everybody is in /all, subscribed or not`, async () => {
    await using server = await startTestServer();
    using client = new Client(server);
    await client.connect();
    await client.subscribe("/all");
    await eventually(async () => await server.send({ data: "hi" }) > 0 || undefined, "a session");
    const { channel, data } = await client.next();
    assertEquals([channel, data], ["/all", "hi"]);
    assertEquals(await server.send({ data: "again" }), 1);
    assertEquals((await client.next()).data, "again");
  });

  Deno.test(`protocol 1, ${name}: what a page sends reaches the app as it was written`, async () => {
    await using app = MisbehavingApp.start();
    await using server = await startTestServer({
      app: { url: app.url, format: "chloe-1" },
      legacy: { secret: "ThisIsSecret" },
    });
    using client = new Client(server);
    await client.connect();
    const texts = ["1+1=2 & 100%", "é€🎃", "%u20AC %E9 ts=17", "ts=1700000000000", '{"a":1}', ""];
    for (const [n, text] of texts.entries()) {
      await client.send(text);
      assertEquals((await within(app.requests(n + 1), "the app")).body, text);
    }
    assertMatch(app.received[0]!.headers.get("x-chloe-signature") ?? "", /^[0-9a-f]{32}$/);
  });

  Deno.test(`protocol 1, ${name}: hears on a channel that a page of today listens to`, async () => {
    await using server = await startTestServer();
    using old = new Client(server);
    await using young = new SessionClient(server);
    await old.connect();
    await old.subscribe("/pumpkin");
    await eventually(
      async () => await server.send({ channel: "pumpkin", data: "probe" }) > 0 || undefined,
      "the subscription",
    );
    await young.connect("websocket", { subscribe: { pumpkin: {} } });
    assertEquals(await server.send({ channel: "pumpkin", data: { n: 1 } }), 2);
    assertEquals(await young.next(), { channel: "pumpkin", data: { n: 1 } });
    assertEquals([(await old.next()).data, (await old.next()).data], ["probe", '{"n":1}']);
  });
}

// Sessions

Deno.test("a session of one protocol is none of the other's", async () => {
  await using server = await startTestServer();
  using old = new XhrClient(server);
  await old.connect();
  const { resume } = await connectByPoll(server);

  const up = await post(server, "/chloe/up", [{ resume: old.sessionId, received: 0 }]);
  assertEquals(up.status, 404);
  const message = { type: "message", data: "x", version: 1, sessionId: resume };
  const { status } = await ask(server, "/chloe/xhr", { method: "POST", body: form(message) });
  assertEquals(status, 404);
});

Deno.test("a session is named by its secret, which its id alone does not give", async () => {
  await using server = await startTestServer();
  using client = new XhrClient(server);
  await client.connect();
  const [id] = client.sessionId!.split(".");
  for (const sessionId of [id, `${id}.${"x".repeat(24)}`, "", null]) {
    const message = { type: "channel-subscribe", channel: "x", version: 1, sessionId };
    const posted = await ask(server, "/chloe/xhr", { method: "POST", body: form(message) });
    const script = await ask(server, jsonp({ ...message, id: 1 }));
    assertEquals([posted.status, script.status], [404, 404]);
  }
  assertEquals(await server.send({ channel: "x", data: 1 }), 0);
});

// WebSocket

Deno.test("protocol 1, WebSocket: a session starts with the socket, and each message is a frame", async () => {
  await using server = await startTestServer();
  using socket = await RawWebSocket.open(server, "/chloe/websocket");
  await eventually(async () => await server.send({ data: "0" }) > 0 || undefined, "a session");
  await server.send({ data: "1" }, { data: "2" }, { data: "3" });
  for (const data of ["0", "1", "2", "3"]) {
    const received = await socket.next();
    assert(received.kind === "text");
    assertEquals(JSON.parse(received.text).data, data);
  }
});

for (
  const [what, opcode, payload, code] of [
    ["is no JSON", OPCODES.text, "hello", 3503],
    ["has another version", OPCODES.text, '{"type":"message","version":2}', 3503],
    ["has a type that is none", OPCODES.text, '{"type":"shout","version":1}', 3503],
    ["is too long", OPCODES.text, "x".repeat(65_537), 1009],
    ["is binary", OPCODES.binary, "{}", 1003],
  ] as const
) {
  Deno.test(`protocol 1, WebSocket: a message that ${what} is closed with ${code}`, async () => {
    await using server = await startTestServer();
    using socket = await RawWebSocket.open(server, "/chloe/websocket");
    await socket.sendFrame(opcode, new TextEncoder().encode(payload));
    assertEquals((await socket.next()).kind, "closed");
    assertEquals((await socket.closed()).code, code);
    assertEquals(await server.send({ data: 1 }), 0);
  });
}

// JSONP

Deno.test("protocol 1, JSONP: connect is answered with a script that hands over the session", async () => {
  await using server = await startTestServer();
  const { status, headers, text } = await ask(
    server,
    jsonp({ type: "connect", version: 1, id: 17 }),
  );
  assertEquals(status, 200);
  assertMatch(headers.get("content-type")!, /^application\/javascript/);
  assertEquals(headers.get("x-content-type-options"), "nosniff");
  assertEquals(headers.get("cache-control"), "no-store");
  const [, json] = /^Chloe\.JsonpTransport\.response\((.*)\);$/.exec(text)!;
  const message = JSON.parse(json!);
  assertEquals(Object.keys(message).sort(), MEMBERS);
  assertEquals([message.type, message.version, message.id], ["connect", 1, 17]);
  assertMatch(message.sessionId, /^[\w-]{16}\.[\w-]{24}$/);
});

Deno.test("protocol 1, JSONP: several messages are one answer, and one poll follows", async () => {
  await using server = await startTestServer();
  using client = new JsonpClient(server);
  await client.connect();
  await client.subscribe("/x");
  await server.send(...["1", "2", "3"].map((data) => ({ channel: "x", data })));
  const data = [(await client.next()).data, (await client.next()).data, (await client.next()).data];
  assertEquals(data, ["1", "2", "3"]);
  assertEquals(client.answers.length, 2); // of connect, and of the poll
  assert(client.held.size <= 1);
});

Deno.test("protocol 1, JSONP: a page whose session is gone gets another, and subscribes again", async () => {
  await using server = await startTestServer();
  using client = new JsonpClient(server, { id: 17 });
  client.sessionId = `${"x".repeat(16)}.${"y".repeat(24)}`;
  client.run("Chloe.JsonpTransport.connections[17].listenForMessages();");
  await eventually(
    () => Promise.resolve(client.connects === 1 || undefined),
    "an answer to a poll of no session",
  );
  await client.subscribe("/x");
  await server.send({ channel: "x", data: "there again" });
  assertEquals((await client.next()).data, "there again");
});

for (
  const id of ['"];alert(1)//"', "null", "[1]", "1e999", '"17"']
) {
  Deno.test(`protocol 1, JSONP: an id that is ${id} comes into no script`, async () => {
    await using server = await startTestServer();
    const message = `{"type":"poll","version":1,"id":${id},"sessionId":"x"}`;
    const { status, headers } = await ask(
      server,
      `/chloe/jsonp.js?data=${escape(message)}ts=17`,
    );
    assertEquals([status, headers.get("content-type")], [400, "application/json"]);
  });
}

Deno.test("protocol 1, JSONP: a page that finds no room is told to ask again, not that it failed", async () => {
  await using server = await startTestServer({ limits: { connections: 1 } });
  await using other = new SessionClient(server);
  using client = new JsonpClient(server, { id: 17 });
  const { text } = await ask(server, jsonp({ type: "connect", version: 1, id: 17 }));
  await other.connect("websocket");
  const [, json] = /response\((.*)\);/.exec(text)!;
  const { sessionId } = JSON.parse(json!);
  for (const id of [sessionId, "nobody's"]) {
    const { status, text } = await ask(
      server,
      jsonp({ type: "poll", version: 1, id: 17, sessionId: id }),
    );
    assertEquals(status, 200);
    client.run(text);
  }
  assertEquals(client.delays.length, 2);
});

Deno.test("protocol 1, JSONP: a poll that is held when the server goes away asks again later", async () => {
  await using server = await startTestServer();
  using client = new JsonpClient(server);
  await client.connect();
  await client.subscribe("/x");
  await heldPoll(server);
  const ended = client.ended;
  await server.shutdown();
  await within(ended, "the end of a poll");
  const [delay] = client.delays;
  assert(delay !== undefined && delay >= 2000 && delay <= 5000);
});

// XHR

Deno.test("protocol 1, XHR: connect is answered with a bare message, what it sends with nothing", async () => {
  await using server = await startTestServer();
  const connected = await ask(server, "/chloe/xhr", {
    method: "POST",
    body: form({ type: "connect", version: 1 }),
  });
  const message = JSON.parse(connected.text);
  assertEquals(Object.keys(message).sort(), MEMBERS);
  assertEquals([message.type, message.id], ["connect", null]);
  const { sessionId } = message;
  for (const type of ["channel-subscribe", "message"]) {
    const { status, text } = await ask(server, "/chloe/xhr", {
      method: "POST",
      body: form({ type, channel: "x", data: "y", version: 1, sessionId }),
    });
    assertEquals([status, text], [200, ""]);
  }
});

Deno.test("protocol 1, XHR: a page that polls once for each message gets all, and an empty 200 for the rest", async () => {
  await using server = await startTestServer();
  using client = new XhrClient(server, { eager: true });
  await client.connect();
  await client.subscribe("/x");
  await server.send(...["1", "2", "3", "4"].map((data) => ({ channel: "x", data })));
  for (const data of ["1", "2", "3", "4"]) assertEquals((await client.next()).data, data);
  // Four polls follow; each ends the one before it with nothing, and one stays.
  await eventually(
    () => Promise.resolve(client.answers.filter((text) => text === "").length === 3 || undefined),
    "three polls to be replaced",
  );
  await server.send({ channel: "x", data: "5" });
  assertEquals((await client.next()).data, "5");
});

Deno.test("protocol 1, XHR: a page whose session is gone is told so by the status", async () => {
  await using server = await startTestServer();
  const sessionId = `${"x".repeat(16)}.${"y".repeat(24)}`;
  const poll = form({ type: "poll", version: 1, sessionId });
  const { status, text } = await ask(server, `/chloe/xhr/17?${poll}`);
  assertEquals([status, JSON.parse(text).error.code], [404, "unknown_session"]);
});

Deno.test("protocol 1, XHR: a poll that is held when the server goes away is told so by the status", async () => {
  await using server = await startTestServer();
  using client = new XhrClient(server);
  await client.connect();
  await client.subscribe("/x");
  await heldPoll(server);
  await server.shutdown();
  assertNotEquals(await within(client.ended, "the end of a poll"), 200);
});

// What is wrong

for (
  const [what, query] of [
    ["no data", ""],
    ["no JSON", "data=hello"],
    ["no version", form({ type: "connect" })],
    ["version 2", form({ type: "connect", version: 2 })],
    ['version "1"', form({ type: "connect", version: "1" })],
    ["no type", form({ version: 1 })],
    ["a type that is none", form({ type: "shout", version: 1 })],
    ["a channel that is none", form({ type: "channel-subscribe", channel: 7, version: 1 })],
  ] as const
) {
  Deno.test(`protocol 1: a request with ${what} is answered with 400`, async () => {
    await using server = await startTestServer();
    const answers = [
      await ask(server, `/chloe/jsonp.js?${query}`),
      await ask(server, `/chloe/xhr/17?${query}`),
      await ask(server, "/chloe/xhr", { method: "POST", body: query }),
    ];
    for (const { status, text } of answers) {
      assertEquals([status, JSON.parse(text).error.code], [400, "bad_frame"]);
    }
  });
}

Deno.test("protocol 1: a body that is too large is refused", async () => {
  await using server = await startTestServer();
  const body = form({ type: "connect", version: 1, data: "x".repeat(300_000) });
  const { status } = await ask(server, "/chloe/xhr", { method: "POST", body });
  assertEquals(status, 413);
});

const closedRule: ConfigFile = { channel: [{ pattern: "open" }] };

Deno.test("protocol 1: a channel that is closed stays so", async () => {
  await using server = await startTestServer(closedRule);
  using client = new XhrClient(server);
  await client.connect();
  await client.subscribe("closed");
  await client.subscribe("open");
  assertEquals(await server.send({ channel: "closed", data: 1 }), 0);
  assertEquals(await server.send({ channel: "open", data: 1 }), 1);
});

/** Waits until the one page that there is has a poll held. */
async function heldPoll(server: TestServer): Promise<void> {
  await eventually(async () => {
    const { text } = await ask(server, "/api/stats");
    return JSON.parse(text).hub.connections === 1 || undefined;
  }, "a poll to be held");
}
