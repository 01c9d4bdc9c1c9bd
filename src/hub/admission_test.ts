import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { FakeTransport } from "../../tests/support/fake_transport.ts";
import { HubRig, push, type RigOptions, rulesOf } from "../../tests/support/hub_rig.ts";
import { subscribeAll } from "./admission.ts";
import {
  applyToken,
  type CommandContext,
  type Permission,
  takeLine,
  type TokenVerifier,
  type Uplink,
  type Verified,
} from "./commands.ts";
import type { ChannelClaims, ConnectionClaims } from "../protocol/claims.ts";
import type { HubListener } from "./hub_options.ts";
import type { ChannelRule } from "./rules.ts";
import type { Session } from "./session.ts";

function contextOf({ hub }: HubRig): CommandContext {
  return {
    hub,
    uplink: null,
    tokens: null,
    maxBytes: 1000,
    messageBytes: 500,
    draining: false,
  };
}

/** Subscribes where nobody has to be asked. */
function subscribed(rig: HubRig, session: Session, channels: Record<string, object>) {
  let text = "";
  subscribeAll(contextOf(rig), session, channels, { resumed: false }, (members) => {
    text = `{${members.join()}}`;
  });
  return JSON.parse(text);
}

/** An app that answers when the test says so. */
class FakeApp implements Uplink {
  readonly asked: { channel: string; info?: string; answer: (permission: Permission) => void }[] =
    [];

  message(): void {}

  subscribe(
    _source: Session,
    asked: { readonly channel: string; readonly info?: string },
    answer: (permission: Permission) => void,
  ): void {
    this.asked.push({ ...asked, answer });
  }
}

/** Keys that say of a token what the test says. Once awaited, an answer has had its effect. */
class FakeTokens implements TokenVerifier {
  readonly asked: {
    token: string;
    channel?: string;
    user?: string | null;
    answer(verified: Verified<unknown>): Promise<unknown>;
  }[] = [];

  connection(token: string): Promise<Verified<ConnectionClaims>> {
    return this.#ask({ token });
  }

  channel(
    token: string,
    who: { channel: string; user: string | null },
  ): Promise<Verified<ChannelClaims>> {
    return this.#ask({ token, ...who });
  }

  #ask<Claims>(question: { token: string }): Promise<Verified<Claims>> {
    const { promise, resolve } = Promise.withResolvers<Verified<Claims>>();
    this.asked.push({
      ...question,
      answer(verified) {
        resolve(verified as Verified<Claims>);
        return promise;
      },
    });
    return promise;
  }
}

/** Notes what it is told. */
class Listener implements HubListener {
  readonly told: string[] = [];
  subscribed = (_: Session, channel: string) => void this.told.push(`subscribed ${channel}`);
  unsubscribed = (_: Session, channel: string, why: string) =>
    void this.told.push(`unsubscribed ${channel} ${why}`);
  ended = () => void this.told.push("ended");
  occupied = () => {};
  vacated = () => {};
}

/** One session, and whom Chloe asks about it. */
class Desk {
  readonly rig: HubRig;
  readonly app = new FakeApp();
  readonly tokens = new FakeTokens();
  readonly listener = new Listener();
  readonly context: CommandContext;
  readonly session: Session;
  readonly transport: FakeTransport;
  #seen = 0;
  #id = 0;

  constructor(
    rule: Partial<ChannelRule> | ((name: string) => Partial<ChannelRule>),
    options: RigOptions & { user?: string; tokenUser?: string | null } = {},
  ) {
    const rules = rulesOf(typeof rule === "function" ? rule : () => rule);
    this.rig = new HubRig({ rules, listener: this.listener, ...options });
    this.context = {
      hub: this.rig.hub,
      uplink: this.app,
      tokens: this.tokens,
      maxBytes: 65_536,
      messageBytes: 65_536,
      draining: false,
    };
    ({ session: this.session, transport: this.transport } = this.rig.open([], {
      user: options.user ?? null,
      tokenUser: options.tokenUser === undefined ? options.user ?? null : options.tokenUser,
    }));
  }

  get user(): string | null {
    return this.session.user;
  }

