import { assert, assertEquals } from "@std/assert";
import { announceBoots, rememberBoot } from "../boots.ts";
import { FakeTimers } from "../../tests/support/fake_timers.ts";
import type { EventSource } from "./event.ts";
import type { SubscribeOutcome, SubscribeRequest } from "./questions.ts";
import type { Relay } from "./relay.ts";
import { settle, setUp, source } from "../../tests/support/relay_rig.ts";

const TIME = "2026-01-02T03:04:05.678Z";

function ask(
  { relay }: { readonly relay: Relay },
  source: EventSource,
  request: SubscribeRequest = { channel: "x" },
): Promise<SubscribeOutcome> {
  return new Promise((resolve) => relay.subscribe(source, request, resolve));
}

Deno.test("Relay.subscribe() asks as http-api.md has it", async () => {
  using set = setUp();
  const session = { id: "s1", user: "ann", seq: 4 };
  const outcomes = [ask(set, session, { channel: "x", info: '{"name":"Ann"}' })];
  const { event, answer } = await set.app.next();
  assertEquals(event, {
    type: "subscribe",
    session: "s1",
    user: "ann",
    seq: 5,
    boot: "b00t",
    time: TIME,
    channel: "x",
    info: { name: "Ann" },
    ask: true,
  });
  answer(204);
  assertEquals(await outcomes[0], { ok: true });

  outcomes.push(ask(set, session, { channel: 'y"' }));
  const second = await set.app.next();
  assertEquals([second.event.channel, "info" in second.event, second.event.ask], [
    'y"',
    false,
    true,
  ]);
  second.answer(200, { json: { info: { name: "Queen Ann" } } });
  assertEquals(await outcomes[1], { ok: true, info: '{"name":"Queen Ann"}' });
});

Deno.test("Relay.connect() names the user that a token named", async () => {
  using set = setUp();
  const request = { origin: null, address: "192.0.2.1", client: null, headers: {} };
  const admission = set.relay.connect({ id: "s1", user: "ann", seq: 0 }, request);
  const { event, answer } = await set.app.next();
  assertEquals(event.user, "ann");
  answer(204);
  assertEquals(await admission, { ok: true });
});

Deno.test("Relay.subscribe() takes every final refusal for a no", async () => {
  using set = setUp();
  for (const status of [401, 403, 404, 400, 302]) {
    const outcome = ask(set, source("s1"));
    (await set.app.next()).answer(status);
    assertEquals(await outcome, { ok: false, code: "forbidden" }, `${status}`);
  }
  assertEquals([set.relay.counters.refused, set.relay.counters.retried], [5, 0]);
});

Deno.test("Relay.subscribe() asks again where there may be an answer, for the time of one attempt", async () => {
  for (const status of [0, 408, 429, 500, 503]) {
    using set = setUp();
    const startMs = set.timers.now();
    const outcome = ask(set, source("s1"));
    let attempts = 0;
    for (;;) {
      const asked = await set.app.next();
      attempts++;
      if (status === 0) asked.fail();
      else asked.answer(status);
      await settle();
      if (set.timers.size === 0) break;
      set.timers.advanceToNext();
    }
    assertEquals(await outcome, { ok: false, code: "app_unreachable" }, `${status}`);
    assert(attempts > 1, `${status}`);
    assert(set.timers.now() - startMs <= 10_000, `${status}`);
    assertEquals(set.relay.counters.givenUp, 1);
  }
});

Deno.test("Relay.subscribe() waits no longer than an attempt may take for an app that is silent", async () => {
  using set = setUp({ timeoutMs: 2000 });
  const outcome = ask(set, source("s1"));
  await set.app.next();
  assertEquals(set.timers.advanceToNext(), 2000);
  assertEquals(await outcome, { ok: false, code: "app_unreachable" });
  assertEquals(set.timers.size, 0);
});

Deno.test("Relay.subscribe() asks again where the answer broke off", async () => {
  using set = setUp();
  const outcome = ask(set, source("s1"));
  const broken = new ReadableStream({
    pull(controller) {
      controller.error(new TypeError("reset"));
    },
  });
  (await set.app.next()).answerWith(new Response(broken));
  await settle();
  set.timers.advanceToNext();
  (await set.app.next()).answer(200, { json: { info: 1 } });
  assertEquals(await outcome, { ok: true, info: "1" });
});

