import { assertEquals, assertRejects } from "@std/assert";
import { FakeBrowser, type FakeSocket, FakeWorld, settle } from "../_testing.ts";
import type { Chloe } from "../chloe.ts";
import { ChloeError } from "../errors.ts";

interface Tab {
  readonly world: FakeWorld;
  readonly chloe: Chloe;
  readonly log: unknown[];
}

async function openTab(browser: FakeBrowser): Promise<Tab> {
  const world = new FakeWorld(browser);
  const chloe = world.chloe({ shareTabs: true });
  const log: unknown[] = [];
  chloe.onmessage((data) => log.push(data));
  chloe.on("error", ({ code }) => log.push(code));
  chloe.connect().catch(() => {});
  await settle();
  return { world, chloe, log };
}

/** Two tabs; the first one leads. */
async function twoTabs() {
  const browser = new FakeBrowser();
  const first = await openTab(browser);
  const { socket } = first.world;
  const connect = socket.accept();
  await settle();
  const second = await openTab(browser);
  return { browser, first, second, socket, connect };
}

/** Takes the commands that came to a socket, each by its id and its only member. */
function commands(socket: FakeSocket): unknown[] {
  return socket.sent.splice(0).map((frame) => [frame.id, Object.values(frame)[1]]);
}

Deno.test("tabs: two of them share one connection and one session", async () => {
  const { first, second, connect } = await twoTabs();
  for (const { chloe } of [first, second]) {
    assertEquals([chloe.state, chloe.transport, chloe.session], ["connected", "tabs", "s1"]);
  }
  assertEquals([first.world.sockets.length, second.world.sockets.length], [1, 0]);
  assertEquals(connect, { client: "chloe.js/source", subscribe: {} });
});

Deno.test("tabs: each hears its own channels, and all hear what is for the session", async () => {
  const { first, second, socket } = await twoTabs();
  const news: unknown[] = [];
  const both: unknown[] = [];
  const subscribed = [
    first.chloe.subscribe("news", (data) => news.push(data)),
    first.chloe.subscribe("both", (data) => both.push(["first", data])),
    second.chloe.subscribe("both", (data) => both.push(["second", data])),
  ];
  await settle();
  assertEquals(commands(socket), [
    [1, { channel: "news" }],
    [2, { channel: "both" }],
    [3, { channel: "both" }],
  ]);
  socket.say({ id: 1, ok: {} }, { id: 2, ok: {} }, { id: 3, ok: {} });
  await settle();
  await Promise.all(subscribed);
  socket.say({ channel: "news", data: 1 }, { channel: "both", data: 2 }, { data: 3 }, {
    channel: "vip",
    data: 4,
  });
  await settle();
  assertEquals([news, both], [[1], [["first", 2], ["second", 2]]]);
  assertEquals([first.log, second.log], [[3, 4], [3, 4]]);

  // The first leaves what the second is still in: Chloe need not know.
  first.chloe.unsubscribe("both");
  first.chloe.unsubscribe("news");
  await settle();
  assertEquals(commands(socket), [[4, { channel: "news" }]]);
  socket.say({ channel: "both", data: 5 }, { channel: "news", data: "late" });
  await settle();
  assertEquals(both.slice(2), [["second", 5]]);
  assertEquals([first.log, second.log], [[3, 4], [3, 4]]);
});

Deno.test("tabs: commands of all are numbered as one, and each tab gets its own answers", async () => {
  const { first, second, socket } = await twoTabs();
  const replies = [first.chloe.send("a"), second.chloe.send("b"), first.chloe.send("c")];
  await settle();
  assertEquals(commands(socket).map((command) => (command as unknown[])[0]), [1, 2, 3]);
  socket.say({ id: 3, ok: { data: "to c" } }, { id: 1, ok: { data: "to a" } }, {
    id: 2,
    error: { code: "busy", message: "later", retry: true },
  });
  await settle();
  assertEquals(await replies[0], "to a");
  assertEquals(await replies[2], "to c");
  const error = await assertRejects(() => replies[1]!, ChloeError);
  assertEquals([error.code, error.retry], ["busy", true]);
});

