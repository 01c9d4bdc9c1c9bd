/**
 * The relay against a real app over real sockets, an app that does all that apps do wrong.
 *
 * @module
 */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { Webhook } from "standardwebhooks";
import type { Outcome } from "../src/hub/commands.ts";
import type { Actions } from "../src/relay/actions.ts";
import type { EventSource } from "../src/relay/event.ts";
import { Relay, type RelayOptions } from "../src/relay/relay.ts";
import { createWebhookSecret } from "../src/signing/secrets.ts";
import { startTestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { legacySignature } from "../src/signing/legacy_signature.ts";
import {
  breakOff,
  drop,
  huge,
  json,
  MisbehavingApp,
  ok,
  silent,
  slow,
  stall,
  status,
} from "./support/misbehaving_app.ts";

const YES = { ok: true } as const;
const REFUSED = { ok: false, code: "app_refused" } as const;
const UNREACHABLE = { ok: false, code: "app_unreachable" } as const;

/** An app and a relay to it. Retries are quick: all six within a second or two. */
function setUp(options: Partial<RelayOptions<EventSource>> = {}) {
  const app = MisbehavingApp.start();
  const acted: Actions[] = [];
  const relay = new Relay({
    url: app.url,
    boot: "b00t",
    timeoutMs: 5000,
    retryForMs: 1500,
    act: (_source, actions) => {
      acted.push(actions);
      return [];
    },
    ...options,
  });
  return {
    app,
    relay,
    acted,
    send: (source: EventSource, data: unknown) =>
      new Promise<Outcome>((resolve) => relay.message(source, JSON.stringify(data), resolve)),
    async [Symbol.asyncDispose]() {
      relay.close();
      await app.down();
    },
  };
}

function source(id: string): EventSource {
  return { id, user: null, seq: 0 };
}

Deno.test("relay: an app verifies the signature of what it gets", async () => {
  const secret = createWebhookSecret();
  await using set = setUp({ secrets: [secret] });
  assertEquals(await set.send(source("s1"), "größe \u{1F600}"), YES);
  const { headers, body, path } = await set.app.requests(1);
  assertEquals(path, "/updates");
  const event = new Webhook(secret).verify(body, Object.fromEntries(headers));
  assertEquals((event as { data: string }).data, "größe \u{1F600}");
});

Deno.test("relay: thousands of events of many sessions arrive, each session's in order", async () => {
  // The last of them wait long for their first attempt where the machine is slow.
  await using set = setUp({ bounds: { maxRunning: 16 }, timeoutMs: 60_000 });
  const sources = Array.from({ length: 100 }, (_, n) => source(`s${n}`));
  const outcomes: Promise<Outcome>[] = [];
  for (let n = 1; n <= 20; n++) for (const source of sources) outcomes.push(set.send(source, n));
  assertEquals(await Promise.all(outcomes), Array(2000).fill(YES));
  const seen = new Map<string, number[]>();
  for (const { body } of set.app.received) {
    const { session, seq, data } = JSON.parse(body);
    assertEquals(seq, data);
    seen.set(session, [...(seen.get(session) ?? []), seq]);
  }
  const all = Array.from({ length: 20 }, (_, n) => n + 1);
  assertEquals(seen.size, 100);
  for (const seqs of seen.values()) assertEquals(seqs, all);
  // Connections are kept: there are as many as requests at once, not as many as requests.
  assertLess(set.app.connections, 17);
});

Deno.test("relay: a connection is used again after every kind of answer", async () => {
  await using set = setUp();
  for (const answer of [ok, json({}), json("{"), status(204), status(404), status(302), ok]) {
    set.app.behave(answer);
    await set.send(source("s1"), 1);
  }
  assertEquals(new Set(set.app.received.map(({ connection }) => connection)).size, 1);
});

Deno.test("relay: an app that is down for a while gets the event when it is back", async () => {
  const { promise: failed, resolve: fail } = Promise.withResolvers<void>();
  // It is asked for when a pause begins.
  const random = () => {
    fail();
    return 1;
  };
  await using set = setUp({ retryForMs: 10_000, random });
  await set.app.down();
  const outcome = set.send(source("s1"), "hi");
  await failed;
  set.app.up();
  assertEquals(await outcome, YES);
  assertEquals(set.app.received.length, 1);
});

Deno.test("relay: an app that stays down costs an error, and no other session its turn", async () => {
  await using set = setUp();
  await set.app.down();
  const sources = Array.from({ length: 300 }, (_, n) => source(`s${n}`));
  const outcomes = await Promise.all(sources.map((source) => set.send(source, "hi")));
  assertEquals(outcomes, Array(300).fill(UNREACHABLE));
  set.app.up();
  assertEquals(await set.send(sources[0]!, "again"), YES);
  const { accepted, givenUp, queued, queuedBytes, inFlight } = set.relay.counters;
  assertEquals([accepted, givenUp, queued, queuedBytes, inFlight], [301, 300, 0, 0, 0]);
});

Deno.test("relay: an app that does not answer is waited for as long as the timeout", async () => {
  // Also for the answer that comes: that has to be long enough for a slow machine.
  await using set = setUp({ timeoutMs: 2000, retryForMs: 20_000 });
  set.app.behave(silent, ok);
  assertEquals(await set.send(source("s1"), "hi"), YES);
  const ids = set.app.received.map(({ headers }) => headers.get("webhook-id"));
  assertEquals(ids.length, 2);
  assertEquals(ids[0], ids[1]);
});

Deno.test("relay: one session's slow answer does not hold up another", async () => {
  await using set = setUp({ bounds: { maxRunning: 2 } });
  set.app.behave(silent, ok);
  const held = set.send(source("slow"), 1);
  await set.app.requests(1);
  const quick = source("quick");
  for (let n = 0; n < 50; n++) assertEquals(await set.send(quick, n), YES);
  set.relay.close();
  assertEquals(await held, { ok: false, code: "shutting_down" });
});

Deno.test("relay: an app that drops connections, or answers 500, is tried again", async () => {
  await using set = setUp({ retryForMs: 6000 });
  set.app.behave(drop, status(500), drop, status(502), ok);
  assertEquals(await set.send(source("s1"), "hi"), YES);
  // Where a kept connection is dropped, Deno itself tries another: that is not counted.
  assertEquals(set.app.received.length, 5);
  assertEquals(new Set(set.app.received.map(({ body }) => body)).size, 1);
});

Deno.test("relay: an app that answers nothing but 500 is given up after six attempts", async () => {
  // The shortest pauses there are take half of that time, which leaves the other half to the attempts.
  await using set = setUp({ retryForMs: 4000, random: () => 0 });
  set.app.behave(status(500));
  assertEquals(await set.send(source("s1"), "hi"), UNREACHABLE);
  assertEquals(set.app.received.length, 6);
});

Deno.test("relay: redirects are not followed", async () => {
  await using set = setUp();
  for (const code of [301, 302, 303, 307, 308]) {
    set.app.behave(status(code, { location: "/elsewhere" }), ok);
    assertEquals(await set.send(source("s1"), "hi"), REFUSED);
  }
  assertEquals(set.app.received.map(({ path }) => path), Array(5).fill("/updates"));
});

Deno.test("relay: Retry-After is honoured", async () => {
  await using set = setUp({ retryForMs: 20_000 });
  set.app.behave(status(429, { "retry-after": "1" }), ok);
  const start = performance.now();
  assertEquals(await set.send(source("s1"), "hi"), YES);
  assert(performance.now() - start >= 990);
  set.app.behave(status(429, { "retry-after": "3600" }));
  assertEquals(await set.send(source("s1"), "hi"), UNREACHABLE);
  assertEquals(set.app.received.length, 3, "it was left alone");
});

for (const isLengthKnown of [true, false]) {
  const name = isLengthKnown ? "of known length" : "of unknown length";
  Deno.test(`relay: ten megabytes ${name} are a yes and are not read`, async () => {
    await using set = setUp();
    set.app.behave(huge({ isLengthKnown }));
    const before = Deno.memoryUsage().rss;
    const sources = Array.from({ length: 5 }, (_, n) => source(`s${n}`));
    const outcomes = await Promise.all(sources.map((source) => set.send(source, "hi")));
    assertEquals(outcomes, Array(5).fill(YES));
    assertEquals(set.relay.counters.answersCut, 5);
    assertEquals(set.app.received.length, 5);
    // The app is in this process too, and makes what nobody reads.
    assertLess(Deno.memoryUsage().rss - before, 200_000_000);
  });
}

Deno.test("relay: an answer that breaks off, or stalls, is a yes and is not asked for again", async () => {
  await using set = setUp({ timeoutMs: 2000 });
  set.app.behave(breakOff, stall, ok);
  for (let n = 0; n < 3; n++) assertEquals(await set.send(source("s1"), n), YES);
  assertEquals(set.relay.counters.answersCut, 2);
  assertEquals(set.app.received.length, 3);
});

Deno.test("relay: actions in the answer are done, bad ones passed over", async () => {
  await using set = setUp();
  set.app.behave(
    json({ reply: { n: 1 }, send: [{ channel: "x", data: 1 }], subscribe: ["x"] }),
    json({ reply: 2, send: "everyone", subscribe: [7] }),
    json("{ not json"),
  );
  assertEquals(await set.send(source("s1"), "hi"), { ok: true, data: '{"n":1}' });
  assertEquals(set.acted, [{ send: [{ channel: "x", data: 1 }], subscribe: ["x"] }]);
  assertEquals(await set.send(source("s1"), "hi"), { ok: true, data: "2" });
  assertEquals(await set.send(source("s1"), "hi"), YES);
  assertEquals(set.acted.length, 1);
  assertEquals(set.relay.counters.actionsBad, 3);
});

Deno.test("relay: drain() waits for a slow app, close() does not", async () => {
  await using set = setUp();
  set.app.behave(slow(200), silent);
  const outcome = set.send(source("s1"), 1);
  await set.relay.drain();
  assertEquals(await outcome, YES);
  const held = set.send(source("s1"), 2);
  await set.app.requests(2);
  set.relay.close();
  assertEquals(await held, { ok: false, code: "shutting_down" });
  await set.relay.drain();
});

// Through the whole server, from a browser and back.

Deno.test("a browser's send gets the app's reply, and what it asks for is done", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({ app: { url: app.url } });
  await using ann = new SessionClient(server);
  await using bob = new SessionClient(server);
  await ann.connect("websocket");
  await bob.connect("poll");
  app.behave(
    json({
      reply: { n: 1 },
      subscribe: ["room"],
      send: [{ session: bob.session, data: "psst" }, { channel: "", data: 1 }, { dta: 1 }],
    }),
    json({ subscribe: ["/vip"], send: [{ channel: "vip", data: "welcome" }] }),
    json({ send: [{ channel: "/room", data: "hello" }] }),
    json({ unsubscribe: ["room"] }),
    json({ reply: "bye", disconnect: { reason: "enough" } }),
  );
  assertEquals(await ann.send("first"), { id: 1, ok: { data: { n: 1 } } });
  assertEquals(await bob.nextData(), "psst");
  // Whom the answer puts into a channel hears what it sends there.
  assertEquals(await bob.send("let me in"), { id: 1, ok: {} });
  assertEquals(await bob.next((frame) => "channel" in frame), { channel: "vip", data: "welcome" });
  assertEquals(await bob.send("second"), { id: 2, ok: {} });
  assertEquals(await ann.next((frame) => "channel" in frame), { channel: "room", data: "hello" });
  assertEquals(await ann.send("third"), { id: 2, ok: {} });
  assertEquals(await server.send({ channel: "room", data: "nobody is in" }), 0);
  assertEquals(await ann.send("fourth"), { id: 3, ok: { data: "bye" } });
  assertEquals((await ann.ended).code, 3500);
  const events = app.received.map(({ body }) => JSON.parse(body));
  assertEquals(events.map(({ session, seq }) => [session, seq]), [
    [ann.session, 1],
    [bob.session, 1],
    [bob.session, 2],
    [ann.session, 2],
    [ann.session, 3],
  ]);
});

