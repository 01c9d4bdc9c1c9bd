import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectedFrame, FakeWorld, settle } from "./_testing.ts";
import { ChloeError } from "./errors.ts";

Deno.test("connect() says hello and resolves when Chloe has answered", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe({ token: "t" });
  const log: unknown[] = [];
  chloe.on("state", (state) => log.push(state));
  const connecting = chloe.connect(() => log.push("callback"));
  assertEquals(world.socket.url, "ws://chloe.test/chloe/ws");
  const connect = world.socket.accept();
  await connecting;
  assertEquals(connect, { token: "t", client: "chloe.js/source", subscribe: {} });
  assertEquals(log, ["connecting", "connected", "callback"]);
  assertEquals([chloe.state, chloe.transport, chloe.session], ["connected", "websocket", "s1"]);
  await chloe.connect(() => log.push("again"));
  assertEquals(log.at(-1), "again");
  assertEquals(world.sockets.length, 1);
});

Deno.test("send() resolves with the app's reply, and rejects with a coded error", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  const replies = [chloe.send({ n: 1 }), chloe.send("two"), chloe.send(null)];
  assertEquals(world.socket.sent, [
    { id: 1, send: { data: { n: 1 } } },
    { id: 2, send: { data: "two" } },
    { id: 3, send: { data: null } },
  ]);
  world.socket.say(
    { id: 2, error: { code: "busy", message: "later", retry: true } },
    { id: 1, ok: { data: [1] } },
    { id: 3, ok: {} },
  );
  assertEquals(await replies[0], [1]);
  const error = await assertRejects(() => replies[1]!, ChloeError, "later");
  assertEquals([error.code, error.retry], ["busy", true]);
  assertEquals(await replies[2], undefined);
});

Deno.test("send() waits for the connection, up to a bound", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const early = chloe.send("early");
  const refusals: ChloeError[] = [];
  let kept = 1;
  for (; refusals.length === 0; kept++) {
    chloe.send("x".repeat(1000)).catch((error) => refusals.push(error));
    await settle();
  }
  assertEquals([refusals[0]!.code, refusals[0]!.retry], ["queue_full", true]);
  assert(kept > 1000 && kept < 5000);
  chloe.connect();
  world.socket.accept();
  assertEquals(world.socket.sent.length, kept - 1);
  world.socket.say({ id: 1, ok: { data: "heard" } });
  assertEquals(await early, "heard");
});

Deno.test("send() throws on what JSON cannot say", () => {
  const chloe = new FakeWorld().chloe();
  for (const data of [undefined, () => {}, Symbol("x"), 1n]) {
    assertThrows(() => chloe.send(data), TypeError);
  }
});

Deno.test("messages go to their channel's handlers, all others to onmessage", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data, { channel }) => log.push(["message", data, channel]));
  chloe.subscribe("/all", (data) => log.push(["all", data]));
  chloe.connect();
  world.socket.accept();
  const subscribed = chloe.subscribe("/news", (data) => log.push(["news", data]));
  assertEquals(world.socket.take(), { id: 1, subscribe: { channel: "news" } });
  world.socket.say({ id: 1, ok: {} }, { channel: "news", data: 1 }, { data: 2 }, {
    channel: "vip",
    data: 3,
  });
  world.socket.say({ channel: "/all", data: 4 });
  await subscribed;
  assertEquals(log, [["news", 1], ["message", 2, undefined], ["message", 3, "vip"], ["all", 4]]);
});

Deno.test("a handler that throws is reported and stops no other", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  const fault = new Error("fault of the page");
  const faulty = () => {
    throw fault;
  };
  chloe.subscribe("x", faulty);
  chloe.subscribe("x", (data) => log.push(data));
  chloe.onmessage(faulty);
  chloe.onmessage((data) => log.push(data));
  chloe.connect(faulty);
  world.socket.accept({ subscribed: { x: {} } });
  world.socket.say({ channel: "x", data: 1 }, { data: 2 });
  assertEquals(log, [1, 2]);
  await settle();
  assertEquals(world.reported, [fault, fault, fault]);
});

