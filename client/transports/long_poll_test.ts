import { assertEquals, assertRejects } from "@std/assert";
import { connectedFrame, type FakeRequest, FakeWorld, settle } from "../_testing.ts";
import type { Chloe } from "../chloe.ts";
import { ChloeError } from "../errors.ts";

const CONNECTED = { connected: connectedFrame() };

/** A client connected by long-poll, and its first held poll. */
async function connected(): Promise<{ world: FakeWorld; chloe: Chloe; held: FakeRequest }> {
  const world = new FakeWorld();
  const chloe = world.chloe({ transports: ["poll"] });
  chloe.connect();
  await (await world.request()).answer([CONNECTED]);
  return { world, chloe, held: await world.request() };
}

Deno.test("long-poll: connect is answered at once, then polls are held and say what was received", async () => {
  const { world, chloe, held } = await connected();
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  assertEquals([chloe.state, chloe.transport], ["connected", "poll"]);
  assertEquals([held.path, held.lines], ["/chloe/poll", [{ resume: "s1.secret", received: 0 }]]);
  await held.answer([{ from: 0 }, { data: 1 }, { data: 2 }]);
  const next = await world.request();
  assertEquals(next.lines, [{ resume: "s1.secret", received: 2 }]);
  await next.answer([{ from: 1 }, { data: 2 }, { data: 3 }]);
  assertEquals(log, [1, 2, 3]);
});

Deno.test("long-poll: what is sent in one turn goes up as one request, one at a time", async () => {
  const { world, chloe, held } = await connected();
  const replies = [chloe.send(1), chloe.send(2)];
  const up = await world.request();
  assertEquals([up.path, up.lines], ["/chloe/up", [
    { resume: "s1.secret", received: 0 },
    { id: 1, send: { data: 1 } },
    { id: 2, send: { data: 2 } },
  ]]);
  chloe.send(3);
  await settle();
  assertEquals(world.requests.length, 0);
  await up.answer([], 204);
  assertEquals((await world.request()).lines[1], { id: 3, send: { data: 3 } });
  await held.answer([{ from: 0 }, { id: 1, ok: {} }, { id: 2, ok: { data: "two" } }]);
  assertEquals(await Promise.all(replies), [undefined, "two"]);
});

Deno.test("long-poll: a body stays within four lines' bound", async () => {
  const { world, chloe } = await connected();
  for (let n = 0; n < 6; n++) chloe.send("x".repeat(20_000));
  const first = await world.request();
  assertEquals(first.lines.length, 5);
  await first.answer([], 204);
  assertEquals((await world.request()).lines.length, 3);
});

Deno.test("long-poll: a request that fails is a lost transport, and what it carried is repeated", async () => {
  const { world, chloe, held } = await connected();
  const reply = chloe.send(1);
  await (await world.request()).fail();
  assertEquals([chloe.state, held.aborted], ["waiting", true]);
  world.advance(2000);
  const again = await world.request();
  assertEquals(again.lines[0]!.connect, {
    client: "chloe.js/source",
    resume: "s1.secret",
    received: 0,
    subscribe: {},
  });
  await again.answer([{ connected: connectedFrame({ resumed: true }) }]);
  const requests = [await world.request(), await world.request()];
  const up = requests.find(({ path }) => path === "/chloe/up")!;
  const poll = requests.find(({ path }) => path === "/chloe/poll")!;
  assertEquals(up.lines[1], { id: 1, send: { data: 1 } });
  await poll.answer([{ from: 0 }, { id: 1, ok: { data: "done" } }]);
  assertEquals(await reply, "done");
});

Deno.test("long-poll: an unknown session is followed by a new one, which is told whose it is", async () => {
  const { world, chloe, held } = await connected();
  const lost = chloe.send(1);
  await held.answer([{ error: { code: "unknown_session", message: "gone", retry: false } }], 404);
  assertEquals(chloe.state, "waiting");
  world.requests.length = 0;
  world.advance(2000);
  const request = await world.request();
  // The secret of a session that is gone still proves what was not for it.
  const whose = { resume: "s1.secret", received: 0 };
  assertEquals(request.lines[0]!.connect, { client: "chloe.js/source", ...whose, subscribe: {} });
  await request.answer([CONNECTED]);
  assertEquals((await assertRejects(() => lost, ChloeError)).code, "unknown_outcome");
});

Deno.test("long-poll: refusals by status", async () => {
  const cases: [number, string, boolean, string][] = [
    [503, "full", true, "waiting"],
    [503, "shutting_down", true, "waiting"],
    [403, "connect_refused", false, "closed"],
    [403, "origin_refused", false, "closed"],
    [408, "too_slow", true, "waiting"],
    [404, "unknown_session", false, "waiting"],
  ];
  for (const [status, code, retry, state] of cases) {
    const world = new FakeWorld();
    const chloe = world.chloe({ transports: ["poll"] });
    const connecting = chloe.connect();
    connecting.catch(() => {});
    await (await world.request()).answer([{ error: { code, message: "no", retry } }], status);
    assertEquals([code, chloe.state], [code, state]);
  }
});

Deno.test("long-poll: a captive portal's page is no answer", async () => {
  for (const status of [200, 302, 502]) {
    const world = new FakeWorld();
    const chloe = world.chloe({ transports: ["poll"] });
    chloe.connect();
    await (await world.request()).answerText("<html>Pay here</html>", status);
    assertEquals(chloe.state, "waiting");
  }
});

Deno.test("long-poll: an empty answer that came at once is followed by a pause", async () => {
  const { world, held } = await connected();
  await held.answerText("");
  assertEquals(world.requests.length, 0);
  world.advance(1000);
  await (await world.request()).answer([{ from: 0 }]);
  assertEquals((await world.request()).path, "/chloe/poll");
});

Deno.test("long-poll: an up that is never answered costs 15 s", async () => {
  const { world, chloe, held } = await connected();
  chloe.send(1);
  await settle();
  world.advance(14_999);
  assertEquals(chloe.state, "connected");
  world.advance(1);
  assertEquals([chloe.state, held.aborted], ["waiting", true]);
});

Deno.test("long-poll: bye ends it, close() stops every request", async () => {
  const { world, chloe, held } = await connected();
  world.advance(6000);
  await held.answer([{ from: 0 }, { data: 1 }, {
    bye: { code: 3001, reason: "shutdown", reconnect: true, after: [500, 500] },
  }]);
  assertEquals([chloe.state, world.requests.length], ["waiting", 0]);
  world.advance(500);
  const next = await world.request();
  chloe.close();
  await settle();
  assertEquals([next.aborted, world.requests.length, world.timers], [true, 0, 0]);
});

Deno.test("long-poll: answers that say nothing are no busy loop", async () => {
  for (const text of ["", "\n", "{}"]) {
    const { world, held } = await connected();
    await held.answerText(text);
    assertEquals([text, world.requests.length], [text, 0]);
  }
});