  /** Takes commands, numbered from 1 on, in one turn. @returns What came. */
  // deno-lint-ignore no-explicit-any
  take(...commands: object[]): any[] {
    for (const command of commands) {
      takeLine(this.context, this.session, JSON.stringify({ id: ++this.#id, ...command }));
    }
    return this.answers();
  }

  /** What came since the last call. */
  // deno-lint-ignore no-explicit-any
  answers(): any[] {
    this.rig.endTurn();
    const frames = this.transport.frames.slice(this.#seen);
    this.#seen = this.transport.frames.length;
    return frames.map((frame) => JSON.parse(frame));
  }

  /** The same, in short: the codes of errors, the ids of answers, else the data. */
  get codes(): unknown[] {
    return this.answers().map(({ id, ok, error, data, unsubscribed }) =>
      error?.code ?? unsubscribed?.code ?? (ok ? id : data)
    );
  }
}

const subscribe = (channel: string, more: object = {}) => ({ subscribe: { channel, ...more } });
const unsubscribe = (channel: string) => ({ unsubscribe: { channel } });

// connect.subscribe

Deno.test("subscribeAll() says of every channel how it went", () => {
  const rig = new HubRig();
  const { session } = rig.open();
  const channels = JSON.parse(
    '{"news":{},"/chat":{"epoch":"a","offset":1},"":{},"/all":{},"__proto__":{}}',
  );
  const result = subscribed(rig, session, channels);
  assertEquals(Object.keys(result).sort(), ["", "/all", "/chat", "__proto__", "news"]);
  assertEquals([result.news, result["/chat"]], [{}, { recovered: false }]);
  assertEquals([result[""].error.code, result["/all"].error.code], ["bad_channel", "bad_channel"]);
  assertEquals([...session.groups.keys()], ["news", "chat", "__proto__"]);
});

Deno.test("subscribeAll() takes two spellings of one channel for one subscription", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open();
  subscribed(rig, session, { "pumpkin": {}, "/pumpkin": {} });
  assertEquals(rig.publish("pumpkin", 1), 1);
  rig.endTurn();
  assertEquals(transport.frames, [push("pumpkin", 1)]);
});

Deno.test("subscribeAll() recovers up to 1 MiB in all, and no channel in part", () => {
  const rig = new HubRig({ rules: rulesOf(() => ({ history: { size: 10, ttlMs: 60_000 } })) });
  const names = Array.from({ length: 12 }, (_, n) => `c${n}`);
  const data = "x".repeat(100_000);
  for (const name of names) rig.publish(name, data);
  const { session } = rig.open();
  const epoch = rig.hub.histories.get("c0")!.epoch;
  const since = Object.fromEntries(names.map((name) => [name, { epoch, offset: 0 }]));
  const result = subscribed(rig, session, since);
  const recovered = names.filter((name) => result[name].recovered);
  assertEquals([recovered.length, result.c0.messages.length, result.c11.messages], [
    10,
    1,
    undefined,
  ]);
  assertEquals(result.c11.offset, 1);
});

Deno.test("subscribeAll() says once all are answered, and of each its own", async () => {
  const desk = new Desk((name) => ({ authorize: name as ChannelRule["authorize"] }));
  let members: readonly string[] | null = null;
  const asked = { open: {}, app: {}, token: { token: "t" }, closed: {} };
  subscribeAll(desk.context, desk.session, asked, { resumed: false }, (all) => members = all);
  assertEquals(members, null);
  desk.app.asked[0]!.answer({ ok: true });
  assertEquals(members, null);
  await desk.tokens.asked[0]!.answer({ ok: false, code: "bad_token", message: "no" });
  const result = JSON.parse(`{${members!}}`);
  assertEquals([result.open, result.app, result.token.error.code, result.closed.error.code], [
    {},
    {},
    "bad_token",
    "forbidden",
  ]);
});

Deno.test("subscribeAll() recovers nothing of a channel that a resumed session is in", () => {
  const rig = new HubRig({ rules: rulesOf(() => ({ history: { size: 10, ttlMs: 60_000 } })) });
  const { session } = rig.open(["in"]);
  for (const name of ["in", "out"]) rig.publish(name, 1);
  const since = { epoch: rig.hub.positionOf("in")!.epoch, offset: 0 };
  let text = "";
  subscribeAll(contextOf(rig), session, { in: since, out: since }, { resumed: true }, (members) => {
    text = `{${members.join()}}`;
  });
  const result = JSON.parse(text);
  assertEquals([result.in, result.out.recovered, result.out.messages.length], [{}, true, 1]);
});

// Recovery and what is pushed

const REMEMBERS = { history: { size: 100, ttlMs: 60_000 } } as const;

Deno.test("subscribe gives what was published before it in the answer, and the rest as pushes", () => {
  const desk = new Desk(REMEMBERS);
  const { rig } = desk;
  const { transport: old } = rig.open(["news"]);
  rig.publish("news", 1);
  const { epoch } = rig.hub.positionOf("news")!;
  rig.publish("news", 2);
  takeLine(
    desk.context,
    desk.session,
    JSON.stringify({ id: 1, ...subscribe("news", { since: { epoch, offset: 1 } }) }),
  );
  rig.publish("news", 3);
  assertEquals(desk.answers(), [
    { id: 1, ok: { epoch, offset: 2, recovered: true, messages: [{ data: 2, offset: 2 }] } },
    { channel: "news", data: 3, offset: 3 },
  ]);
  assertEquals(old.data, [1, 2, 3]);
});

Deno.test("subscribe gives each message once to a page that leaves and comes back, all in one turn", () => {
  const desk = new Desk(REMEMBERS);
  const { rig } = desk;
  desk.take(subscribe("news"));
  const { epoch } = rig.hub.positionOf("news")!;
  rig.publish("news", 1);
  takeLine(desk.context, desk.session, '{"id":2,"unsubscribe":{"channel":"news"}}');
  rig.publish("news", 2);
  const back = { id: 3, ...subscribe("news", { since: { epoch, offset: 1 } }) };
  takeLine(desk.context, desk.session, JSON.stringify(back));
  rig.publish("news", 3);
  assertEquals(desk.answers(), [
    { channel: "news", data: 1, offset: 1 },
    { id: 2, ok: {} },
    { id: 3, ok: { epoch, offset: 2, recovered: true, messages: [{ data: 2, offset: 2 }] } },
    { channel: "news", data: 3, offset: 3 },
  ]);
});

Deno.test("subscribe recovers no more than 128 KiB", () => {
  const desk = new Desk(REMEMBERS);
  const { rig } = desk;
  desk.take(subscribe("news"));
  const since = { ...rig.hub.positionOf("news")! };
  desk.take(unsubscribe("news"));
  for (let n = 0; n < 3; n++) rig.publish("news", "x".repeat(50_000));
  const [answer] = desk.take(subscribe("news", { since }));
  assertEquals(answer.ok, { epoch: since.epoch, offset: 3, recovered: false });
  const [again] = desk.take(subscribe("news", { since: { ...since, offset: 1 } }));
  assertEquals([again.ok.recovered, again.ok.messages.length], [true, 2]);
});

Deno.test("subscribe without a position says where the channel stands, and no more", () => {
  const desk = new Desk(REMEMBERS);
  desk.rig.publish("news", 1);
  const [answer] = desk.take(subscribe("news"));
  assertEquals(answer.ok, { epoch: desk.rig.hub.positionOf("news")!.epoch, offset: 1 });
});

// What a page says of itself

Deno.test("subscribe takes info of 1 KiB as JSON text, and no more", () => {
  const desk = new Desk({ presence: { names: 10 } });
  const [ok] = desk.take(subscribe("room", { info: "x".repeat(1022) }));
  assertEquals(ok.ok.presence.members[0].info.length, 1022);
  for (const info of ["x".repeat(1023), "€".repeat(341), ["[".repeat(1030)]]) {
    const [{ error }] = desk.take(subscribe("other", { info }));
    assertEquals(error.code, "too_large");
    assertStringIncludes(error.message, "info");
  }
  assertEquals([...desk.session.groups.keys()], ["room"]);
  assertEquals(desk.rig.hub.counters.subscriptionsRefused, 3);
});

// By token

const TOKEN_RULE = { authorize: "token", presence: { names: 10 } } as const;

Deno.test("subscribe with a good token lets in, says what the token says, and until when", async () => {
  const desk = new Desk(TOKEN_RULE, { user: "ann", timeOfDay: () => 5000 });
  assertEquals(desk.take(subscribe("vip", { token: "t", info: "mine" })), []);
  const [{ token, channel, user, answer }] = desk.tokens.asked as [typeof desk.tokens.asked[0]];
  assertEquals([token, channel, user], ["t", "vip", "ann"]);
  await answer({ ok: true, claims: { info: '"theirs"', expiresAtMs: 15_000 } });
  const [reply] = desk.answers();
  assertEquals(reply.ok.presence.members, [
    { session: desk.session.id, user: "ann", info: "theirs" },
  ]);
  assertEquals(desk.rig.hub.grantedUntil(desk.session, "vip"), desk.rig.hub.now() + 10_000);
  desk.rig.pass(9000);
  assertEquals(desk.answers(), [{ channel: "vip", expires: 5 }]);
  desk.rig.pass(1000);
  assertEquals(desk.codes, ["token_expired"]);
  assertEquals(desk.listener.told, ["subscribed vip", "unsubscribed vip token_expired"]);
  assertEquals(desk.rig.hub.counters.grantsEnded, 1);
});

Deno.test("subscribe with a token that says nothing of the page leaves it its own words", async () => {
  const desk = new Desk(TOKEN_RULE);
  desk.take(subscribe("vip", { token: "t", info: "mine" }));
  await desk.tokens.asked[0]!.answer({ ok: true, claims: { info: null, expiresAtMs: null } });
  assertEquals(desk.answers()[0].ok.presence.members[0].info, "mine");
  assertEquals(desk.rig.hub.grantedUntil(desk.session, "vip"), null);
});

Deno.test("subscribe with a bad token is refused in the verifier's words", async () => {
  const desk = new Desk(TOKEN_RULE);
  desk.take(subscribe("vip", { token: "t" }));
  await desk.tokens.asked[0]!.answer({ ok: false, code: "token_expired", message: "too late" });
  const [{ error }] = desk.answers();
  assertEquals(error, { code: "token_expired", message: "too late", retry: true });
  assertEquals(desk.rig.hub.channels.size, 0);
});

Deno.test("subscribe without a token, or where no keys are configured, says what to do", () => {
  const desk = new Desk(TOKEN_RULE);
  const [{ error }] = desk.take(subscribe("vip"));
  assertEquals(error.code, "forbidden");
  assertStringIncludes(error.message, "token");
  const without = { ...desk.context, tokens: null };
  const line = JSON.stringify({ id: 2, ...subscribe("vip", { token: "t" }) });
  takeLine(without, desk.session, line);
  assertEquals(desk.codes, ["forbidden"]);
});

Deno.test("subscribe with a new token lets a page stay on", async () => {
  const desk = new Desk(TOKEN_RULE, { timeOfDay: () => 0 });
  for (const expiresAtMs of [5000, 20_000]) {
    desk.take(subscribe("vip", { token: "t" }));
    await desk.tokens.asked.at(-1)!.answer({ ok: true, claims: { info: null, expiresAtMs } });
    assertEquals(desk.answers()[0].ok.presence.count, 1);
  }
  desk.rig.pass(19_000);
  assertEquals(desk.answers(), [{ channel: "vip", expires: 10 }]);
  desk.rig.pass(1000);
  assertEquals(desk.codes, ["token_expired"]);
});

Deno.test("subscribe with a new token is answered as one that missed nothing, and nobody hears of it", async () => {
  const desk = new Desk(TOKEN_RULE, { timeOfDay: () => 0 });
  const recovered: unknown[] = [];
  for (const expiresAtMs of [5000, 5000, 20_000]) {
    desk.take(subscribe("vip", { token: "t" }));
    await desk.tokens.asked.at(-1)!.answer({ ok: true, claims: { info: null, expiresAtMs } });
    recovered.push(desk.answers().find(({ ok }) => ok).ok.recovered);
  }
  assertEquals(recovered, [undefined, true, true]);
  assertEquals(desk.listener.told, ["subscribed vip"]);
});

Deno.test("subscribe with the same token once more is not told of its end once more", async () => {
  const desk = new Desk(TOKEN_RULE);
  const { hub } = desk.rig;
  const expiresAtMs = hub.timeOfDayAt(hub.now()) + 8000;
  const show = async () => {
    desk.take(subscribe("vip", { token: "t" }));
    await desk.tokens.asked.at(-1)!.answer({ ok: true, claims: { info: null, expiresAtMs } });
    desk.answers();
  };
  await show();
  desk.rig.pass(5000);
  assertEquals(desk.answers(), [{ channel: "vip", expires: 4 }]);
  await show();
  desk.rig.pass(2000);
  assertEquals(desk.answers(), []);
  desk.rig.pass(1000);
  assertEquals(desk.codes, ["token_expired"]);
});

Deno.test("subscribe with a token that never ends lets a page stay for good", async () => {
  const desk = new Desk(TOKEN_RULE, { timeOfDay: () => 0 });
  for (const expiresAtMs of [5000, null]) {
    desk.take(subscribe("vip", { token: "t" }));
    await desk.tokens.asked.at(-1)!.answer({ ok: true, claims: { info: null, expiresAtMs } });
  }
  desk.rig.pass(10_000);
  assertEquals(desk.session.groups.has("vip"), true);
});

Deno.test("subscribe with a bad token leaves in who is in", async () => {
  const desk = new Desk(TOKEN_RULE);
  desk.rig.hub.subscribe(desk.session, "vip");
  desk.take(subscribe("vip", { token: "t" }), subscribe("vip"));
  await desk.tokens.asked[0]!.answer({ ok: false, code: "bad_token", message: "no" });
  assertEquals(desk.session.groups.has("vip"), true);
});

Deno.test("What a token granted ends with the channel's leaving, and does not end the next stay", async () => {
  const desk = new Desk(TOKEN_RULE, { timeOfDay: () => 0 });
  desk.take(subscribe("vip", { token: "t" }));
  await desk.tokens.asked[0]!.answer({ ok: true, claims: { info: null, expiresAtMs: 5000 } });
  desk.take(unsubscribe("vip"));
  assertEquals([desk.rig.hub.wheel.size, desk.session.grants!.size], [1, 0]);
  desk.rig.hub.subscribe(desk.session, "vip");
  desk.rig.pass(10_000);
  assertEquals(desk.session.groups.has("vip"), true);
});

Deno.test("What a token granted leaves nothing behind when its session ends", async () => {
  const desk = new Desk(TOKEN_RULE, { timeOfDay: () => 0 });
  desk.take(subscribe("vip", { token: "t" }));
  await desk.tokens.asked[0]!.answer({ ok: true, claims: { info: null, expiresAtMs: 5000 } });
  desk.rig.hub.endTokenAt(desk.session, desk.rig.hub.now() + 9000);
  desk.session.end(null);
  desk.rig.endTurn();
  assertEquals([desk.rig.hub.wheel.size, desk.rig.scheduled], [0, 0]);
});

Deno.test("subscribe with a token that has ended since it was checked ends at once", async () => {
  const desk = new Desk(TOKEN_RULE, { timeOfDay: () => 10_000 });
  desk.take(subscribe("vip", { token: "t" }));
  await desk.tokens.asked[0]!.answer({ ok: true, claims: { info: null, expiresAtMs: 9000 } });
  desk.rig.pass(1000);
  assertEquals(desk.codes, [1, "token_expired"]);
});

Deno.test("subscribe takes a new token of who is in as many channels as may be", async () => {
  const desk = new Desk(TOKEN_RULE, { maxSubscriptions: 2, timeOfDay: () => 0 });
  for (const name of ["a", "b"]) {
    desk.take(subscribe(name, { token: "t" }));
    await desk.tokens.asked.at(-1)!.answer({ ok: true, claims: { info: null, expiresAtMs: 5000 } });
  }
  assertEquals(desk.session.groups.size, 2);
  desk.take(subscribe("a", { token: "t2" }));
  assertEquals(desk.tokens.asked.length, 3);
  await desk.tokens.asked[2]!.answer({ ok: true, claims: { info: null, expiresAtMs: 50_000 } });
  desk.rig.pass(10_000);
  assertEquals([...desk.session.groups.keys()], ["a"]);
});

// By the app

const APP_RULE = { authorize: "app" } as const;

Deno.test("subscribe asks the app, and lets in whom it admits, with what it says of them", () => {
  const desk = new Desk({ ...APP_RULE, presence: { names: 10 } });
  assertEquals(desk.take(subscribe("room", { info: { a: 1 } })), []);
  assertEquals([desk.app.asked[0]!.channel, desk.app.asked[0]!.info], ["room", '{"a":1}']);
  desk.app.asked[0]!.answer({ ok: true, info: '"of the app"' });
  assertEquals(desk.answers()[0].ok.presence.members[0].info, "of the app");
  // It was asked: it is not told besides.
  assertEquals(desk.listener.told, []);
  desk.take(unsubscribe("room"));
  assertEquals(desk.listener.told, ["unsubscribed room asked"]);
});

for (const code of ["forbidden", "app_unreachable", "busy", "shutting_down"] as const) {
  Deno.test(`subscribe is refused with ${code} where the app's answer is that`, () => {
    const desk = new Desk(APP_RULE);
    desk.take(subscribe("room"));
    desk.app.asked[0]!.answer({ ok: false, code });
    const [{ error }] = desk.answers();
    assertEquals([error.code, error.retry], [code, code !== "forbidden"]);
    assertEquals([desk.rig.hub.channels.size, desk.session.asking!.size], [0, 0]);
  });
}

Deno.test("subscribe asks nobody where there is no app, where it takes no more, and for who is in", () => {
  const desk = new Desk(APP_RULE);
  takeLine({ ...desk.context, uplink: null }, desk.session, '{"id":1,"subscribe":{"channel":"a"}}');
  takeLine(
    { ...desk.context, draining: true },
    desk.session,
    '{"id":2,"subscribe":{"channel":"a"}}',
  );
  desk.rig.hub.subscribe(desk.session, "a");
  takeLine(desk.context, desk.session, '{"id":3,"subscribe":{"channel":"a"}}');
  assertEquals(desk.codes, ["no_app", "shutting_down", 3]);
  assertEquals(desk.app.asked.length, 0);
});

Deno.test("unsubscribe takes back a subscribe that waits for the app, which is told", () => {
  const desk = new Desk(APP_RULE);
  assertEquals(desk.take(subscribe("room"), unsubscribe("room")), [{ id: 2, ok: {} }]);
  desk.app.asked[0]!.answer({ ok: true });
  const [{ id, error }] = desk.answers();
  assertEquals([id, error.code, error.retry], [1, "not_subscribed", false]);
  assertEquals(desk.listener.told, ["unsubscribed room asked"]);
  assertEquals([desk.rig.hub.channels.size, desk.session.asking!.size], [0, 0]);
});

Deno.test("unsubscribe takes back a subscribe whose token is looked at", async () => {
  const desk = new Desk(TOKEN_RULE);
  assertEquals(desk.take(subscribe("vip", { token: "t" }), unsubscribe("vip")), [{
    id: 2,
    ok: {},
  }]);
  await desk.tokens.asked[0]!.answer({ ok: true, claims: { info: null, expiresAtMs: null } });
  assertEquals(desk.codes, ["not_subscribed"]);
  assertEquals(desk.listener.told, []); // nobody was told that it came
});

Deno.test("The app does not hear that a page left whose next question it still has", () => {
  const desk = new Desk(APP_RULE);
  desk.take(subscribe("room"), unsubscribe("room"), subscribe("room"));
  const [first, second] = desk.app.asked;
  first!.answer({ ok: true });
  assertEquals(desk.codes, ["not_subscribed"]);
  second!.answer({ ok: true });
  assertEquals(desk.codes, [3]);
  assertEquals(desk.listener.told, []);
  desk.take(unsubscribe("room"));
  assertEquals(desk.listener.told, ["unsubscribed room asked"]);
});

Deno.test("The app that admitted a page which left hears of it where its next question gets no answer", () => {
  const desk = new Desk(APP_RULE);
  desk.take(subscribe("room"), unsubscribe("room"), subscribe("room"));
  desk.app.asked[0]!.answer({ ok: true });
  desk.app.asked[1]!.answer({ ok: false, code: "app_unreachable" });
  assertEquals(desk.codes, ["not_subscribed", "app_unreachable"]);
  assertEquals(desk.listener.told, ["unsubscribed room asked"]);
});

Deno.test("The app does not hear that a page left that is in already", () => {
  const desk = new Desk(APP_RULE);
  desk.take(subscribe("room"));
  desk.rig.hub.subscribe(desk.session, "room", { appKnows: true });
  desk.app.asked[0]!.answer({ ok: true });
  assertEquals(desk.listener.told, []);
});

Deno.test("subscribe that the app admits to a full channel is refused, and the app told", () => {
  const desk = new Desk({ ...APP_RULE, maxSubscribers: 1 });
  desk.take(subscribe("room"));
  desk.rig.open(["room"]);
  desk.app.asked[0]!.answer({ ok: true });
  const [{ error }] = desk.answers();
  assertEquals([error.code, error.retry], ["channel_full", true]);
  assertEquals(desk.listener.told.at(-1), "unsubscribed room asked");
});

Deno.test("A session that ends while the app is asked is let in nowhere, and told of once", () => {
  const desk = new Desk(APP_RULE);
  desk.take(subscribe("room"));
  desk.session.end(null);
  desk.app.asked[0]!.answer({ ok: true });
  desk.rig.endTurn();
  assertEquals(desk.listener.told, ["ended"]);
  assertEquals([desk.rig.hub.channels.size, desk.rig.hub.wheel.size, desk.rig.scheduled], [
    0,
    0,
    0,
  ]);
});

Deno.test("A session that the app ends between two polls is let in nowhere", () => {
  const desk = new Desk(APP_RULE);
  desk.take(subscribe("room"));
  desk.session.detach(desk.transport);
  desk.session.end({ code: 3500, reason: "byApp", reconnect: false });
  desk.app.asked[0]!.answer({ ok: true });
  assertEquals([desk.listener.told, desk.rig.hub.channels.size], [["ended"], 0]);
});

Deno.test("subscribe counts the channels about which somebody is asked towards the bound", async () => {
  const desk = new Desk((name) => name[0] === "t" ? TOKEN_RULE : APP_RULE, { maxSubscriptions: 4 });
  desk.rig.hub.subscribe(desk.session, "in");
  desk.take(subscribe("a1"), subscribe("t1", { token: "t" }), subscribe("a2"));
  desk.take(subscribe("a3"), subscribe("t2", { token: "t" }));
  assertEquals([desk.app.asked.length, desk.tokens.asked.length], [2, 1]);
  // A refusal makes room.
  desk.app.asked[0]!.answer({ ok: false, code: "forbidden" });
  await desk.tokens.asked[0]!.answer({ ok: false, code: "bad_token", message: "no" });
  desk.take(subscribe("a3"), subscribe("a4"));
  for (const { answer } of desk.app.asked.slice(1)) answer({ ok: true });
  assertEquals([...desk.session.groups.keys()], ["in", "a2", "a3", "a4"]);
});

Deno.test("subscribe of 10,000 channels in one go gets 500, the rest is refused", () => {
  const desk = new Desk(APP_RULE);
  const all = desk.take(...Array.from({ length: 10_000 }, (_, n) => subscribe(`c${n}`)));
  assertEquals(all.length, 9500);
  assert(all.every(({ error }) => error.code === "too_many_subscriptions"));
  assertEquals(desk.app.asked.length, 500);
  for (const { answer } of desk.app.asked) answer({ ok: true });
  assertEquals([desk.answers().length, desk.session.groups.size], [500, 500]);
  assertEquals(desk.rig.hub.counters.subscriptionsRefused, 9500);
});

// Who is there, and who may publish

Deno.test("presence is told to who is in, or could be at once", () => {
  const desk = new Desk((name) => ({
    authorize: name === "open" ? "open" : "token",
    presence: name === "none" ? null : { names: 1 },
  }));
  const presence = (channel: string) => ({ presence: { channel } });
  assertEquals(desk.take(presence("open"))[0].ok, { count: 0, members: [] });
  const one = desk.rig.open(["open", "vip"], { user: "bob" }).session;
  assertEquals(desk.take(presence("open"))[0].ok, {
    count: 1,
    members: [{ session: one.id, user: "bob" }],
  });
  desk.rig.open(["open"]);
  assertEquals(desk.take(presence("open"))[0].ok, { count: 2 });
  desk.take(presence("vip"));
  desk.rig.hub.subscribe(desk.session, "vip");
  const told = desk.take(presence("vip"));
  assertEquals(told.find(({ ok }) => ok)!.ok, { count: 2 });
  assertEquals(
    desk.take(presence("none"), presence(""), presence("/all")).map(({ error }) => error?.code),
    ["unsupported", "bad_channel", "bad_channel"],
  );
});

Deno.test("presence is not told to who is not in and may not be", () => {
  const desk = new Desk(TOKEN_RULE);
  desk.rig.open(["vip"]);
  desk.take({ presence: { channel: "vip" } });
  assertEquals(desk.transport.frames.length, 1);
  assertEquals(JSON.parse(desk.transport.frames[0]!).error.code, "not_subscribed");
});

Deno.test("publish is for who is in, or could be at once, where clients may", () => {
  const desk = new Desk((name) => ({
    authorize: name === "vip" ? "app" : "open",
    clientsPublish: name !== "news",
  }));
  const publish = (channel: string) => ({ publish: { channel, data: 1 } });
  assertEquals(
    desk.take(publish("open"), publish("vip"), publish("news")).map(({ ok, error }) =>
      ok ?? error.code
    ),
    [{}, "not_subscribed", "forbidden"],
  );
  desk.rig.hub.subscribe(desk.session, "vip");
  assertEquals(desk.take(publish("vip")), [{ channel: "vip", data: 1 }, { id: 4, ok: {} }]);
});

// A new token for the session

const refresh = { refresh: { token: "new" } };
const claims = (more: Partial<ConnectionClaims> = {}): Verified<ConnectionClaims> => ({
  ok: true,
  claims: { user: "ann", channels: [], info: null, expiresAtMs: null, ...more },
});

Deno.test("refresh lets a session go on, and says for how long", async () => {
  const desk = new Desk({}, { user: "ann", timeOfDay: () => 0 });
  desk.rig.hub.endTokenAt(desk.session, desk.rig.hub.now() + 5000);
  desk.take(refresh);
  await desk.tokens.asked[0]!.answer(claims({ expiresAtMs: 20_900 }));
  assertEquals(desk.answers(), [{ id: 1, ok: { expires: 20 } }]);
  desk.rig.pass(20_000);
  assertEquals(desk.transport.closed, null);
  desk.rig.pass(1000);
  assertEquals(desk.transport.closed?.close.code, 3006);
});

Deno.test("refresh with a token without an end lets a session go on for good", async () => {
  const desk = new Desk({}, { user: "ann" });
  desk.rig.hub.endTokenAt(desk.session, desk.rig.hub.now() + 5000);
  desk.take(refresh);
  await desk.tokens.asked[0]!.answer(claims());
  assertEquals(desk.answers(), [{ id: 1, ok: {} }]);
  desk.rig.pass(10_000);
  assertEquals(desk.transport.closed, null);
});

Deno.test("refresh puts a session where the new token says, and takes back what it says no more", async () => {
  const desk = new Desk((name) => name === "open" ? {} : TOKEN_RULE, {
    user: "ann",
    timeOfDay: () => 0,
  });
  const before = claims({ channels: ["a", "b", "open"], expiresAtMs: 5000 });
  assert(before.ok);
  applyToken(desk.rig.hub, desk.session, before.claims);
  desk.rig.hub.subscribe(desk.session, "own", { untilMs: null });
  desk.take(refresh);
  await desk.tokens.asked[0]!.answer(claims({ channels: ["a", "c"], expiresAtMs: 50_000 }));
  assertEquals([...desk.session.groups.keys()], ["a", "open", "own", "c"]);
  const frames = desk.answers();
  assertEquals(Object.keys(frames.find(({ id }) => id === 1).ok.subscribed), ["c"]);
  const told = frames.filter(({ unsubscribed }) => unsubscribed);
  assertEquals(told.map(({ channel, unsubscribed }) => [channel, unsubscribed.code]), [
    ["b", "token_expired"],
  ]);
});

Deno.test("refresh brings no page back to what it left itself, and takes nothing that another token gave", async () => {
  const desk = new Desk(TOKEN_RULE, { user: "ann", timeOfDay: () => 0 });
  const before = claims({ channels: ["left", "own"] });
  assert(before.ok);
  applyToken(desk.rig.hub, desk.session, before.claims);
  desk.rig.hub.unsubscribe(desk.session, "left");
  desk.rig.hub.subscribe(desk.session, "own", { untilMs: desk.rig.hub.atTimeOfDay(90_000) });
  desk.take(refresh);
  await desk.tokens.asked[0]!.answer(claims({ channels: ["left"] }));
  assertEquals([...desk.session.groups.keys()], ["own"]);
});

Deno.test("refresh keeps from a session what waits for it where the new token says no more", async () => {
  const desk = new Desk(TOKEN_RULE, { user: "ann", timeOfDay: () => 0 });
  const before = claims({ channels: ["a", "b"] });
  assert(before.ok);
  applyToken(desk.rig.hub, desk.session, before.claims);
  desk.rig.open(["a"]); // it stays
  desk.answers();
  desk.rig.publish("a", 1);
  desk.rig.publish("b", 2);
  desk.rig.publish("a", 3);
  takeLine(desk.context, desk.session, JSON.stringify({ id: 1, ...refresh }));
  await desk.tokens.asked[0]!.answer(claims({ channels: ["b"] }));
  assertEquals(desk.codes, [2, "token_expired", 1]);
});

for (
  const [what, verified, code] of [
    ["another user's", claims({ user: "bob" }), "bad_token"],
    ["nobody's", claims({ user: null }), "bad_token"],
    ["an old", { ok: false, code: "token_expired", message: "late" }, "token_expired"],
  ] as const
) {
  Deno.test(`refresh with ${what} token is refused, and the old end stays`, async () => {
    const desk = new Desk({}, { user: "ann", timeOfDay: () => 0 });
    desk.rig.hub.endTokenAt(desk.session, desk.rig.hub.now() + 5000);
    desk.take(refresh);
    await desk.tokens.asked[0]!.answer(verified);
    assertEquals(desk.codes, [code]);
    desk.rig.pass(5000);
    assertEquals(desk.transport.closed?.close.code, 3006);
  });
}

Deno.test("refresh goes by whom the first token named, whoever the app says that it is", async () => {
  const desk = new Desk({}, { user: "ann", tokenUser: null, timeOfDay: () => 0 });
  desk.take(refresh);
  await desk.tokens.asked[0]!.answer(claims({ user: null, expiresAtMs: 9000 }));
  assertEquals(desk.answers(), [{ id: 1, ok: { expires: 9 } }]);
  assertEquals(desk.user, "ann");
});

Deno.test("refresh where no keys are configured is not known", () => {
  const desk = new Desk({});
  takeLine({ ...desk.context, tokens: null }, desk.session, '{"id":1,"refresh":{"token":"x"}}');
  assertEquals(desk.codes, ["unsupported"]);
});

Deno.test("refresh of a session that ends meanwhile leaves nothing", async () => {
  const desk = new Desk({}, { user: "ann", timeOfDay: () => 0 });
  desk.take(refresh);
  desk.session.end(null);
  await desk.tokens.asked[0]!.answer(claims({ expiresAtMs: 50_000 }));
  assertEquals(desk.rig.hub.wheel.size, 0);
});

Deno.test("refresh is one at a time: another is busy, and the next is taken after the answer", async () => {
  const desk = new Desk({}, { user: "ann" });
  for (const verified of [{ ok: false, code: "bad_token", message: "no" }, claims()] as const) {
    const [{ error }, ...others] = desk.take(refresh, refresh);
    assertEquals([error.code, error.retry, others], ["busy", true, []]);
    await desk.tokens.asked.at(-1)!.answer(verified);
    assertEquals(desk.codes, [verified.ok ? 3 : "bad_token"]);
  }
  assertEquals(desk.tokens.asked.length, 2);
});

Deno.test("subscribe needs no token for what the connection's names, for as long as it does", async () => {
  const desk = new Desk(
    (name) => ({ authorize: "token", maxSubscribers: name === "full" ? 1 : Infinity }),
    { user: "ann" },
  );
  const other = desk.rig.open(["full"]).session;
  const before = claims({ channels: ["left", "full"] });
  assert(before.ok);
  applyToken(desk.rig.hub, desk.session, before.claims);
  desk.take(unsubscribe("left"), subscribe("left"), subscribe("full"));
  other.end(null);
  desk.take(subscribe("full"), subscribe("another"));
  assertEquals([...desk.session.groups.keys()], ["left", "full"]);
  assertEquals(desk.tokens.asked, []);

  desk.take(unsubscribe("left"), refresh);
  await desk.tokens.asked[0]!.answer(claims({ channels: ["full"] }));
  desk.answers();
  const [{ error }] = desk.take(subscribe("left"));
  assertEquals([error.code, [...desk.session.groups.keys()]], ["forbidden", ["full"]]);
});

Deno.test("refresh with a token that names a channel keeps in it whom another token let in for a time", async () => {
  const desk = new Desk(TOKEN_RULE, { user: "ann", timeOfDay: () => 0 });
  desk.take(subscribe("vip", { token: "t" }));
  await desk.tokens.asked[0]!.answer({ ok: true, claims: { info: null, expiresAtMs: 5000 } });
  desk.take(refresh);
  await desk.tokens.asked[1]!.answer(claims({ channels: ["vip"], expiresAtMs: 20_000 }));
  assertEquals(desk.codes, [2]);
  desk.rig.pass(19_000);
  assertEquals([desk.codes, desk.session.groups.has("vip"), desk.transport.closed], [
    [],
    true,
    null,
  ]);
  // And no longer than the connection's tokens say so.
  desk.take(refresh);
  await desk.tokens.asked[2]!.answer(claims());
  assertEquals(desk.codes, ["token_expired", 3]);
});