Deno.test("subscribe() before connect goes with the connect frame", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const yes = chloe.subscribe("yes", () => {});
  const no = chloe.subscribe("no", () => {});
  chloe.connect();
  const connect = world.socket.accept({
    subscribed: { yes: {}, no: { error: { code: "forbidden", message: "no", retry: false } } },
  });
  assertEquals(connect.subscribe, { yes: {}, no: {} });
  await yes;
  const error = await assertRejects(() => no, ChloeError);
  assertEquals([error.code, error.channel], ["forbidden", "no"]);
  assertEquals(world.socket.sent, []);
});

Deno.test("subscribe() asks once for two handlers; unsubscribe() leaves with the last one", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  const log: unknown[] = [];
  const first = (data: unknown) => log.push(["first", data]);
  chloe.subscribe("x", first);
  chloe.subscribe("x", (data) => log.push(["second", data]));
  world.socket.say({ id: 1, ok: {} }, { channel: "x", data: 1 });
  chloe.unsubscribe("x", first);
  world.socket.say({ channel: "x", data: 2 });
  chloe.unsubscribe("/x");
  assertEquals(log, [["first", 1], ["second", 1], ["second", 2]]);
  assertEquals(world.socket.sent, [
    { id: 1, subscribe: { channel: "x" } },
    { id: 2, unsubscribe: { channel: "x" } },
  ]);
});

Deno.test("what was on its way when the page left a channel is for nobody", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(["message", data]));
  chloe.subscribe("x", () => {});
  chloe.connect();
  world.socket.accept({ subscribed: { x: {} } });
  chloe.unsubscribe("x");
  world.socket.say({ channel: "x", data: 1 });
  chloe.subscribe("x", (data) => log.push(["x", data]));
  world.socket.say({ id: 1, ok: {} }, { id: 2, ok: {} }, { channel: "x", data: 2 });
  chloe.unsubscribe("x");
  world.socket.say({ id: 3, ok: {} }, { channel: "x", data: "by the app's will" });
  assertEquals(log, [["x", 2], ["message", "by the app's will"]]);
  assertEquals(world.socket.sent, [
    { id: 1, unsubscribe: { channel: "x" } },
    { id: 2, subscribe: { channel: "x" } },
    { id: 3, unsubscribe: { channel: "x" } },
  ]);
});

Deno.test("channels that the app put the session into are left alone", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept({ subscribed: { granted: {} } });
  chloe.subscribe("x", () => {});
  assertEquals(world.socket.sent, [{ id: 1, subscribe: { channel: "x" } }]);
});

Deno.test("a subscription that Chloe ends is told as an error, or reported where nobody listens", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.subscribe("x", () => {});
  chloe.subscribe("y", () => {});
  chloe.connect();
  world.socket.accept({ subscribed: { x: {}, y: {} } });
  world.socket.say({ channel: "x", unsubscribed: { code: "revoked", message: "go" } });
  assertEquals((world.reported[0] as ChloeError).channel, "x");
  const errors: ChloeError[] = [];
  chloe.on("error", (error) => errors.push(error));
  world.socket.say({ channel: "y", unsubscribed: { code: "revoked", message: "go" } });
  assertEquals(errors.map(({ code, channel }) => `${code} ${channel}`), ["revoked y"]);
  world.socket.drop();
  world.advance(2000);
  assertEquals(world.socket.accept().subscribe, {});
});

Deno.test("more subscriptions than fit a line are asked for after connected", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const names = Array.from({ length: 500 }, (_, n) => `${n}${"é".repeat(190)}`);
  for (const name of names) chloe.subscribe(name, () => {});
  chloe.connect();
  world.socket.open();
  const { connect } = world.socket.take() as { connect: { subscribe: Record<string, never> } };
  const named = Object.keys(connect.subscribe);
  assert(JSON.stringify({ connect }).length < 16_384 && named.length > 10);
  world.socket.say({ connected: connectedFrame({ subscribed: connect.subscribe }) });
  assertEquals(world.socket.sent.length, 500 - named.length);
});

Deno.test("gap and recovered:false are told as gaps", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.on("gap", (channel, missed) => log.push([channel, missed]));
  chloe.subscribe("x", (data) => log.push(data));
  chloe.connect();
  world.socket.accept({ subscribed: { x: { epoch: "a", offset: 4 } } });
  world.socket.say({ channel: "x", data: "five", offset: 5 }, { channel: "x", gap: { missed: 2 } });
  world.socket.drop();
  world.advance(2000);
  const connect = world.socket.accept({
    subscribed: {
      x: { epoch: "a", offset: 6, recovered: true, messages: [{ data: "six", offset: 6 }] },
    },
  });
  assertEquals(connect.subscribe, { x: { epoch: "a", offset: 5 } });
  world.socket.drop();
  world.advance(4000);
  world.socket.accept({ subscribed: { x: { epoch: "b", offset: 0, recovered: false } } });
  assertEquals(log, ["five", ["x", 2], ["/all", null], "six", ["/all", null], ["x", null]]);
});