Deno.test("Relay.subscribe() is refused as busy, and as the server goes away, but not at once", async () => {
  using set = setUp({ bounds: { maxItemsInLane: 1 } });
  const session = source("s1");
  const kept = set.send(session, 1);
  let isSynchronous = true;
  const refused = new Promise<[boolean, SubscribeOutcome]>((resolve) => {
    set.relay.subscribe(session, { channel: "x" }, (outcome) => resolve([isSynchronous, outcome]));
  });
  isSynchronous = false;
  assertEquals(await refused, [false, { ok: false, code: "busy" }]);
  assertEquals([session.seq, set.relay.counters.busy], [1, 1]);
  (await set.app.next()).answer(200);
  await kept;

  const asked = ask(set, session);
  await set.app.next();
  set.relay.close();
  const over = { ok: false, code: "shutting_down" } as const;
  assertEquals(await asked, over);
  assertEquals(await ask(set, session), over);
});

Deno.test("Relay.subscribe() does what the answer asks for after its yes, the disconnect last", async () => {
  const log: unknown[] = [];
  using set = setUp({
    act: (source, actions) => {
      log.push([source.id, actions]);
      return [];
    },
  });
  set.relay.subscribe(source("s1"), { channel: "x" }, (outcome) => log.push(outcome));
  const json = {
    disconnect: { reason: "bye" },
    send: [{ channel: "x", data: 1 }],
    reply: "nobody gets it",
    unsubscribe: 1,
    subscribe: ["y"],
  };
  (await set.app.next()).answer(200, { json });
  await set.relay.drain();
  assertEquals(log, [
    { ok: true },
    ["s1", { send: [{ channel: "x", data: 1 }], subscribe: ["y"] }],
    ["s1", { disconnect: { reason: "bye" } }],
  ]);
  assertEquals(set.relay.counters.actionsBad, 1);
});

Deno.test("Relay.subscribe() is refused where the answer's info cannot be shown", async () => {
  using set = setUp();
  const fits = "x".repeat(1022);
  const outcomes: SubscribeOutcome[] = [];
  for (const info of [fits, `${fits}x`, "ä".repeat(600)]) {
    const outcome = ask(set, source("s1"));
    (await set.app.next()).answer(200, { json: { info, subscribe: ["y"] } });
    outcomes.push(await outcome);
  }
  const no = { ok: false, code: "forbidden" } as const;
  assertEquals(outcomes, [{ ok: true, info: `"${fits}"` }, no, no]);
  const cut = ask(set, source("s1"));
  (await set.app.next()).answerWith(new Response(`{"n":"${"x".repeat(300_000)}","info":1}`));
  assertEquals(await cut, no);
  assertEquals([set.acted.length, set.relay.counters.actionsBad], [1, 2]);
});

Deno.test("Relay.tell() keeps the session's order, with no hole in seq", async () => {
  using set = setUp();
  const session = source("s1");
  set.relay.tell(session, "subscribe", { channel: "x", info: { n: 1 } });
  const outcome = set.send(session, "hi");
  set.relay.tell(session, "unsubscribe", { channel: "x", reason: "asked" });
  const answer = ask(set, session, { channel: "y" });
  set.relay.tell(session, "disconnect", { code: null, reason: "gone" });
  set.relay.tell(source("s2"), "disconnect", { code: 3002, reason: "no answer to ping" });

  const first = await set.app.next();
  const other = await set.app.next();
  assertEquals([other.event.session, other.event.seq, set.app.waiting], ["s2", 1, 0]);
  other.answer(200);
  const events = [first.event];
  first.answer(500);
  await settle();
  set.timers.advanceToNext();
  for (let n = 0; n < 5; n++) {
    const asked = await set.app.next();
    if (n > 0) events.push(asked.event);
    asked.answer(200, { json: { send: [{ data: 1 }], subscribe: ["z"] } });
  }
  assertEquals(await outcome, { ok: true });
  assertEquals(await answer, { ok: true });
  const head = (seq: number) => ({ session: "s1", user: null, seq, boot: "b00t", time: TIME });
  assertEquals(events, [
    { type: "subscribe", ...head(1), channel: "x", info: { n: 1 }, ask: false },
    { type: "message", ...head(2), data: "hi" },
    { type: "unsubscribe", ...head(3), channel: "x", reason: "asked" },
    { type: "subscribe", ...head(4), channel: "y", ask: true },
    { type: "disconnect", ...head(5), code: null, reason: "gone" },
  ]);
  await set.relay.drain();
  // The message's and the question's: what the answers to the others ask for is not done.
  assertEquals(set.acted.length, 2);
  const { accepted, answered, told, givenUp } = set.relay.counters;
  assertEquals([accepted, answered, told, givenUp], [6, 6, 4, 0]);
});

