import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Connected, Json } from "../src/protocol/frames.ts";
import { FakeWorld, settle } from "./_testing.ts";
import type { Chloe } from "./chloe.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { ChloeError } from "./errors.ts";

const ADA = { session: "s1", user: "ada" };
const BOB = { session: "s2", user: "bob", info: { mood: "fine" } };

/** A client that is connected, after `prepare`. */
function connected(prepare = (_chloe: Chloe) => {}, answer: Partial<Connected> = {}) {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const errors: ChloeError[] = [];
  chloe.on("error", (error) => errors.push(error));
  prepare(chloe);
  chloe.connect();
  const connect = world.socket.accept(answer);
  return { world, chloe, connect, errors };
}

/** Loses the transport, and brings the next one. Returns what `connect` said on it. */
function reconnect(world: FakeWorld, answer: Partial<Connected>) {
  world.socket.drop();
  world.advance(4000);
  return world.socket.accept(answer);
}

/** A new session. */
const ANEW = { session: "s9", resume: "s9.secret" };

Deno.test("presence: all who are there when the page comes in, and then who comes and goes", async () => {
  const log: unknown[] = [];
  const { world, chloe } = connected();
  const subscribed = chloe.subscribe("chat", undefined, {
    presence: ({ count, members, join, leave }) => log.push([count, members, join, leave]),
  });
  world.socket.say({ id: 1, ok: { presence: { count: 1, members: [ADA] } } });
  await subscribed;
  world.socket.say({ channel: "chat", join: [ADA, BOB] }, { channel: "chat", leave: [BOB] });
  world.socket.say({ channel: "chat", presence: { count: 1234 } });
  assertEquals(log, [
    [1, [ADA], undefined, undefined],
    [undefined, undefined, [ADA, BOB], undefined],
    [undefined, undefined, undefined, [BOB]],
    [1234, undefined, undefined, undefined],
  ]);
});

Deno.test("presence is told anew with a new session, and goes on in one that is resumed", () => {
  const log: unknown[] = [];
  const { world } = connected((chloe) => {
    chloe.channel("chat").subscribe(() => {}, { presence: ({ count }) => log.push(count) });
  }, { subscribed: { chat: { presence: { count: 1, members: [ADA] } } } });
  reconnect(world, { resumed: true });
  assertEquals(log, [1]);
  reconnect(world, { ...ANEW, subscribed: { chat: { presence: { count: 2 } } } });
  assertEquals(log, [1, 2]);
});

Deno.test("presence is told to each who asked for it, after the messages, and to nobody who has left", () => {
  const log: unknown[] = [];
  const first = (data: unknown) => log.push(["first", data]);
  const { world, chloe } = connected((chloe) => {
    chloe.subscribe("chat", first, { presence: ({ count }) => log.push(["first", count]) });
    chloe.subscribe("chat", (data) => log.push(["second", data]));
    chloe.subscribe("chat", undefined, { presence: ({ count }) => log.push(["third", count]) });
  }, {
    subscribed: {
      chat: {
        epoch: "a",
        offset: 1,
        messages: [{ data: "m", offset: 1 }],
        presence: { count: 1 },
      },
    },
  });
  assertEquals(log, [["first", "m"], ["second", "m"], ["first", 1], ["third", 1]]);
  chloe.unsubscribe("chat", first);
  log.length = 0;
  world.socket.say({ channel: "chat", presence: { count: 2 } });
  assertEquals(log, [["third", 2]]);
  chloe.unsubscribe("chat");
  world.socket.say({ channel: "chat", join: [BOB] }, { channel: "other", join: [BOB] });
  assertEquals(log, [["third", 2]]);
});

Deno.test("a presence handler that throws is reported and stops no other", () => {
  const log: unknown[] = [];
  const fault = new Error("fault of the page");
  const { world } = connected((chloe) => {
    chloe.subscribe("chat", undefined, {
      presence() {
        throw fault;
      },
    });
    chloe.subscribe("chat", undefined, { presence: ({ count }) => log.push(count) });
  }, { subscribed: { chat: {} } });
  world.socket.say({ channel: "chat", presence: { count: 2 } });
  assertEquals([log, world.reported], [[2], [fault]]);
});

