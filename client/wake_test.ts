import { assertEquals, assertRejects } from "@std/assert";
import { FakeWorld, settle } from "./_testing.ts";
import { ChloeError } from "./errors.ts";

Deno.test("a waiting client tries at once when the network is back, or the page is looked at", () => {
  for (const event of ["online", "visibilitychange"] as const) {
    const world = new FakeWorld();
    const chloe = world.chloe();
    chloe.connect();
    world.socket.accept();
    world.socket.drop();
    assertEquals([chloe.state, world.sockets.length], ["waiting", 1]);
    world.notice(event);
    assertEquals([chloe.state, world.sockets.length], ["connecting", 2]);
    assertEquals(world.socket.accept({ resumed: true }).resume, "s1.secret");
    world.notice(event);
    assertEquals([chloe.state, world.sockets.length], ["connected", 2]);
  }
});

Deno.test("when the browser is offline the transport is given up at once", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  world.notice("offline");
  assertEquals([chloe.state, world.socket.readyState], ["waiting", 3]);
  world.notice("offline");
  assertEquals(world.sockets.length, 1);
});

Deno.test("after the machine slept the transport that was silent is given up when the page is looked at", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept({ ping: 25 });
  world.sleep(3_600_000);
  assertEquals(chloe.state, "connected");
  world.notice("visibilitychange");
  assertEquals(chloe.state, "waiting");
  world.notice("online");
  world.socket.accept({ resumed: true });
  assertEquals(chloe.state, "connected");
});

Deno.test("a client that is closed listens to the page no more", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  assertEquals(world.watchers, 0);
  chloe.connect();
  chloe.close();
  assertEquals([world.watchers, world.timers], [0, 0]);
});

Deno.test("a token function is asked before the first connection, and again when the token expired", async () => {
  const world = new FakeWorld();
  const tokens = ["first", "second"];
  const chloe = world.chloe({ token: () => Promise.resolve(tokens.shift()) });
  chloe.connect();
  assertEquals(world.sockets.length, 0);
  await settle();
  assertEquals(world.socket.accept().token, "first");
  world.socket.drop();
  world.advance(2000);
  // It is still good, for all that is known.
  assertEquals(world.socket.accept({ resumed: true }).token, "first");
  world.socket.say({ bye: { code: 3006, reason: "token expired", reconnect: true } });
  assertEquals(chloe.state, "waiting");
  world.advance(4000);
  await settle();
  assertEquals(world.socket.accept().token, "second");
});

Deno.test("a token that is refused as expired is replaced; one that nothing replaces ends it", async () => {
  const expired = [
    { error: { code: "token_expired", message: "get another", retry: true } },
    { bye: { code: 3006, reason: "token expired", reconnect: true } },
  ];
  const world = new FakeWorld();
  let count = 0;
  const chloe = world.chloe({ token: () => `token ${++count}` });
  chloe.connect();
  await settle();
  world.socket.open();
  world.socket.say(...expired);
  assertEquals(chloe.state, "waiting");
  world.advance(500);
  await settle();
  assertEquals(world.socket.accept().token, "token 2");

  const fixed = new FakeWorld();
  const closed = fixed.chloe({ token: "old" });
  const connecting = closed.connect();
  fixed.socket.open();
  fixed.socket.say(...expired);
  assertEquals((await assertRejects(() => connecting, ChloeError)).code, "token_expired");
  assertEquals(closed.state, "closed");
});

Deno.test("a token function that fails is told as an error and called again with the next try", async () => {
  const world = new FakeWorld();
  let count = 0;
  const chloe = world.chloe({
    token: () => {
      if (++count < 3) throw new Error("logged out");
      return null;
    },
  });
  const errors: unknown[] = [];
  chloe.on("error", ({ code }) => errors.push(code));
  chloe.connect();
  for (let n = 0; n < 2; n++) {
    await settle();
    assertEquals([chloe.state, world.sockets.length], ["waiting", 0]);
    world.advance(1000);
  }
  await settle();
  assertEquals(errors, ["no_token", "no_token"]);
  assertEquals("token" in world.socket.accept(), false);
});

Deno.test("a token function that never answers is given up after 15 s, and close() does not wait for it", async () => {
  const world = new FakeWorld();
  let count = 0;
  const chloe = world.chloe({
    token: () => {
      count++;
      return new Promise(() => {});
    },
  });
  chloe.connect();
  await settle();
  world.advance(15_000);
  assertEquals([chloe.state, world.sockets.length], ["waiting", 0]);
  world.advance(500);
  await settle();
  assertEquals([chloe.state, count], ["connecting", 2]);
  chloe.close();
  assertEquals(world.timers, 0);
});