Deno.test("a browser's send is refused with a code where the app fails, and others go on", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    app: { url: app.url, timeout: "1s", retry_for: "5s" },
  });
  await using client = new SessionClient(server);
  await using other = new SessionClient(server);
  await client.connect("websocket");
  await other.connect("websocket");
  const codeOf = async (reply: ReturnType<SessionClient["send"]>) => {
    const frame = await reply as unknown as { error?: { code: string; retry: boolean } };
    return frame.error === undefined ? "ok" : `${frame.error.code} ${frame.error.retry}`;
  };
  app.behave(status(500));
  assertEquals(await codeOf(client.send(1)), "app_unreachable true");
  app.behave(status(302, { location: "/elsewhere" }));
  assertEquals(await codeOf(client.send(2)), "app_refused false");
  app.behave(silent, ok);
  const slow = client.send(3);
  await app.requests(app.received.length + 1);
  assertEquals(await codeOf(other.send("meanwhile")), "ok");
  assertEquals(await codeOf(slow), "ok");
  await app.down();
  assertEquals(await codeOf(client.send(4)), "app_unreachable true");
  assertEquals(await server.send({ data: "still here" }), 2);
  app.up();
  app.behave(huge({ isLengthKnown: true }));
  assertEquals(await codeOf(client.send(5)), "ok");
});

