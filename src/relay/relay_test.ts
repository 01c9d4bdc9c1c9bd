import { assert, assertEquals } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { FakeTimers } from "../../tests/support/fake_timers.ts";
import type { Outcome } from "../hub/commands.ts";
import { createWebhookSecret } from "../signing/secrets.ts";
import { settle, setUp, source } from "../../tests/support/relay_rig.ts";

Deno.test("Relay.message() posts the event as http-api.md has it, signed", async () => {
  const secrets = [createWebhookSecret(), createWebhookSecret()];
  // The package that verifies looks at the real clock.
  const timers = new FakeTimers(Date.now());
  using set = setUp({ secrets, timers });
  const outcome = set.send(source("s1"), "größe");
  const { headers, body, event, answer } = await set.app.next();
  assertEquals(event, {
    type: "message",
    session: "s1",
    user: null,
    seq: 1,
    boot: "b00t",
    time: new Date(timers.now()).toISOString(),
    data: "größe",
  });
  assertEquals(Object.keys(event), ["type", "session", "user", "seq", "boot", "time", "data"]);
  assertEquals(headers.get("content-type"), "application/json");
  for (const secret of secrets) new Webhook(secret).verify(body, Object.fromEntries(headers));
  answer(204);
  assertEquals(await outcome, { ok: true });
  assertEquals(set.timers.size, 0);
});

Deno.test("Relay.message() goes out unsigned where there is no secret", async () => {
  using set = setUp();
  const outcome = set.send({ id: "s1", user: "ann", seq: 4 }, { n: 1 });
  const { headers, event, answer } = await set.app.next();
  assertEquals([headers.has("webhook-id"), headers.has("webhook-signature")], [true, false]);
  assertEquals([event.user, event.seq, event.data], ["ann", 5, { n: 1 }]);
  answer(200);
  await outcome;
});

Deno.test("Relay keeps a session's order and lets other sessions pass", async () => {
  using set = setUp();
  const [one, other] = [source("one"), source("other")];
  const outcomes = [set.send(one, 1), set.send(one, 2), set.send(other, 3)];
  const first = await set.app.next();
  const third = await set.app.next();
  assertEquals([first.event.data, third.event.data, set.app.waiting], [1, 3, 0]);
  third.answer(200);
  await outcomes[2];
  assertEquals(set.app.waiting, 0);
  first.answer(200);
  const second = await set.app.next();
  assertEquals([second.event.data, second.event.seq], [2, 2]);
  second.answer(200);
  await Promise.all(outcomes);
  const { accepted, answered, queued, queuedBytes, inFlight } = set.relay.counters;
  assertEquals([accepted, answered, queued, queuedBytes, inFlight], [3, 3, 0, 0, 0]);
});

Deno.test("Relay tries again on no answer, 408, 429 and 5xx, with the same id and body", async () => {
  using set = setUp({ secrets: [createWebhookSecret()] });
  const outcome = set.send(source("s1"), "hi");
  const first = await set.app.next();
  first.fail();
  for (const status of [408, 429, 500, 503]) {
    await settle();
    set.timers.advanceToNext();
    const asked = await set.app.next();
    assertEquals(asked.headers.get("webhook-id"), first.headers.get("webhook-id"));
    assertEquals(
      asked.headers.get("webhook-timestamp"),
      String(Math.floor(set.timers.now() / 1000)),
    );
    assertEquals(asked.body, first.body);
    asked.answer(status);
  }
  await settle();
  set.timers.advanceToNext();
  (await set.app.next()).answer(200);
  assertEquals(await outcome, { ok: true });
  assertEquals(set.relay.counters.retried, 5);
});

Deno.test("Relay gives up after six attempts, and the next event has its turn", async () => {
  using set = setUp();
  const session = source("s1");
  const startMs = set.timers.now();
  const outcomes = [set.send(session, 1)];
  for (let attempt = 1; attempt <= 6; attempt++) {
    (await set.app.next()).answer(500);
    await settle();
    if (attempt < 6) set.timers.advanceToNext();
  }
  assertEquals(await outcomes[0], { ok: false, code: "app_unreachable" });
  const elapsedMs = set.timers.now() - startMs;
  assert(elapsedMs > 50_000 && elapsedMs <= 60_000, `${elapsedMs}`);

  outcomes.push(set.send(session, 2));
  const { event, answer } = await set.app.next();
  assertEquals([event.data, event.seq], [2, 2]);
  answer(200);
  assertEquals(await outcomes[1], { ok: true });
  const { givenUp, retried, answered } = set.relay.counters;
  assertEquals([givenUp, retried, answered], [1, 5, 1]);
});

