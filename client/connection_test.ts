import { assertEquals, assertRejects } from "@std/assert";
import { FakeWorld, settle } from "./_testing.ts";
import { ChloeError } from "./errors.ts";

Deno.test("a lost transport is resumed: unanswered commands again, frames had before skipped", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  chloe.connect();
  world.socket.accept();
  const sent = [chloe.send("one"), chloe.send("two")];
  world.socket.say({ data: 1 }, { data: 2 });
  world.socket.drop();
  assertEquals([chloe.state, chloe.transport], ["waiting", null]);
  const later = chloe.send("three");

  world.advance(2000);
  const connect = world.socket.accept({ resumed: true, from: 1, lastId: 1 });
  assertEquals([connect.resume, connect.received], ["s1.secret", 2]);
  assertEquals(world.socket.sent, [
    { id: 2, send: { data: "two" } },
    { id: 3, send: { data: "three" } },
  ]);
  world.socket.say({ data: 2 }, { data: 3 }, { id: 1, ok: { data: "a" } }, {
    id: 2,
    ok: { data: "b" },
  });
  world.socket.say({ id: 3, ok: { data: "c" } });
  assertEquals(log, [1, 2, 3]);
  assertEquals(await Promise.all([...sent, later]), ["a", "b", "c"]);
});

Deno.test("where a session cannot be resumed, unanswered commands fail and waiting ones are sent", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  const lost = chloe.send("lost");
  world.socket.drop();
  chloe.send("kept");
  world.advance(2000);
  world.socket.accept({ session: "s2", resume: "s2.secret", from: 0 });
  assertEquals(world.socket.sent, [{ id: 1, send: { data: "kept" } }]);
  assertEquals((await assertRejects(() => lost, ChloeError)).code, "unknown_outcome");
  assertEquals(chloe.session, "s2");
});

Deno.test("counts that do not meet end the session, and another is opened", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  const lost = chloe.send("lost");
  world.socket.drop();
  world.advance(2000);
  world.socket.accept({ resumed: true, from: 7 });
  assertEquals((await assertRejects(() => lost, ChloeError)).code, "unknown_outcome");
  assertEquals(chloe.state, "waiting");
  world.advance(4000);
  assertEquals(world.socket.accept({ session: "s2" }).resume, undefined);
  assertEquals(chloe.session, "s2");
});

Deno.test("received is told with each pong, every 100 frames and every 32 KiB", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  world.socket.say({ data: 1 }, {});
  assertEquals(world.socket.take(), { received: 1 });
  world.socket.say(...Array.from({ length: 250 }, (_, data) => ({ data })));
  assertEquals(world.socket.sent, [{ received: 101 }, { received: 201 }]);
  world.socket.sent = [];
  world.socket.say({ data: "x".repeat(32 * 1024) });
  assertEquals(world.socket.take(), { received: 252 });
});

Deno.test("silence for one and a half ping periods is taken for a dead transport", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept({ ping: 10 });
  const first = world.socket;
  for (let beat = 0; beat < 5; beat++) {
    world.advance(10_000);
    first.say({});
  }
  assertEquals(chloe.state, "connected");
  world.advance(14_999);
  assertEquals(chloe.state, "connected");
  world.advance(1);
  assertEquals([chloe.state, first.readyState], ["waiting", 3]);
});

Deno.test("a transport that was given up is not listened to any more", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  chloe.connect();
  world.socket.accept({ ping: 10 });
  const first = world.socket;
  world.advance(15_000);
  first.say({ data: "late" });
  first.drop();
  world.advance(2000);
  world.socket.accept({ resumed: true });
  world.socket.say({ data: "late" });
  assertEquals(log, ["late"]);
  assertEquals(world.sockets.length, 2);
});

Deno.test("bye: the client comes back within the window that it names", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  world.socket.say({
    bye: { code: 3001, reason: "shutdown", reconnect: true, after: [500, 5000] },
  });
  assertEquals([chloe.state, world.sockets.length], ["waiting", 1]);
  world.advance(2749);
  assertEquals(world.sockets.length, 1);
  world.advance(1);
  assertEquals(world.sockets.length, 2);
});

Deno.test("bye with reconnect:false, and the closes that mean it, end it for good", async () => {
  const ends: ((world: FakeWorld) => void)[] = [
    ({ socket }) => socket.say({ bye: { code: 3500, reason: "enough", reconnect: false } }),
    ({ socket }) => socket.drop(3500, "enough"),
    ({ socket }) => socket.drop(1008, "enough"),
    ({ socket }) => socket.drop(1009, "enough"),
  ];
  for (const end of ends) {
    const world = new FakeWorld();
    const chloe = world.chloe();
    let closed = "";
    chloe.onclose(({ reason }) => closed = reason);
    chloe.connect();
    world.socket.accept();
    const pending = chloe.send(1);
    end(world);
    assertEquals([chloe.state, closed, world.timers], ["closed", "enough", 0]);
    await assertRejects(() => pending, ChloeError);
  }
});

Deno.test("a slow reader's close asks to come back", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  world.socket.drop(3008, "slow reader");
  assertEquals(chloe.state, "waiting");
});