Deno.test("frames of a channel that this client does not know do no harm", () => {
  const log: unknown[] = [];
  const { world, chloe } = connected((chloe) => {
    chloe.onmessage((data) => log.push(data));
    chloe.subscribe("x", (data) => log.push(data));
  }, { subscribed: { x: {} } });
  world.socket.say({ channel: "x", news: 1 }, { channel: "y", news: 1 }, { news: 1 });
  world.socket.say({ channel: "x", data: "goes on" });
  assertEquals([log, chloe.state], [["goes on"], "connected"]);
});

Deno.test("token and info go with connect and with subscribe", () => {
  const options = { token: "ticket", info: { name: "Ada" } };
  const { world, chloe, connect } = connected((chloe) => {
    chloe.subscribe("chat", () => {}, options);
    chloe.subscribe("news", () => {});
  }, { subscribed: { chat: { epoch: "a", offset: 4 }, news: {} } });
  assertEquals(connect.subscribe, { chat: options, news: {} });
  chloe.channel("later").subscribe(() => {}, { info: null });
  assertEquals(world.socket.take(), { id: 1, subscribe: { channel: "later", info: null } });
  world.socket.say({ id: 1, ok: {} });
  const again = reconnect(world, ANEW);
  assertEquals(again.subscribe, {
    chat: { epoch: "a", offset: 4, ...options },
    news: {},
    later: { info: null },
  });
});

Deno.test("tokens too long for one line go with commands of their own", () => {
  const token = "x".repeat(4000);
  const { world, connect } = connected((chloe) => {
    for (let n = 0; n < 10; n++) chloe.subscribe(`c${n}`, () => {}, { token });
  }, {});
  assert(JSON.stringify({ connect }).length < 16_384);
  const named = Object.keys(connect.subscribe as object);
  assertEquals(named, ["c0"]);
  // None of them was answered.
  assertEquals(world.socket.sent.length, 10);
});

Deno.test("info that JSON cannot say is a TypeError at once, and nothing is subscribed to", () => {
  const { world, chloe } = connected();
  assertThrows(() => chloe.subscribe("x", () => {}, { info: 1n }), TypeError);
  assertEquals(world.socket.sent, []);
});

Deno.test("of several who subscribe, the last who names a token or info decides", () => {
  const { world } = connected((chloe) => {
    chloe.subscribe("x", () => {}, { token: "first", info: 1 });
    chloe.subscribe("x", () => {}, { token: "second" });
    chloe.subscribe("x");
  });
  assertEquals(world.socket.take(), {
    id: 1,
    subscribe: { channel: "x", token: "second", info: 1 },
  });
});

/** A token function whose answers the test gives, and what it was called with. */
function tickets() {
  const calls: [channel: string, answer: Deferred<string | null>][] = [];
  const token = (channel: string) => {
    const answer = deferred<string | null>();
    calls.push([channel, answer]);
    return answer.promise;
  };
  return { calls, token };
}

Deno.test("a token function is called with the channel's name, each time that it is subscribed to", async () => {
  const { calls, token } = tickets();
  const log: unknown[] = [];
  const { world, connect } = connected((chloe) => {
    chloe.onmessage((data) => log.push(data));
    chloe.subscribe("/vip", (data) => log.push(data), { token, info: 1 }).then(() =>
      log.push("in")
    );
    chloe.subscribe("news", () => {});
  }, { subscribed: { news: {} } });
  // No connection waits for a channel's token.
  assertEquals(connect.subscribe, { news: {} });
  await settle();
  calls[0]![1].settle(undefined, "one");
  await settle();
  assertEquals(world.socket.sent, [
    { id: 1, subscribe: { channel: "vip", token: "one", info: 1 } },
  ]);
  world.socket.say({ id: 1, ok: { epoch: "a", offset: 7 } });
  await settle();

  reconnect(world, { resumed: true, from: 1, lastId: 1 });
  await settle();
  assertEquals(calls.length, 1);

  assertEquals(reconnect(world, { ...ANEW, subscribed: { news: {} } }).subscribe, { news: {} });
  await settle();
  calls[1]![1].settle(undefined, "two");
  await settle();
  assertEquals(world.socket.take(), {
    id: 1,
    subscribe: { channel: "vip", since: { epoch: "a", offset: 7 }, token: "two", info: 1 },
  });
  world.socket.say({
    id: 1,
    ok: { epoch: "a", offset: 8, recovered: true, messages: [{ data: "missed", offset: 8 }] },
  });
  assertEquals(calls.map(([channel]) => channel), ["vip", "vip"]);
  assertEquals(log, ["in", "missed"]);
});