Deno.test("Relay.tell() has twice the room in its lane, and the disconnect more; beyond, a hole is counted", async () => {
  using set = setUp({ bounds: { maxItemsInLane: 2, maxItems: 4 } });
  const session = source("s1");
  const told = (channel: string) => set.relay.tell(session, "subscribe", { channel });
  for (const channel of ["a", "b", "c", "d"]) told(channel);
  assertEquals(await set.send(session, "hi"), { ok: false, code: "busy" });
  told("e"); // its lane is full twice
  set.relay.tell(session, "disconnect", { code: null, reason: "gone" });
  assertEquals([session.seq, set.relay.counters.givenUp], [6, 1]);
  const seqs: number[] = [];
  for (let n = 0; n < 5; n++) {
    const { event, answer } = await set.app.next();
    seqs.push(event.seq);
    answer(200);
  }
  await set.relay.drain();
  assertEquals(seqs, [1, 2, 3, 4, 6]);
  const { accepted, told: counted, answered, givenUp } = set.relay.counters;
  assertEquals([accepted, counted, answered, givenUp], [6, 6, 5, 1]);
});

Deno.test("Relay.tell() and tellOfChannel() stay within twice the room that there is in all, a disconnect within three times", async () => {
  using set = setUp({ bounds: { maxItems: 2, maxRunning: 1 } });
  const sessions = ["s1", "s2", "s3", "s4", "s5", "s6"].map(source);
  for (const session of sessions.slice(0, 3)) {
    set.relay.tell(session, "subscribe", { channel: "x" });
  }
  set.relay.tellOfChannel("channel_occupied", "x");
  assertEquals(await set.send(sessions[3]!, "hi"), { ok: false, code: "busy" });
  set.relay.tellOfChannel("channel_vacated", "x");
  assertEquals([set.relay.counters.givenUp, set.relay.counters.queued], [1, 3]);
  for (const session of sessions.slice(3)) {
    set.relay.tell(session, "disconnect", { code: null, reason: "gone" });
  }
  assertEquals(sessions.map(({ seq }) => seq), [1, 1, 1, 1, 1, 1]);
  assertEquals([set.relay.counters.givenUp, set.relay.counters.queued], [2, 5]);
  for (let n = 0; n < 6; n++) (await set.app.next()).answer(200);
  await set.relay.drain();
  assertEquals([set.relay.counters.queued, set.relay.counters.queuedBytes], [0, 0]);
});

Deno.test("Relay.tellOfChannel() takes no room of sessions, however many channels browsers make", async () => {
  const told = new Map<string, number>();
  const isUp = Promise.withResolvers<void>();
  using set = setUp({
    bounds: { maxItems: 10_010 },
    async fetch(_url: unknown, init?: RequestInit) {
      await isUp.promise;
      const { type } = JSON.parse(String(init!.body));
      told.set(type, (told.get(type) ?? 0) + 1);
      return new Response(null, { status: 204 });
    },
  });
  const { relay } = set;
  for (let n = 0; n < 12_500; n++) {
    relay.tellOfChannel("channel_occupied", `c${n}`);
    relay.tellOfChannel("channel_vacated", `c${n}`);
  }
  assertEquals(relay.counters.givenUp, 15_000);
  const sent = set.send(source("s1"), "hi");
  relay.tell(source("s2"), "disconnect", { code: null, reason: "gone" });
  assertEquals([relay.counters.busy, relay.counters.givenUp], [0, 15_000]);
  isUp.resolve();
  assertEquals(await sent, { ok: true });
  await relay.drain();
  assertEquals(Object.fromEntries(told), {
    channel_occupied: 5000,
    channel_vacated: 5000,
    message: 1,
    disconnect: 1,
  });
  // What was told makes room.
  relay.tellOfChannel("channel_occupied", "c");
  await relay.drain();
  assertEquals([told.get("channel_occupied"), relay.counters.givenUp], [5001, 15_000]);
});

Deno.test("Relay.tell() bounds bytes as well", () => {
  using set = setUp({ bounds: { maxBytesInLane: 2000 } });
  const session = source("s1");
  const info = "x".repeat(1500);
  for (let n = 0; n < 3; n++) set.relay.tell(session, "subscribe", { channel: "x", info });
  assertEquals([session.seq, set.relay.counters.givenUp], [3, 1]);
});

Deno.test("Relay gives up what the app does not take in time, and tells it of the next", async () => {
  using set = setUp();
  const session = source("s1");
  set.relay.tell(session, "subscribe", { channel: "x" });
  for (let attempt = 1; attempt <= 6; attempt++) {
    (await set.app.next()).answer(500);
    await settle();
    if (attempt < 6) set.timers.advanceToNext();
  }
  set.relay.tell(session, "disconnect", { code: null, reason: "gone" });
  const { event, answer } = await set.app.next();
  assertEquals([event.type, event.seq], ["disconnect", 2]);
  answer(200);
  await set.relay.drain();
  const { accepted, told, answered, givenUp } = set.relay.counters;
  assertEquals([accepted, told, answered, givenUp], [2, 2, 1, 1]);
});