Deno.test("tabs: when the leading one closes another goes on, with nothing lost or doubled", async () => {
  const { browser, first, second, socket } = await twoTabs();
  const news: unknown[] = [];
  const subscribed = second.chloe.subscribe("news", (data) => news.push(data));
  first.chloe.subscribe("old", () => {});
  await settle();
  socket.say({ id: 1, ok: {} }, { id: 2, ok: {} });
  await settle();
  await subscribed;
  socket.say({ channel: "news", data: 1 });
  await settle();
  const unanswered = second.chloe.send("asked before");
  await settle();
  assertEquals(commands(socket).length, 3);

  browser.kill(first.world);
  const unheard = second.chloe.send("asked meanwhile");
  await settle();
  second.world.advance(100);
  await settle();
  assertEquals(second.chloe.state, "connecting");
  const next = second.world.socket;
  const connect = next.accept({ resumed: true, from: 3, lastId: 3 });
  assertEquals([connect.resume, connect.received], ["s1.secret", 3]);
  await settle();
  assertEquals(second.chloe.state, "connected");
  // The dead tab's channel is left, and what nobody took is asked again.
  assertEquals(commands(next).sort(), [
    [4, { channel: "old" }],
    [5, { data: "asked meanwhile" }],
  ]);
  next.say({ channel: "news", data: 2 }, { id: 3, ok: { data: "once" } }, { id: 4, ok: {} }, {
    id: 5,
    ok: { data: "at last" },
  });
  await settle();
  assertEquals([await unanswered, await unheard, news], ["once", "at last", [1, 2]]);
  assertEquals(second.chloe.session, "s1");
});

Deno.test("tabs: close() of the leading one hands over, and keeps nothing running", async () => {
  const { first, second, socket } = await twoTabs();
  first.chloe.close();
  await settle();
  assertEquals([first.chloe.state, socket.readyState, first.world.timers], ["closed", 3, 0]);
  second.world.advance(100);
  await settle();
  const { resume } = second.world.socket.accept({ resumed: true });
  await settle();
  assertEquals([resume, second.chloe.state], ["s1.secret", "connected"]);
  second.chloe.close();
  await settle();
  assertEquals([second.world.timers, second.world.socket.readyState], [0, 3]);
});

Deno.test("tabs: all of them know when the connection is lost, and what becomes of it", async () => {
  const { first, second, socket } = await twoTabs();
  const lost = second.chloe.send("lost");
  await settle();
  socket.drop();
  await settle();
  assertEquals([first.chloe.state, second.chloe.state], ["waiting", "waiting"]);
  const kept = second.chloe.send("kept");
  first.world.advance(2000);
  await settle();
  first.world.socket.accept({ session: "s2", resume: "s2.secret" });
  await settle();
  assertEquals((await assertRejects(() => lost, ChloeError)).code, "unknown_outcome");
  assertEquals([first.chloe.session, second.chloe.session], ["s2", "s2"]);
  assertEquals(commands(first.world.socket), [[1, { data: "kept" }]]);
  first.world.socket.say({ id: 1, ok: { data: "done" } });
  await settle();
  assertEquals(await kept, "done");
});

Deno.test("tabs: a session that is lost is begun anew with every tab's channels, and gaps are told", async () => {
  const { first, second, socket } = await twoTabs();
  const gaps: unknown[] = [];
  const news: unknown[] = [];
  const subscribed = second.chloe.subscribe("news", (data) => news.push(data));
  second.chloe.on("gap", (channel, missed) => gaps.push([channel, missed]));
  await settle();
  socket.say({ id: 1, ok: {} });
  await settle();
  await subscribed;
  socket.drop();
  first.world.advance(2000);
  await settle();
  const next = first.world.socket;
  next.accept({ session: "s2", resume: "s2.secret" });
  await settle();
  assertEquals(commands(next), [[1, { channel: "news" }]]);
  next.say({ id: 1, ok: {} }, { channel: "news", data: "after" });
  await settle();
  assertEquals([gaps, news], [[["/all", null], ["news", null]], ["after"]]);
});

Deno.test("tabs: a refusal for good closes all of them, with its reason", async () => {
  const { first, second, socket } = await twoTabs();
  socket.say({ bye: { code: 3500, reason: "disconnected by the app", reconnect: false } });
  await settle();
  for (const { chloe } of [first, second]) assertEquals(chloe.state, "closed");
  assertEquals([first.world.timers, second.world.timers], [0, 0]);

  const alone = await openTab(new FakeBrowser());
  const connecting = alone.chloe.connect();
  alone.world.socket.open();
  alone.world.socket.say(
    { error: { code: "connect_refused", message: "not you", retry: false } },
    { bye: { code: 3502, reason: "connect refused", reconnect: false } },
  );
  const error = await assertRejects(() => connecting, ChloeError, "not you");
  assertEquals(error.code, "connect_refused");
});