Deno.test("Relay gives up what waited behind for too long, without an attempt", async () => {
  using set = setUp({ timeoutMs: 10_000, retryForMs: 60_000 });
  const session = source("s1");
  const outcomes = [set.send(session, 1), set.send(session, 2)];
  let attempts = 0;
  for (; set.timers.size > 0; attempts++) {
    await set.app.next();
    set.timers.advanceToNext(); // the attempt's time is over
    await settle();
    if (set.timers.size > 0) set.timers.advanceToNext();
    await settle();
  }
  const unreachable = { ok: false, code: "app_unreachable" } as const;
  assertEquals(await Promise.all(outcomes), [unreachable, unreachable]);
  assertEquals(attempts, 5);
  assertEquals([set.app.waiting, set.relay.counters.givenUp], [0, 2]);
});

Deno.test("Relay without time for retries tries once, what waits behind too", async () => {
  using set = setUp({ retryForMs: 0 });
  const session = source("s1");
  const outcomes = [set.send(session, 1), set.send(session, 2)];
  const first = await set.app.next();
  set.timers.advance(5000);
  first.answer(503);
  assertEquals(await outcomes[0], { ok: false, code: "app_unreachable" });
  (await set.app.next()).answer(200);
  assertEquals(await outcomes[1], { ok: true });
});

Deno.test("Relay honours Retry-After, and gives up where it is beyond the time for retries", async () => {
  using set = setUp();
  const outcome = set.send(source("s1"), "hi");
  (await set.app.next()).answer(429, { headers: { "retry-after": "30" } });
  await settle();
  assertEquals(set.timers.advanceToNext(), 30_000);
  (await set.app.next()).answer(429, { headers: { "retry-after": "31" } });
  assertEquals(await outcome, { ok: false, code: "app_unreachable" });
  assertEquals(set.timers.size, 0);
});

Deno.test("Relay takes other statuses as final, redirects too", async () => {
  using set = setUp();
  for (const status of [400, 401, 403, 404, 410, 422, 301, 302, 307, 304]) {
    const outcome = set.send(source("s1"), "hi");
    (await set.app.next()).answer(status, { headers: { location: "http://elsewhere.test/" } });
    assertEquals(await outcome, { ok: false, code: "app_refused" }, `${status}`);
  }
  assertEquals([set.relay.counters.refused, set.relay.counters.retried], [10, 0]);
});

Deno.test("Relay cuts an attempt that takes too long", async () => {
  using set = setUp({ timeoutMs: 2000 });
  const outcome = set.send(source("s1"), "hi");
  await set.app.next();
  assertEquals(set.timers.advanceToNext(), 2000);
  await settle();
  set.timers.advanceToNext();
  (await set.app.next()).answer(200);
  assertEquals(await outcome, { ok: true });
});

Deno.test("Relay delivers the reply, after the actions and before the disconnect", async () => {
  const log: unknown[] = [];
  using set = setUp({
    act: (source, actions) => {
      log.push([source.id, actions]);
      return [];
    },
  });
  const outcome = set.send(source("s1"), "hi");
  outcome.then((outcome) => log.push(outcome));
  const done = new Promise<void>((resolve) => {
    set.relay.message(source("s2"), "1", () => {
      log.push("done");
      resolve();
    });
  });
  const json = {
    reply: ["you", 1],
    send: [{ data: 1 }],
    subscribe: ["x"],
    disconnect: { reason: "bye" },
  };
  const [first, second] = [await set.app.next(), await set.app.next()];
  second.answer(200, { json });
  await done;
  first.answer(200, { json: { reply: null } });
  assertEquals(await outcome, { ok: true, data: "null" });
  assertEquals(log.slice(0, 3), [
    ["s2", { send: [{ data: 1 }], subscribe: ["x"] }],
    "done",
    ["s2", { disconnect: { reason: "bye" } }],
  ]);
});

