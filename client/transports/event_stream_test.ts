import { assertEquals } from "@std/assert";
import { connectedFrame, FakeWorld } from "../_testing.ts";

async function connected() {
  const world = new FakeWorld();
  const chloe = world.chloe({ transports: ["events"] });
  chloe.connect();
  const request = await world.request();
  assertEquals(request.path, "/chloe/events");
  const stream = request.stream();
  await stream.say({ connected: connectedFrame() }, { from: 0 });
  return { world, chloe, request, stream };
}

Deno.test("event stream: frames come as events, in whatever pieces the network makes of them", async () => {
  const { chloe, stream } = await connected();
  assertEquals([chloe.state, chloe.transport], ["connected", "events"]);
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  await stream.say({ data: 1 }, { data: 2 });
  const bytes = new TextEncoder().encode('data: {"data":"é\\ndata: "}\n\ndata: {"data":4}\n');
  for (const byte of bytes) await stream.text(new Uint8Array([byte]));
  assertEquals(log, [1, 2, "é\ndata: ", 4]);
});

Deno.test("event stream: commands go up by requests of their own", async () => {
  const { world, chloe, stream } = await connected();
  const reply = chloe.send("up");
  const up = await world.request();
  assertEquals([up.path, up.lines], ["/chloe/up", [
    { resume: "s1.secret", received: 0 },
    { id: 1, send: { data: "up" } },
  ]]);
  await up.answer([], 204);
  await stream.say({ id: 1, ok: { data: "down" } });
  assertEquals(await reply, "down");
});

Deno.test("event stream: each ping is answered with the number of frames taken", async () => {
  const { world, stream } = await connected();
  await stream.say({ data: 1 }, { data: 2 }, {});
  const up = await world.request();
  const lines = [{ resume: "s1.secret", received: 2 }, { received: 2 }];
  assertEquals([up.path, up.lines], ["/chloe/up", lines]);
  await up.answer([], 204);
  await stream.say({});
  assertEquals((await world.request()).lines, lines);
});

Deno.test("event stream: one that ends is a lost transport", async () => {
  const { chloe, stream } = await connected();
  await stream.end();
  assertEquals([chloe.state, chloe.transport], ["waiting", null]);
});

Deno.test("event stream: one that is held back by a proxy costs 3 s, then long-poll is tried", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe({ transports: ["events", "poll"] });
  chloe.connect();
  const request = await world.request();
  request.stream();
  world.advance(2999);
  assertEquals([request.aborted, world.requests.length], [false, 0]);
  world.advance(1);
  assertEquals(request.aborted, true);
  const poll = await world.request();
  assertEquals(poll.path, "/chloe/poll");
  await poll.answer([{ connected: connectedFrame() }]);
  assertEquals(chloe.transport, "poll");
});

Deno.test("event stream: a page that is not Chloe's is no stream", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe({ transports: ["events"] });
  chloe.connect();
  await (await world.request()).answerText("<!doctype html>\n<p>Pay here\n");
  assertEquals(chloe.state, "waiting");
});