Deno.test("connect() rejects when Chloe refuses for good, and goes on trying when she may yet", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const connecting = chloe.connect();
  world.socket.open();
  world.socket.say({ error: { code: "full", message: "full", retry: true } });
  world.socket.drop(3005);
  assertEquals(chloe.state, "waiting");
  world.advance(250);
  assertEquals(world.sockets.length, 2);
  world.socket.open();
  world.socket.say(
    { error: { code: "connect_refused", message: "not you", retry: false } },
    { bye: { code: 3502, reason: "connect refused", reconnect: false } },
  );
  const error = await assertRejects(() => connecting, ChloeError, "not you");
  assertEquals([error.code, chloe.state], ["connect_refused", "closed"]);
});

Deno.test("a dying server is not tried in a busy loop", () => {
  const world = new FakeWorld();
  world.chance = 1;
  const chloe = world.chloe();
  chloe.connect();
  for (let second = 0; second < 60; second++) {
    if (chloe.state === "connecting") {
      world.socket.accept();
      world.socket.drop();
    }
    world.advance(1000);
  }
  // 4, 8, 16, 20, ... seconds
  assertEquals(world.sockets.length, 5);
});

Deno.test("a connection that lasted starts the backoff anew", () => {
  const world = new FakeWorld();
  world.chance = 1;
  const chloe = world.chloe();
  chloe.connect();
  for (const wait of [4000, 8000, 16_000, 4000, 8000]) {
    world.socket.accept();
    if (wait === 4000) world.advance(6000);
    world.socket.drop();
    const before = world.sockets.length;
    world.advance(wait - 1);
    assertEquals(world.sockets.length, before);
    world.advance(1);
    assertEquals(world.sockets.length, before + 1);
  }
});

Deno.test("frames that are not Chloe's end the transport", () => {
  for (const text of ["<html>", "[1]", "null", "7"]) {
    const world = new FakeWorld();
    const chloe = world.chloe({ transports: ["websocket"] });
    chloe.connect();
    world.socket.accept();
    world.socket.onmessage!({ data: text });
    assertEquals(chloe.state, "waiting");
  }
});

Deno.test("the WebSocket that does not open in 3 s, or at all, is followed by an event stream", async () => {
  for (
    const fail of [
      (world: FakeWorld) => world.advance(3000),
      (world: FakeWorld) => world.socket.drop(),
    ]
  ) {
    const world = new FakeWorld();
    const chloe = world.chloe();
    chloe.connect();
    const { socket } = world;
    fail(world);
    assertEquals(world.sockets.length, 1);
    socket.open(); // too late
    const { path, lines } = await world.request();
    assertEquals(path, "/chloe/events");
    assertEquals(Object.keys(lines[0]!), ["connect"]);
    assertEquals(chloe.state, "connecting");
  }
});

Deno.test("an app that is slow to admit has 15 s once the network is through", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.open();
  world.advance(14_999);
  await settle();
  assertEquals([world.sockets.length, world.requests.length], [1, 0]);
  world.advance(1);
  await settle();
  assertEquals(world.requests.length, 1);
});

Deno.test("the transport that worked is kept to for two rounds, then all are tried", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  world.socket.drop();
  for (const wait of [2000, 4000, 8000]) {
    const before = world.sockets.length;
    world.advance(wait);
    assertEquals([world.sockets.length, chloe.state], [before + 1, "connecting"]);
    await settle();
    assertEquals(world.requests.length, 0);
    world.socket.drop();
  }
  assertEquals((await world.request()).path, "/chloe/events");
});

Deno.test("without WebSocket, or where it may not be opened, an event stream is used", async () => {
  const without = new FakeWorld();
  Object.assign(without.environment, { WebSocket: undefined });
  without.chloe().connect();
  assertEquals((await without.request()).path, "/chloe/events");

  const forbidden = new FakeWorld();
  Object.assign(forbidden.environment, {
    WebSocket: class {
      constructor() {
        throw new Error("SecurityError");
      }
    },
  });
  forbidden.chloe().connect();
  assertEquals((await forbidden.request()).path, "/chloe/events");
});

Deno.test("a session that a transport given up before took is taken back", () => {
  for (
    const take of [
      (world: FakeWorld) => world.socket.say({ bye: { code: 3501, reason: "", reconnect: false } }),
      (world: FakeWorld) => world.socket.drop(3501),
    ]
  ) {
    const world = new FakeWorld();
    const chloe = world.chloe();
    chloe.connect();
    world.socket.accept();
    take(world);
    assertEquals(chloe.state, "waiting");
    world.advance(2000);
    assertEquals(world.socket.accept({ resumed: true }).resume, "s1.secret");
    assertEquals(chloe.state, "connected");
  }
});

Deno.test("a gateway's own JSON error is a lost transport, and not Chloe's last word", async () => {
  for (
    const body of [
      '{"status":503,"error":"Service Unavailable"}',
      '{"error":{"message":"overloaded","code":503}}',
      '{"error":true}',
    ]
  ) {
    for (const status of [503, 200]) {
      const world = new FakeWorld();
      const chloe = world.chloe({ transports: ["poll"] });
      chloe.connect();
      await (await world.request()).answerText(body, status);
      assertEquals([body, status, chloe.state], [body, status, "waiting"]);
    }
  }
});

Deno.test("a WebSocket that lets nothing through to Chloe is followed by an event stream", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.open();
  world.socket.say(
    { error: { code: "not_connected", message: "connect first", retry: false } },
    { bye: { code: 3003, reason: "no connect in time", reconnect: true } },
  );
  assertEquals((await world.request()).path, "/chloe/events");
});