Deno.test("tabs: a tab that is gone is not in its channels any more", async () => {
  const { browser, second, socket } = await twoTabs();
  second.chloe.subscribe("news", () => {});
  await settle();
  socket.say({ id: 1, ok: {} });
  await settle();
  commands(socket);
  browser.kill(second.world);
  await settle();
  assertEquals(commands(socket), [[2, { channel: "news" }]]);
});

Deno.test("tabs: a leading tab that is frozen is replaced when another one is looked at", async () => {
  const { browser, first, second } = await twoTabs();
  browser.frozen.add(first.world);
  second.world.notice("visibilitychange");
  await settle();
  second.world.advance(3000);
  await settle();
  second.world.advance(100);
  await settle();
  assertEquals(second.world.socket.accept({ resumed: true }).resume, "s1.secret");
  await settle();
  assertEquals(second.chloe.state, "connected");

  // When it thaws it has yet to hear that it was replaced, and follows then.
  browser.frozen.delete(first.world);
  first.world.sockets[0]!.say({ data: "stale" });
  first.world.sockets[0]!.say({
    bye: { code: 3501, reason: "taken over by another transport", reconnect: false },
  });
  await settle();
  assertEquals([second.log, second.chloe.state], [[], "connected"]);
  first.world.notice("visibilitychange");
  await settle();
  assertEquals([first.chloe.state, first.chloe.session], ["connected", "s1"]);
  assertEquals(first.world.sockets.length, 1);
});

Deno.test("tabs: without Web Locks each tab connects by itself", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe({ shareTabs: true });
  const connecting = chloe.connect();
  world.socket.accept();
  await connecting;
  assertEquals(chloe.transport, "websocket");
});

Deno.test("tabs: one that closes and connects again is another one, with its own commands and answers", async () => {
  const { first, second, socket } = await twoTabs();
  for (const { chloe, world } of [second, first]) {
    const old = chloe.send("old").catch(({ code }) => code);
    await settle();
    chloe.close();
    assertEquals(await old, "closed");
    chloe.connect();
    await settle();
    for (const tab of [first, second]) tab.world.advance(100);
    await settle();
    const leading = [second, first].find((tab) => tab.world.sockets.some((s) => s.readyState < 2))!;
    if (leading.world.socket.readyState === 0) {
      leading.world.socket.accept({ resumed: true, from: 1, lastId: 3 });
    }
    await settle();
    assertEquals(chloe.state, "connected");
    const again = chloe.send("new");
    await settle();
    const { id, send } = leading.world.socket.sent.at(-1)!;
    assertEquals(send, { data: "new" });
    leading.world.socket.say({ id, ok: { data: "to the new one" } });
    await settle();
    assertEquals(await again, "to the new one");
    assertEquals(world.reported, []);
    leading.world.socket.sent = [];
  }
  assertEquals(socket.readyState, 3);
});

Deno.test("tabs: one that takes the lead without having heard of the others is heeded by them", async () => {
  const { browser, first, second } = await twoTabs();
  browser.frozen.add(first.world).add(second.world);
  const third = await openTab(browser);
  third.world.sleep(10_000);
  third.world.advance(3000);
  await settle();
  third.world.socket.accept({ session: "s2", resume: "s2.secret" });
  await settle();
  assertEquals(third.chloe.session, "s2");
  browser.frozen.clear();
  second.world.notice("visibilitychange");
  await settle();
  third.chloe.channel("x").subscribe();
  await settle();
  assertEquals([second.chloe.session, second.chloe.state], ["s2", "connected"]);
});

