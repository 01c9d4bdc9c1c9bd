import { assertEquals } from "@std/assert";
import { connectedFrame, type FakeRequest, FakeWorld, settle } from "./_testing.ts";
import type { Chloe } from "./chloe.ts";

/** A client that fell back to long-poll, as a proxy swallowed the upgrade, and its held poll. */
async function fellBack(): Promise<{ world: FakeWorld; chloe: Chloe; held: FakeRequest }> {
  const world = new FakeWorld();
  const chloe = world.chloe({ transports: ["websocket", "poll"] });
  chloe.connect();
  world.advance(3000);
  await (await world.request()).answer([{ connected: connectedFrame() }]);
  assertEquals(chloe.transport, "poll");
  return { world, chloe, held: await world.request() };
}

Deno.test("after a fallback the better transport takes the session over, with nothing lost or doubled", async () => {
  const { world, chloe, held } = await fellBack();
  const log: unknown[] = [];
  const states: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  chloe.on("state", (state) => states.push(state));
  world.advance(20_000);
  assertEquals(world.sockets.length, 2);
  assertEquals([held.aborted, chloe.transport], [false, "poll"]);
  // Still served by the old one while the new one is let through.
  await held.answer([{ from: 0 }, { data: 1 }]);
  const next = await world.request();
  world.socket.open();
  assertEquals(next.aborted, true);
  const { connect } = world.socket.take();
  assertEquals(connect, {
    client: "chloe.js/source",
    resume: "s1.secret",
    received: 1,
    subscribe: {},
  });
  const reply = chloe.send("meanwhile");
  world.socket.say({ connected: connectedFrame({ resumed: true, from: 0 }) });
  world.socket.say({ data: 1 }, { data: 2 }, { id: 1, ok: { data: "done" } });
  assertEquals([log, states], [[1, 2], []]);
  assertEquals(await reply, "done");
  assertEquals([chloe.state, chloe.transport], ["connected", "websocket"]);
  world.advance(10_000);
  assertEquals(world.sockets.length, 2);
});

Deno.test("a better transport that does not work yet is tried again, ever less often", async () => {
  const { world, chloe, held } = await fellBack();
  const tries: number[] = [];
  let known = world.sockets.length;
  for (let second = 1; second < 600; second++) {
    // The server says something now and then.
    if (second % 20 === 0) await held.answer([{}]);
    world.advance(1000);
    await settle();
    const poll = world.requests.shift();
    if (poll) void poll.answer([{ from: 0 }, {}]);
    if (world.sockets.length > known) {
      known = world.sockets.length;
      tries.push(second);
      if (tries.length % 2) world.socket.drop();
    }
  }
  assertEquals([chloe.state, chloe.transport], ["connected", "poll"]);
  assertEquals(tries.length, 4);
  assertEquals(tries.map((second, i) => second > 2 * (tries[i - 1] ?? 5)), [
    true,
    true,
    true,
    true,
  ]);
});

Deno.test("a better transport that is let through and then silent costs 3 s, and the old one goes on", async () => {
  const { world, chloe } = await fellBack();
  world.advance(20_000);
  world.socket.open();
  world.socket.take();
  world.advance(3000);
  assertEquals(chloe.state, "connecting");
  const poll = await world.request();
  assertEquals([poll.path, (poll.lines[0] as { connect: { resume: string } }).connect.resume], [
    "/chloe/poll",
    "s1.secret",
  ]);
  await poll.answer([{ connected: connectedFrame({ resumed: true }) }]);
  assertEquals([chloe.state, chloe.transport], ["connected", "poll"]);
});

Deno.test("close() ends the transport that is tried beside the other one, too", async () => {
  const { world, chloe } = await fellBack();
  world.advance(20_000);
  chloe.close();
  assertEquals([world.socket.readyState, world.timers], [3, 0]);
});

Deno.test("a command that is sent while a better transport takes over keeps its turn", async () => {
  const { world, chloe } = await fellBack();
  world.advance(19_000);
  const replies = [chloe.send("one")];
  await world.request(); // on its way, and aborted
  world.advance(1000);
  world.socket.open();
  replies.push(chloe.send("two"));
  world.socket.take();
  assertEquals(world.socket.sent, []);
  world.socket.say({ connected: connectedFrame({ resumed: true, lastId: 0 }) });
  assertEquals(world.socket.sent, [
    { id: 1, send: { data: "one" } },
    { id: 2, send: { data: "two" } },
  ]);
  world.socket.say({ id: 1, ok: { data: 1 } }, { id: 2, ok: { data: 2 } });
  assertEquals(await Promise.all(replies), [1, 2]);
});

Deno.test("what worked is remembered for the page's life: another client begins with it, and upgrades as well", async () => {
  const { world } = await fellBack();
  const known = world.sockets.length;
  const second = world.chloe({ transports: ["websocket", "poll"] });
  second.connect();
  const { path, answer } = await world.request();
  assertEquals([path, world.sockets.length], ["/chloe/poll", known]);
  await answer([{ connected: connectedFrame() }]);
  assertEquals(second.transport, "poll");
  // One that may not use it begins with what it may.
  world.chloe({ transports: ["websocket"] }).connect();
  assertEquals(world.sockets.length, known + 1);
});