Deno.test("Relay passes over bad actions, counts them, and delivers the reply", async () => {
  using set = setUp({ act: () => ["send.0.channel: is no channel"] });
  const outcome = set.send(source("s1"), "hi");
  (await set.app.next()).answer(200, {
    json: { reply: 1, send: [{ channel: "" }], subscribe: "x", unsubscribe: [1] },
  });
  assertEquals(await outcome, { ok: true, data: "1" });
  assertEquals(set.relay.counters.actionsBad, 3);
});

Deno.test("Relay passes over a reply that is too large", async () => {
  using set = setUp({ maxReplyBytes: 10 });
  const replies = ["12345678", "123456789", "äöüßä"];
  const outcomes: Outcome[] = [];
  for (const reply of replies) {
    const outcome = set.send(source("s1"), "hi");
    (await set.app.next()).answer(200, { json: { reply } });
    outcomes.push(await outcome);
  }
  assertEquals(outcomes, [{ ok: true, data: '"12345678"' }, { ok: true }, { ok: true }]);
  assertEquals(set.relay.counters.actionsBad, 2);
});

Deno.test("Relay survives an action and a listener that throw", async () => {
  using set = setUp({
    act: () => {
      throw new Error("a bug");
    },
  });
  const session = source("s1");
  set.relay.message(session, "1", () => {
    throw new Error("another bug");
  });
  const outcome = set.send(session, 2);
  (await set.app.next()).answer(200, { json: { subscribe: ["x"] } });
  (await set.app.next()).answer(200, { json: { reply: 2 } });
  assertEquals(await outcome, { ok: true, data: "2" });
});

Deno.test("Relay reads a body that looks like an object, whatever its type says", async () => {
  using set = setUp();
  // What PHP, Sinatra and Node send where an app just prints JSON.
  for (const type of ["text/html; charset=utf-8", "text/plain", "application/octet-stream"]) {
    const outcome = set.send(source("s1"), "hi");
    const response = new Response('{ "reply": 1 }\n', { headers: { "content-type": type } });
    (await set.app.next()).answerWith(response);
    assertEquals(await outcome, { ok: true, data: "1" }, type);
  }
});

Deno.test("Relay takes a body that is not JSON as a plain yes", async () => {
  using set = setUp();
  const bodies: [string, string | null][] = [
    ["application/json", "{"],
    ["application/json", ""],
    ["text/plain", "ok"],
    ["text/html", "<html>{}</html>"],
  ];
  for (const [type, body] of bodies) {
    const outcome = set.send(source("s1"), "hi");
    (await set.app.next()).answerWith(new Response(body, { headers: { "content-type": type } }));
    assertEquals(await outcome, { ok: true }, `${type} ${body}`);
  }
  assertEquals([set.relay.counters.answered, set.relay.counters.actionsBad], [4, 1]);
});

Deno.test("Relay refuses what is beyond a bound as busy, and raises no seq for it", async () => {
  using set = setUp({ bounds: { maxItemsInLane: 2, maxItems: 3, maxRunning: 1 } });
  const [one, two, three] = [source("one"), source("two"), source("three")];
  const kept = [set.send(one, 1), set.send(one, 2)];
  const busy = { ok: false, code: "busy" } as const;
  let isSynchronous = true;
  const refused = new Promise<boolean>((resolve) => {
    set.relay.message(one, "3", () => resolve(isSynchronous));
  });
  isSynchronous = false;
  assertEquals(await refused, false);
  kept.push(set.send(two, 1));
  assertEquals(await set.send(three, 1), busy);
  assertEquals([one.seq, three.seq], [2, 0]);
  assertEquals([set.relay.counters.busy, set.relay.counters.queued], [2, 2]);
  for (let n = 0; n < 3; n++) (await set.app.next()).answer(200);
  assertEquals(await Promise.all(kept), Array(3).fill({ ok: true }));
});

Deno.test("Relay bounds what waits by its bytes too", async () => {
  using set = setUp({ bounds: { maxBytesInLane: 2000 } });
  const session = source("s1");
  const kept = set.send(session, "x".repeat(1500));
  assertEquals(await set.send(session, "x"), { ok: false, code: "busy" });
  (await set.app.next()).answer(200);
  assertEquals(await kept, { ok: true });
  assertEquals(set.relay.counters.queuedBytes, 0);
});

Deno.test("Relay.drain() waits until all is answered, retries included", async () => {
  using set = setUp();
  await set.relay.drain();
  const outcome = set.send(source("s1"), "hi");
  let isDrained = false;
  const drained = set.relay.drain().then(() => isDrained = true);
  (await set.app.next()).answer(503);
  await settle();
  assertEquals(isDrained, false);
  set.timers.advanceToNext();
  (await set.app.next()).answer(200);
  await drained;
  assertEquals(await outcome, { ok: true });
});