Deno.test("Relay.tell() after close() raises seq and counts what it gives up", () => {
  using set = setUp();
  const session = source("s1");
  set.relay.close();
  set.relay.tell(session, "disconnect", { code: 3001, reason: "shutdown" });
  set.relay.tellOfChannel("channel_vacated", "x");
  assertEquals([session.seq, set.relay.counters.givenUp, set.app.waiting], [1, 2, 0]);
});

Deno.test("Relay.tellOfChannel() tells of a channel in order, and of others meanwhile", async () => {
  using set = setUp();
  set.relay.tellOfChannel("channel_occupied", 'x"');
  set.relay.tellOfChannel("channel_vacated", 'x"');
  set.relay.tellOfChannel("channel_occupied", "s1");
  set.relay.tell(source("s1"), "disconnect", { code: null, reason: "gone" });
  const [first, other, session] = [
    await set.app.next(),
    await set.app.next(),
    await set.app.next(),
  ];
  assertEquals(
    first.body,
    `{"type":"channel_occupied","channel":"x\\"","boot":"b00t","time":"${TIME}"}`,
  );
  assertEquals([other.event.channel, session.event.session, set.app.waiting], ["s1", "s1", 0]);
  other.answer(200);
  session.answer(200);
  first.answer(204);
  const { event, headers, answer } = await set.app.next();
  assertEquals(event, { type: "channel_vacated", channel: 'x"', boot: "b00t", time: TIME });
  assertEquals(headers.get("webhook-id"), "evt_b00t_2");
  answer(204);
  await set.relay.drain();
});

Deno.test("Relay.restarted() says whether it is settled", async () => {
  using set = setUp({ retryForMs: 0 });
  const settled = set.relay.restarted("b1");
  const { event, answer } = await set.app.next();
  assertEquals(event, { type: "restarted", previous_boot: "b1", boot: "b00t", time: TIME });
  answer(200);
  assertEquals(await settled, true);
  for (const [status, expected] of [[204, true], [404, true], [501, true], [503, false]] as const) {
    const settled = set.relay.restarted("b1");
    const { answer } = await set.app.next();
    set.timers.advance(1); // the time for retries is over
    answer(status);
    assertEquals(await settled, expected, `${status}`);
  }
  const underWay = set.relay.restarted("b1");
  set.relay.close();
  assertEquals(await underWay, false);
  assertEquals(await set.relay.restarted("b1"), false);
});

Deno.test("Relay.restarted() reaches an app that was down for two boots, for each of them", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await rememberBoot({ dir, name: 8901, boot: "b1" });

    // The second run never reaches the app: it asks for two minutes, then ends.
    const second = await rememberBoot({ dir, name: 8901, boot: "b2" });
    const timers = new FakeTimers();
    const down = () => Promise.reject(new TypeError("connection refused"));
    const ending = new AbortController();
    {
      using set = setUp({ boot: "b2", timers, fetch: down });
      const told = announceBoots({
        boots: second,
        restarted: (boot) => set.relay.restarted(boot),
        signal: ending.signal,
        wait: (ms) => new Promise((resolve) => void timers.setTimeout(resolve, ms)),
      });
      const endMs = timers.now() + 120_000;
      while (timers.now() < endMs) {
        await settle();
        timers.advanceToNext();
      }
      ending.abort();
      set.relay.close();
      while (timers.size > 0) timers.advanceToNext();
      await told;
      assert(set.relay.counters.givenUp >= 2);
    }

    const third = await rememberBoot({ dir, name: 8901, boot: "b3" });
    using set = setUp({ boot: "b3" });
    const told = announceBoots({
      boots: third,
      restarted: (boot) => set.relay.restarted(boot),
      signal: new AbortController().signal,
    });
    for (const boot of ["b1", "b2"]) {
      const { event, answer } = await set.app.next();
      assertEquals([event.previous_boot, event.boot], [boot, "b3"]);
      answer(200);
    }
    await told;
    assertEquals((await rememberBoot({ dir, name: 8901, boot: "b4" })).previous, ["b3"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("Relay in format chloe-1 asks and tells nothing", async () => {
  using set = setUp({ format: "chloe-1" });
  const session = source("s1");
  assertEquals(await ask(set, session), { ok: false, code: "forbidden" });
  set.relay.tell(session, "disconnect", { code: null, reason: "gone" });
  set.relay.tellOfChannel("channel_occupied", "x");
  assertEquals(await set.relay.restarted("b1"), true);
  await settle();
  assertEquals([set.app.waiting, session.seq, set.relay.counters.accepted], [0, 0, 0]);
});