Deno.test("tabs: close() before connect(), a token that fails, and locks that are refused", async () => {
  const browser = new FakeBrowser();
  const idle = new FakeWorld(browser).chloe({ shareTabs: true });
  idle.close();
  assertEquals(idle.state, "closed");

  const world = new FakeWorld(browser);
  const chloe = world.chloe({ shareTabs: true, token: () => Promise.reject(new Error("no")) });
  const errors: unknown[] = [];
  chloe.on("error", ({ code }) => errors.push(code));
  chloe.connect();
  await settle();
  assertEquals(errors, ["no_token"]);
  chloe.close();

  const refused = new FakeWorld(browser);
  const locks = { request: () => Promise.reject(new Error("SecurityError")) };
  Object.assign(refused.environment, { locks });
  const connecting = refused.chloe({ shareTabs: true }).connect();
  await assertRejects(() => connecting, ChloeError, "locks");
});

Deno.test("tabs: each hears who is in its channels, and brings its own token when one has expired", async () => {
  const { first, second, socket } = await twoTabs();
  for (const [name, { chloe, log }] of Object.entries({ first, second })) {
    let n = 0;
    chloe.subscribe("chat", undefined, {
      token: () => `${name} ${++n}`,
      presence: ({ count, join }) => log.push(count || join),
    });
  }
  await settle();
  assertEquals(commands(socket), [
    [1, { channel: "chat", token: "first 1" }],
    [2, { channel: "chat", token: "second 1" }],
  ]);
  const member = { session: "s9", user: "bob" };
  socket.say({ id: 1, ok: { presence: { count: 7 } } }, { id: 2, ok: { presence: { count: 8 } } });
  socket.say({ channel: "chat", join: [member] });
  await settle();
  assertEquals([first.log, second.log], [[7, [member]], [8, [member]]]);

  socket.say({ channel: "chat", unsubscribed: { code: "token_expired", message: "" } });
  await settle();
  const again = commands(socket).map((command) => (command as unknown[])[1]);
  assertEquals(
    new Set(again),
    new Set([
      { channel: "chat", token: "first 2" },
      { channel: "chat", token: "second 2" },
    ]),
  );
  assertEquals([first.log.length, second.log.length], [2, 2]);
});

Deno.test("tabs: the leading one renews the token, and leaves the session to the next when it closes", async () => {
  const browser = new FakeBrowser();
  const world = new FakeWorld(browser);
  const chloe = world.chloe({ shareTabs: true, token: () => "token" });
  chloe.connect();
  await settle();
  const { socket } = world;
  socket.accept({ expires: 10 });
  await settle();
  const second = await openTab(browser);
  world.advance(8000);
  socket.say({});
  await settle();
  assertEquals(commands(socket), [[undefined, undefined], [1, { token: "token" }]]);
  socket.say({ id: 1, ok: {} });
  const reply = second.chloe.send("x");
  await settle();
  assertEquals(commands(socket), [[2, { data: "x" }]]);

  chloe.close();
  await settle();
  assertEquals([socket.readyState, socket.closedWith], [3, 3000]);
  second.world.advance(1000);
  await settle();
  const connect = second.world.socket.accept({ resumed: true, from: 1, lastId: 2 });
  assertEquals([connect.resume, connect.received], ["s1.secret", 1]);
  second.world.socket.say({ id: 2, ok: { data: "heard" } });
  assertEquals(await reply, "heard");
});

Deno.test("tabs: in a new session each recovers a channel's history for itself, once and in order", async () => {
  const { first, second, socket } = await twoTabs();
  for (const { chloe, log } of [first, second]) {
    chloe.subscribe("news", (data) => log.push(data));
  }
  await settle();
  const position = { epoch: "a", offset: 1 };
  socket.say({ id: 1, ok: position }, { id: 2, ok: position });
  await settle();
  socket.drop();
  first.world.advance(4000);
  first.world.socket.accept({ session: "s2", resume: "s2.secret" });
  await settle();
  const { socket: next } = first.world;
  assertEquals(commands(next), [
    [1, { channel: "news", since: position }],
    [2, { channel: "news", since: position }],
  ]);
  const messages = [{ data: 2, offset: 2 }, { data: 3, offset: 3 }];
  next.say(
    { id: 1, ok: { epoch: "a", offset: 2, recovered: true, messages: messages.slice(0, 1) } },
    // Between the two answers: the second tab gets it with its own.
    { channel: "news", ...messages[1] },
    { id: 2, ok: { epoch: "a", offset: 3, recovered: true, messages } },
    { channel: "news", data: 4, offset: 4 },
  );
  await settle();
  assertEquals([first.log, second.log], [[2, 3, 4], [2, 3, 4]]);
});