Deno.test("Relay.close() gives up what waits, pauses and is under way", async () => {
  using set = setUp({ bounds: { maxRunning: 1 } });
  const pausing = set.send(source("pausing"), 1);
  (await set.app.next()).answer(500);
  await settle();
  const underWay = [set.send(source("under way"), 1)];
  const waiting = [set.send(source("under way"), 2), set.send(source("waiting"), 1)];
  await set.app.next();
  const drained = set.relay.drain();
  set.relay.close();
  const over = { ok: false, code: "shutting_down" } as const;
  assertEquals(await Promise.all([pausing, ...underWay, ...waiting]), Array(4).fill(over));
  await drained;
  assertEquals(await set.send(source("late"), 1), over);
  assertEquals([set.timers.size, set.app.waiting, set.relay.counters.givenUp], [0, 0, 4]);
});

Deno.test("Relay.connect() asks before the session's other events", async () => {
  using set = setUp();
  const session = source("s1");
  const request = {
    origin: "http://page.test",
    address: "192.0.2.1",
    client: "chloe.js/1.0",
    headers: { cookie: "a=b" },
  };
  const admission = set.relay.connect(session, request);
  const outcome = set.send(session, "hi");
  const { event, answer } = await set.app.next();
  assertEquals(event, {
    type: "connect",
    session: "s1",
    user: null,
    seq: 1,
    boot: "b00t",
    time: "2026-01-02T03:04:05.678Z",
    ...request,
  });
  answer(200, { json: { user: "ann", channels: ["/x"], data: { n: 1 } } });
  assertEquals(await admission, { ok: true, user: "ann", channels: ["x"], data: { n: 1 } });
  const message = await set.app.next();
  assertEquals(message.event.seq, 2);
  message.answer(200);
  await outcome;
});

Deno.test("Relay.connect() is refused by 401, 403 and an answer that cannot be understood", async () => {
  using set = setUp();
  const request = { origin: null, address: "192.0.2.1", client: null, headers: {} };
  const ask = () => set.relay.connect(source("s1"), request);
  for (const status of [401, 403, 404]) {
    const admission = ask();
    (await set.app.next()).answer(status);
    assertEquals(await admission, { ok: false, code: "connect_refused" });
  }
  const admission = ask();
  (await set.app.next()).answer(200, { json: { user: 42 } });
  assertEquals(await admission, { ok: false, code: "connect_refused" });
  const admitted = ask();
  (await set.app.next()).answer(204);
  assertEquals(await admitted, { ok: true });
});

Deno.test("Relay.connect() is tried again for no longer than one attempt may take", async () => {
  using set = setUp();
  const request = { origin: null, address: "192.0.2.1", client: null, headers: {} };
  const admission = set.relay.connect(source("s1"), request);
  const startMs = set.timers.now();
  for (let attempts = 0;; attempts++) {
    (await set.app.next()).answer(500);
    await settle();
    if (set.timers.size === 0) break;
    set.timers.advanceToNext();
    assert(attempts < 6);
  }
  assertEquals(await admission, { ok: false, code: "app_unreachable" });
  assert(set.timers.now() - startMs <= 10_000);
});

Deno.test("Relay in format chloe-1 posts the data itself, and takes no actions", async () => {
  using set = setUp({ format: "chloe-1", legacySecret: "ThisIsSecret" });
  const outcomes = [set.send(source("s1"), "hello"), set.send(source("s2"), { n: 1 })];
  const text = await set.app.next();
  assertEquals(text.body, "hello");
  assertEquals(text.headers.get("content-type"), "text/plain");
  assertEquals(text.headers.get("x-chloe-signature"), "05083d4c639e9c7a98b99025651272ab");
  const json = await set.app.next();
  assertEquals(json.body, '{"n":1}');
  text.answer(200, { json: { reply: 1, subscribe: ["x"] } });
  json.answer(200);
  assertEquals(await Promise.all(outcomes), [{ ok: true }, { ok: true }]);
  assertEquals(set.acted, []);
  const request = { origin: null, address: "192.0.2.1", client: null, headers: {} };
  assertEquals((await set.relay.connect(source("s1"), request)).ok, false);
});