Deno.test("the app says who may connect, and as whom", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    app: { url: app.url, events: ["connect"], forward_headers: ["x-tenant"] },
  });
  app.behave(json({ user: "ann", channels: ["news"], data: { theme: "dark" } }), status(403));
  await using ann = new SessionClient(server, { headers: { "x-tenant": "t1", cookie: "a=b" } });
  const connected = await ann.connect("websocket", { client: "test/1" });
  assertEquals(connected.data, { theme: "dark" });
  assertEquals(Object.keys(connected.subscribed), ["news"]);
  assertEquals(await server.send({ user: "ann", data: 1 }), 1);
  const { type, session, client, headers, origin, seq } = JSON.parse(app.received[0]!.body);
  assertEquals([type, session, client, seq], ["connect", ann.session, "test/1", 1]);
  assertEquals([headers, origin], [{ "x-tenant": "t1" }, null]);
  await using stranger = new SessionClient(server);
  await assertRejects(() => stranger.connect("poll"));
});

Deno.test("no way in leads past the app that says who may connect", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({ app: { url: app.url, events: ["connect"] } });
  app.behave(status(403));
  const connect = escape(JSON.stringify({ type: "connect", version: 1, id: 1 }));
  const requests: Record<string, RequestInit | undefined> = {
    "/chloe/events?channel=news": undefined,
    [`/chloe/jsonp.js?data=${connect}ts=1`]: undefined,
    "/chloe/xhr": { method: "POST", body: `data=${connect}` },
    "/chloe/events": { method: "POST", body: '{"connect":{}}' },
    "/chloe/poll": { method: "POST", body: '{"connect":{}}' },
  };
  for (const [path, init] of Object.entries(requests)) {
    const response = await fetch(`${server.url}${path}`, init);
    assertEquals([path, response.status], [path, 403]);
    assertEquals((await response.json()).error.code, "connect_refused");
  }
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/chloe/websocket`);
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.addEventListener("close", (event) => resolve(event.code));
  // What it says before the app has answered goes nowhere.
  socket.addEventListener("open", () => {
    socket.send('{"type":"message","version":1,"data":"early"}');
  });
  assertEquals(await promise, 3502);
  assertEquals(app.received.map(({ body }) => JSON.parse(body).type), Array(6).fill("connect"));
});

Deno.test("a socket of 2011 keeps what comes while the app is asked", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    app: { url: app.url, events: ["connect", "message"] },
  });
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/chloe/websocket`);
  const { promise: opened, resolve } = Promise.withResolvers<void>();
  socket.addEventListener("open", () => resolve());
  await opened;
  for (const data of ["a", "b"]) {
    socket.send(JSON.stringify({ type: "message", version: 1, data }));
  }
  await app.requests(3);
  assertEquals(
    app.received.map(({ body }) => JSON.parse(body)).map(({ type, data }) => data ?? type),
    ["connect", "a", "b"],
  );
  const closed = Promise.withResolvers<void>();
  socket.addEventListener("close", () => closed.resolve());
  socket.close();
  await closed.promise;
});

Deno.test("an app of 2011 gets the data itself, signed in the way of its time", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    app: { url: app.url, format: "chloe-1" },
    legacy: { secret: "ThisIsSecret" },
  });
  await using client = new SessionClient(server);
  await client.connect("events");
  assertEquals(await client.send("größe"), { id: 1, ok: {} });
  const { body, headers } = app.received[0]!;
  assertEquals([body, headers.get("content-type")], ["größe", "text/plain"]);
  assertEquals(headers.get("x-chloe-signature"), legacySignature("größe", "ThisIsSecret"));
});