Deno.test("a channel token that expires is replaced, and what came between is recovered", async () => {
  let n = 0;
  const log: unknown[] = [];
  const { world, chloe, errors } = connected((chloe) => {
    chloe.on("gap", (channel) => log.push(["gap", channel]));
    chloe.subscribe("vip", (data) => log.push(data), { token: () => `ticket ${++n}` });
  });
  await settle();
  world.socket.take();
  world.socket.say({ id: 1, ok: { epoch: "a", offset: 1 } });
  world.socket.say({ channel: "vip", data: 2, offset: 2 });
  world.socket.say({ channel: "vip", unsubscribed: { code: "token_expired", message: "" } });
  await settle();
  assertEquals(world.socket.take(), {
    id: 2,
    subscribe: { channel: "vip", since: { epoch: "a", offset: 2 }, token: "ticket 2" },
  });
  world.socket.say({
    id: 2,
    ok: { epoch: "a", offset: 3, recovered: true, messages: [{ data: 3, offset: 3 }] },
  }, { channel: "vip", data: 4, offset: 4 });
  assertEquals([log, errors, chloe.state], [[2, 3, 4], [], "connected"]);
});

Deno.test("a channel token is replaced before it ends, and nothing is missed meanwhile", async () => {
  let n = 0;
  const log: unknown[] = [];
  const { world, chloe, errors } = connected((chloe) => {
    chloe.on("gap", (channel) => log.push(["gap", channel]));
    chloe.subscribe("vip", (data) => log.push(data), { token: () => `ticket ${++n}` });
  });
  await settle();
  world.socket.take();
  world.socket.say({ id: 1, ok: {} });
  world.socket.say({ channel: "vip", data: 1 }, { channel: "vip", expires: 10 });
  await settle();
  assertEquals(world.socket.take(), {
    id: 2,
    subscribe: { channel: "vip", token: "ticket 2" },
  });
  world.socket.say({ channel: "vip", data: 2 });
  world.socket.say({ id: 2, ok: { recovered: true } }, { channel: "vip", data: 3 });
  assertEquals([log, errors, chloe.state], [[1, 2, 3], [], "connected"]);
});

Deno.test("an expired token that nothing replaces is told as an error, and not asked with in a loop", async () => {
  const { world, errors } = connected((chloe) => {
    chloe.subscribe("vip", () => {}, { token: "old" });
  }, { subscribed: { vip: {} } });
  world.socket.say({ channel: "vip", unsubscribed: { code: "token_expired", message: "old" } });
  world.socket.take();
  world.socket.say({ id: 1, error: { code: "token_expired", message: "old", retry: true } });
  await settle();
  assertEquals(errors.map(({ code, channel }) => [code, channel]), [["token_expired", "vip"]]);
  assertEquals(world.socket.sent, []);
  assertEquals(reconnect(world, ANEW).subscribe, { vip: { token: "old" } });
});

Deno.test("a token function that fails rejects the subscription, and harms no other", async () => {
  const { world, chloe } = connected();
  const refused = chloe.subscribe("vip", () => {}, {
    token() {
      throw new Error("app down");
    },
  });
  chloe.subscribe("news");
  const error = await assertRejects(() => refused, ChloeError, "app down");
  assertEquals([error.code, error.retry, error.channel], ["no_token", true, "vip"]);
  assertEquals(world.socket.sent, [{ id: 1, subscribe: { channel: "news" } }]);
});