Deno.test("close() ends it: what waits fails as closed, and nothing runs on", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const closings: unknown[] = [];
  chloe.onclose((why) => closings.push(why));
  chloe.connect();
  world.socket.accept();
  const pending = chloe.send(1);
  chloe.subscribe("x", () => {}); // dropped with the connection: must not be an unhandled rejection
  chloe.close();
  chloe.close();
  const error = await assertRejects(() => pending, ChloeError);
  assertEquals(error.code, "closed");
  assertEquals(closings, [{ code: 1000, reason: "close()" }]);
  assertEquals([world.socket.readyState, world.timers, chloe.transport, chloe.session], [
    3,
    0,
    null,
    null,
  ]);
  assertEquals((await assertRejects(() => chloe.send(2), ChloeError)).code, "closed");
});

Deno.test("connect() after close() opens another session with the subscriptions that were", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.subscribe("x", () => {});
  chloe.connect();
  world.socket.accept({ subscribed: { x: {} } });
  chloe.close();
  chloe.connect();
  const connect = world.socket.accept({ session: "s2", subscribed: { x: {} } });
  assertEquals(connect, { client: "chloe.js/source", subscribe: { x: {} } });
  assertEquals(chloe.session, "s2");
});

Deno.test("a page that closes while frames are read hears no more of them", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data) => {
    log.push(data);
    chloe.close();
  });
  chloe.connect();
  world.socket.accept();
  world.socket.say({ data: 1 }, { data: 2 });
  assertEquals(log, [1]);
});

Deno.test("promises that nobody looks at are no unhandled rejections where it is nobody's mistake", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  chloe.send("lost");
  chloe.subscribe("x", () => {});
  chloe.channel("x").publish("lost");
  world.socket.say({ id: 1, error: { code: "busy", message: "later", retry: true } });
  world.socket.drop();
  world.advance(2000);
  world.socket.accept({ session: "s2", resume: "s2.secret" });
  chloe.send("closed");
  chloe.channel("y").subscribe();
  world.socket.drop();
  chloe.close();
  chloe.send("too late");
  await settle();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(chloe.state, "closed");
});

Deno.test("a channel that is left and asked for again while the transport is lost is asked for anew", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.connect();
  world.socket.accept();
  const first = chloe.subscribe("x", () => {});
  world.socket.say({ id: 1, ok: {} });
  await first;
  world.socket.drop();
  chloe.unsubscribe("x");
  const second = chloe.subscribe("x", (data) => log.push(data));
  world.advance(2000);
  world.socket.accept({ resumed: true, from: 1, lastId: 1 });
  assertEquals(world.socket.sent, [
    { id: 2, unsubscribe: { channel: "x" } },
    { id: 3, subscribe: { channel: "x" } },
  ]);
  world.socket.say({ id: 2, ok: {} }, { id: 3, ok: {} }, { channel: "x", data: 1 });
  await second;
  assertEquals(log, [1]);
});

Deno.test("what was on its way is for nobody, however often the page came and went", () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  chloe.connect();
  world.socket.accept();
  for (let n = 0; n < 2; n++) {
    chloe.subscribe("x", () => {});
    chloe.unsubscribe("x");
  }
  assertEquals(world.socket.sent.length, 4);
  world.socket.say({ id: 1, ok: {} }, { channel: "x", data: 1 }, { id: 2, ok: {} });
  world.socket.say({ id: 3, ok: {} }, { channel: "x", data: 2 }, { id: 4, ok: {} });
  assertEquals(log, []);
});

Deno.test("a channel without a handler is the business of onmessage", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.onmessage((data, { channel }) => log.push([channel, data]));
  chloe.connect();
  world.socket.accept();
  const subscribed = chloe.channel("x").subscribe();
  world.socket.say({ id: 1, ok: {} }, { channel: "x", data: 1 });
  await subscribed;
  assertEquals(log, [["x", 1]]);
});
