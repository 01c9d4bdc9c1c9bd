import { assertEquals, assertRejects } from "@std/assert";
import type { Connected } from "../src/protocol/frames.ts";
import { FakeWorld, settle } from "./_testing.ts";
import { ChloeError } from "./errors.ts";
import type { ChloeOptions } from "./options.ts";

/** A client that is connected with this token, and the errors that it tells of. */
async function connected(token: ChloeOptions["token"], answer: Partial<Connected>) {
  const world = new FakeWorld();
  const chloe = world.chloe({ token });
  const errors: string[] = [];
  chloe.on("error", ({ code }) => errors.push(code));
  chloe.connect();
  await settle();
  const connect = world.socket.accept({ ping: 25, ...answer });
  return { world, chloe, errors, connect };
}

/** Lets so many seconds pass with a ping each. */
async function beat(world: FakeWorld, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    world.advance(1000);
    world.socket.say({});
  }
  await settle();
}

/** What the client sent but its pongs. */
function commands(world: FakeWorld): unknown[] {
  return world.socket.sent.splice(0).filter((frame) => !("received" in frame));
}

Deno.test("a token that ends is replaced in time, each by the next, and the session goes on", async () => {
  let n = 0;
  const { world, chloe, connect } = await connected(() => `token ${++n}`, { expires: 100 });
  assertEquals(connect.token, "token 1");
  await beat(world, 75);
  assertEquals(commands(world), []);
  await beat(world, 5);
  assertEquals(commands(world), [{ id: 1, refresh: { token: "token 2" } }]);
  world.socket.say({ id: 1, ok: { expires: 200 } });
  await beat(world, 150);
  assertEquals(commands(world), []);
  await beat(world, 1);
  assertEquals(commands(world), [{ id: 2, refresh: { token: "token 3" } }]);
  // This one has no end.
  world.socket.say({ id: 2, ok: {} });
  await beat(world, 1000);
  assertEquals([commands(world), chloe.state, n], [[], "connected", 3]);
  world.socket.drop();
  world.advance(4000);
  assertEquals(world.socket.accept({ resumed: true, from: 2, lastId: 2 }).token, "token 3");
});

Deno.test("a token that is text, or does not end, is not replaced, and said again with each connect", async () => {
  for (
    const [token, expires] of [["text", { expires: 10 }], [() => "text", {}]] as const
  ) {
    const { world } = await connected(token, expires);
    await beat(world, 100);
    assertEquals(commands(world), []);
    world.socket.drop();
    world.advance(4000);
    assertEquals(world.socket.accept({ resumed: true }).token, "text");
  }
});

Deno.test("where a token cannot be replaced, the page hears of it, and its end brings the session back with another", async () => {
  let n = 0;
  const { world, chloe, errors } = await connected(() => {
    if (++n === 2) throw new Error("app down");
    return `token ${n}`;
  }, { expires: 10 });
  await beat(world, 9);
  assertEquals([commands(world), errors, n], [[], ["no_token"], 2]);
  world.socket.drop(3006, "token expired");
  world.advance(4000);
  await settle();
  const connect = world.socket.accept({ resumed: true });
  assertEquals([connect.token, connect.resume], ["token 3", "s1.secret"]);
  assertEquals(chloe.state, "connected");
});

Deno.test("a refresh that is refused, or that close() leaves without an answer, is no error of the page's", async () => {
  const { world, chloe, errors } = await connected(() => "token", { expires: 10 });
  await beat(world, 9);
  world.socket.say({ id: 1, error: { code: "bad_token", message: "no", retry: false } });
  await beat(world, 100);
  assertEquals(commands(world).length, 1);
  world.socket.drop();
  world.advance(4000);
  world.socket.accept({ resumed: true, from: 1, lastId: 1, expires: 10 });
  await beat(world, 9);
  chloe.close();
  await settle();
  assertEquals([errors, world.reported, world.timers], [[], [], 0]);
});

Deno.test("a connect that is refused as bad_token ends it, with the reason", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe({ token: () => "bad" });
  const connecting = chloe.connect();
  await settle();
  world.socket.open();
  world.socket.say(
    { error: { code: "bad_token", message: "wrong key", retry: false } },
    { bye: { code: 3502, reason: "connect refused", reconnect: false } },
  );
  const error = await assertRejects(() => connecting, ChloeError, "wrong key");
  assertEquals([error.code, chloe.state, world.timers], ["bad_token", "closed", 0]);
});

Deno.test("only close() says goodbye by 1000: whatever else lets a socket go leaves the session there", async () => {
  const { world, chloe } = await connected("token", { ping: 10 });
  const first = world.socket;
  world.advance(15_000);
  assertEquals([first.readyState, first.closedWith], [3, undefined]);
  world.advance(4000);
  world.socket.accept({ resumed: true });
  const second = world.socket;
  chloe.close();
  assertEquals([second.readyState, second.closedWith], [3, 1000]);
});