Deno.test("a token function that fails later is told as an error, and called again with the next session", async () => {
  let n = 0;
  const { world, errors } = connected((chloe) => {
    chloe.subscribe("vip", () => {}, {
      token: () => ++n === 2 ? Promise.reject("app down") : `ticket ${n}`,
    });
  });
  await settle();
  world.socket.say({ id: 1, ok: {} });
  reconnect(world, ANEW);
  await settle();
  assertEquals(errors.map(({ code, channel }) => [code, channel]), [["no_token", "vip"]]);
  assertEquals(world.socket.sent, []);
  reconnect(world, ANEW);
  await settle();
  assertEquals(world.socket.take(), { id: 1, subscribe: { channel: "vip", token: "ticket 3" } });
});

Deno.test("a token function that gives nothing asks without a token, and Chloe decides", async () => {
  for (const nothing of [null, undefined, ""]) {
    const { world } = connected((chloe) => {
      chloe.subscribe("x", () => {}, { token: () => nothing });
    });
    await settle();
    assertEquals(world.socket.take(), { id: 1, subscribe: { channel: "x" } });
  }
});

Deno.test("a page that leaves while a token is on its way is not put into the channel", async () => {
  const { calls, token } = tickets();
  const { world, chloe } = connected();
  const refused = chloe.subscribe("vip", () => {}, { token });
  await settle();
  chloe.unsubscribe("vip");
  assertEquals((await assertRejects(() => refused, ChloeError)).code, "closed");
  calls[0]![1].settle(undefined, "late");
  await settle();
  const asked = world.socket.sent.filter((frame) => "subscribe" in frame);
  assertEquals(asked, []);
});

Deno.test("a token that comes while there is no connection is asked for again with the next", async () => {
  for (const resumed of [true, false]) {
    const { calls, token } = tickets();
    const { world, chloe } = connected();
    chloe.subscribe("vip", () => {}, { token });
    await settle();
    world.socket.drop();
    calls[0]![1].settle(undefined, "early");
    await settle();
    world.advance(4000);
    world.socket.accept({ ...ANEW, resumed });
    await settle();
    calls[1]![1].settle(undefined, "fresh");
    await settle();
    assertEquals(world.socket.sent, [{ id: 1, subscribe: { channel: "vip", token: "fresh" } }]);
  }
});

Deno.test("a token function that never answers is called again in a new session, and its late answer dropped", async () => {
  const { calls, token } = tickets();
  const { world, chloe } = connected();
  chloe.subscribe("vip", () => {}, { token });
  await settle();
  reconnect(world, ANEW);
  await settle();
  calls[1]![1].settle(undefined, "second");
  await settle();
  calls[0]![1].settle(undefined, "first");
  await settle();
  assertEquals(world.socket.sent, [{ id: 1, subscribe: { channel: "vip", token: "second" } }]);
  assertEquals(chloe.state, "connected");
});

Deno.test("messages from history come in their order, before those of now, and move the position on", () => {
  const log: unknown[] = [];
  const { world } = connected((chloe) => {
    chloe.subscribe("x", (data, { channel, offset }) => log.push([data, channel, offset]));
    chloe.on("gap", (channel, missed) => log.push(["gap", channel, missed]));
  }, { subscribed: { x: { epoch: "a", offset: 1 } } });
  const messages: { data: Json; offset: number }[] = [{ data: "two", offset: 2 }, {
    data: "four",
    offset: 4,
  }];
  reconnect(world, {
    ...ANEW,
    subscribed: { x: { epoch: "a", offset: 4, recovered: true, messages } },
  });
  world.socket.say({ channel: "x", data: "five", offset: 5 });
  world.socket.say({ channel: "x", gap: { missed: 3 } });
  world.socket.say({ channel: "x", data: "nine", offset: 9 });
  assertEquals(log, [
    ["gap", "/all", null],
    ["two", "x", 2],
    ["four", "x", 4],
    ["five", "x", 5],
    ["gap", "x", 3],
    ["nine", "x", 9],
  ]);
  const last = reconnect(world, { ...ANEW, subscribed: {} });
  assertEquals(last.subscribe, { x: { epoch: "a", offset: 9 } });
});
