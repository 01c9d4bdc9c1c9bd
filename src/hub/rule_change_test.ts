import { assert, assertEquals } from "@std/assert";
import { HubRig, type RigOptions, rulesOf } from "../../tests/support/hub_rig.ts";
import { Random } from "../../tests/support/random.ts";
import { plainCodec } from "../protocol/plain.ts";
import { enter } from "./admission.ts";
import { applyToken, type CommandContext, type Permission } from "./commands.ts";
import type { ChannelRule } from "./rules.ts";

const HISTORY = { size: 10, ttlMs: 60_000 };

/** A hub whose channels all have one rule, which the test changes. */
class RuleRig extends HubRig {
  readonly #options: RigOptions;

  constructor(rule: Partial<ChannelRule>, options: RigOptions = {}) {
    super({ ...options, rules: rulesOf(() => rule) });
    this.#options = options;
  }

  change(rule: Partial<ChannelRule>): void {
    const { bounds } = this.hub;
    this.hub.configure({
      maxSubscriptions: 500,
      maxSessions: 100_000,
      ...this.#options,
      bounds,
      rules: rulesOf(() => rule),
    });
    this.endTurn();
  }
}

const REVOKED = { channel: "x", unsubscribed: { code: "revoked" } };

function told(frames: readonly string[]): unknown[] {
  return frames.map((frame) => {
    const { unsubscribed, ...rest } = JSON.parse(frame);
    return unsubscribed === undefined
      ? rest
      : { ...rest, unsubscribed: { code: unsubscribed.code } };
  });
}

for (const authorize of ["closed", "token", "app"] as const) {
  Deno.test(`Hub.configure() takes out whom nothing lets into a channel that is ${authorize} now`, () => {
    const rig = new RuleRig({});
    const { session, transport } = rig.open(["x"]);
    rig.change({ authorize });
    assertEquals(told(transport.frames), [REVOKED]);
    assertEquals([session.groups.size, session.ended, rig.hub.channels.size], [0, false, 0]);
    rig.publish("x", 1);
    rig.endTurn();
    assertEquals(transport.frames.length, 1);
  });

  Deno.test(`Hub.configure() leaves in whom the app put into a channel that is ${authorize} now`, () => {
    const rig = new RuleRig({});
    const { session, transport } = rig.open();
    rig.hub.subscribe(session, "x", { byApp: true });
    const named = rig.open();
    applyToken(rig.hub, named.session, {
      user: "ann",
      info: null,
      channels: ["x"],
      expiresAtMs: null,
    });
    rig.change({ authorize });
    assertEquals([transport.frames, named.transport.frames], [[], []]);
    assertEquals(rig.publish("x", 1), 2);
  });
}

Deno.test("Hub.configure() forgets that the app put somebody into a channel that was left since", () => {
  const rig = new RuleRig({});
  const { session } = rig.open();
  rig.hub.subscribe(session, "x", { byApp: true });
  rig.hub.unsubscribe(session, "x");
  rig.hub.subscribe(session, "x");
  rig.change({ authorize: "closed" });
  assertEquals(session.groups.size, 0);
});

Deno.test("Hub.configure() leaves in who has a channel's token, unless it is closed", () => {
  const rig = new RuleRig({ authorize: "token" });
  const { session } = rig.open();
  rig.hub.subscribe(session, "x", { untilMs: rig.hub.now() + 60_000 });
  rig.change({ authorize: "app" });
  assertEquals(session.groups.size, 1);
  rig.change({ authorize: "closed" });
  assertEquals(session.groups.size, 0);
});

Deno.test("Hub.configure() takes nobody out where who may enter is as before, or anybody", () => {
  const rig = new RuleRig({ authorize: "app" });
  const { transport } = rig.open(["x"]);
  rig.change({ authorize: "app", history: HISTORY });
  rig.change({ authorize: "open" });
  assertEquals(transport.frames, []);
});

Deno.test("Hub.configure() takes away what waits for whom it takes out", () => {
  const rig = new RuleRig({});
  const { session, transport } = rig.open(["x"], { capacity: 0 });
  rig.publish("x", "secret");
  rig.endTurn();
  rig.change({ authorize: "closed" });
  transport.drain();
  rig.retry();
  rig.endTurn();
  assertEquals(told(transport.frames), [REVOKED]);
  assertEquals(session.outbox.unwrittenBytes, 0);
});

Deno.test("Hub.configure() ends a plain event stream, which cannot be told", () => {
  const rig = new RuleRig({});
  const session = rig.hub.openSession(plainCodec, { graceMs: 0 });
  rig.hub.subscribe(session, "x");
  const transport = rig.attach(session);
  rig.change({ authorize: "closed" });
  assertEquals([session.ended, transport.closed?.close.code], [true, 1008]);
});

Deno.test("Hub.configure() leaves alone who only watches", () => {
  const rig = new RuleRig({});
  const { session, transport } = rig.open(["x"], { isWatcher: true });
  rig.change({ authorize: "closed", presence: { names: 10 } });
  assertEquals([session.groups.size, transport.frames], [1, []]);
  assertEquals(rig.hub.presenceOf("x")?.count, 0);
});

Deno.test("what was published before Hub.configure() goes by the rules of then", () => {
  const rig = new RuleRig({ history: HISTORY });
  const { transport } = rig.open(["x"]);
  rig.publish("x", 1);
  rig.change({});
  rig.publish("x", 2);
  rig.endTurn();
  assertEquals(transport.frames.map((frame) => JSON.parse(frame)), [
    { channel: "x", data: 1, offset: 1 },
    { channel: "x", data: 2 },
  ]);
});

Deno.test("a channel that keeps messages from now on begins with an epoch of its own", () => {
  const rig = new RuleRig({ history: HISTORY });
  const { session } = rig.open(["x"]);
  const first = rig.hub.positionOf("x")!;
  rig.change({});
  assertEquals(rig.hub.positionOf("x"), null);
  rig.publish("x", "not kept");
  rig.change({ history: HISTORY });
  assertEquals(rig.hub.recover(session, "x", first).recovered, false);
  const second = rig.hub.positionOf("x")!;
  rig.publish("x", "kept");
  const { recovered, messages } = rig.hub.recover(session, "x", second);
  assertEquals([recovered, messages.map(({ data }) => data)], [true, ['"kept"']]);
});

Deno.test("Hub.configure() cuts what channels keep to their new size and time, without anybody in", () => {
  const rig = new RuleRig({ history: HISTORY });
  for (let n = 1; n <= 10; n++) rig.publish("x", n);
  const history = rig.hub.histories.get("x")!;
  rig.change({ history: { size: 3, ttlMs: 60_000 } });
  assertEquals([history.size, history.offset], [3, 10]);
  const kept = rig.hub.histories.bytes;
  rig.pass(5000);
  rig.publish("x", 11);
  rig.change({ history: { size: 3, ttlMs: 4000 } });
  assertEquals([history.size, history.offset], [1, 11]);
  assert(rig.hub.histories.bytes < kept);
  rig.pass(5000);
  assertEquals(history.size, 0);
  rig.change({});
  assertEquals([rig.hub.histories.size, rig.hub.histories.bytes], [0, 0]);
});

Deno.test("Hub.configure() counts a channel's history against the bound of who may publish there", () => {
  const rig = new RuleRig({ history: HISTORY, clientsPublish: false }, { historyBytes: 100_000 });
  const { session } = rig.open(["x"]);
  const { bytes } = (rig.publish("x", "a".repeat(60_000)), rig.hub.histories);
  const position = { ...rig.hub.positionOf("x")!, offset: 0 };
  assertEquals(rig.hub.recover(session, "x", position).recovered, true);
  // Browsers may fill half of it.
  rig.change({ history: HISTORY, clientsPublish: true });
  assertEquals(rig.hub.recover(session, "x", position).recovered, false);
  assert(bytes > 60_000 && rig.hub.histories.bytes < 60_000);
  rig.change({});
  assertEquals(rig.hub.histories.bytes, 0);
});

Deno.test("Hub.configure() drops the oldest of what is kept beyond a lower bound", () => {
  const rig = new RuleRig({ history: HISTORY });
  for (const name of ["old", "new"]) rig.publish(name, "a".repeat(60_000));
  const rules = rulesOf(() => ({ history: HISTORY }));
  const { bounds } = rig.hub;
  rig.hub.configure({
    bounds,
    rules,
    historyBytes: 100_000,
    maxSubscriptions: 1,
    maxSessions: 1,
  });
  assertEquals([...rig.hub.histories.names()], ["new"]);
});

Deno.test("a channel that tells who is there from now on begins with all who are", () => {
  const rig = new RuleRig({});
  const { session, transport } = rig.open(["x"]);
  const other = rig.open(["x"]);
  rig.change({ presence: { names: 10 } });
  const members = [session, other.session].map(({ id }) => ({ session: id, user: null }));
  const [frame, ...more] = transport.frames;
  assertEquals(JSON.parse(frame!), { channel: "x", presence: { count: 2, members } });
  assertEquals(more, []);
  rig.pass(2000);
  rig.hub.unsubscribe(other.session, "x");
  rig.endTurn();
  assertEquals(JSON.parse(transport.frames[1]!), { channel: "x", leave: [members[1]] });
  rig.change({});
  rig.open(["x"]);
  rig.endTurn();
  assertEquals([transport.frames.length, rig.hub.presenceOf("x")], [2, null]);
});

Deno.test("Hub.configure() changes up to how many are told by name", () => {
  const rig = new RuleRig({ presence: { names: 10 } });
  const { transport } = rig.open(["x"]);
  rig.endTurn();
  rig.change({ presence: { names: 1 } });
  rig.open(["x"]);
  rig.endTurn();
  assertEquals(JSON.parse(transport.frames.at(-1)!), { channel: "x", presence: { count: 2 } });
});

Deno.test("Hub.configure() keeps who is above a lower bound, and lets in nobody more", () => {
  const rig = new RuleRig({});
  rig.open(["x"]);
  rig.open(["x"]);
  rig.change({ maxSubscribers: 1 });
  assertEquals(rig.publish("x", 1), 2);
  const { session } = rig.open();
  assertEquals(rig.hub.subscribe(session, "x"), "channel_full");
});

Deno.test("Hub.configure() changes what becomes of what waits for slow readers", () => {
  const message = "a".repeat(1000);
  const rig = new RuleRig({}, { bounds: { unwrittenBytes: 5000 } });
  const { session, transport } = rig.open(["x"], { capacity: 0 });
  const publish = (count: number) => {
    for (let n = 0; n < count; n++) {
      rig.publish("x", message);
      rig.endTurn();
    }
  };
  // A burst, which makes nobody slow yet.
  publish(30);
  rig.change({ slow: "drop_oldest" });
  for (let second = 0; second < 5; second++) {
    publish(5);
    assert(session.outbox.unwrittenBytes <= 5000);
    rig.pass(1000);
  }
  assertEquals(session.ended, false);
  transport.drain();
  rig.retry();
  assert(transport.frames.length < 10);
  assertEquals("gap" in JSON.parse(transport.frames[0]!), true);

  transport.drain(0);
  publish(4);
  rig.change({ slow: "close" });
  publish(50);
  assertEquals([session.ended, transport.closed?.close.code], [true, 3008]);
});

Deno.test("Hub.configure() leaves all as it is where the rules are the same", () => {
  const rig = new RuleRig({ history: HISTORY });
  const { session } = rig.open(["x"]);
  const position = rig.hub.positionOf("x")!;
  rig.change({ history: HISTORY });
  rig.publish("x", 1);
  rig.endTurn();
  assertEquals(rig.hub.recover(session, "x", position).messages.length, 1);
});

Deno.test("a session's grace time is that of now, its pings those that its browser was told", () => {
  const rig = new RuleRig({}, { bounds: { graceMs: 10_000, pingMs: 20_000 } });
  const { session, transport } = rig.open();
  rig.hub.configure({
    bounds: { ...rig.hub.bounds, graceMs: 60_000, pingMs: 600_000 },
    rules: rulesOf(() => ({})),
    maxSubscriptions: 500,
    maxSessions: 100_000,
  });
  rig.pass(21_000);
  assertEquals(transport.controls.length, 1);
  session.detach(transport);
  rig.pass(50_000);
  assertEquals(session.ended, false);
  rig.pass(20_000);
  assertEquals(session.ended, true);
});

for (
  const [authorize, inside, heard] of [["closed", false, ["x asked"]], ["open", true, []]] as const
) {
  Deno.test(`whom the app admits to a channel that is ${authorize} meanwhile is ${inside ? "in" : "not"}`, () => {
    const told: string[] = [];
    const rig = new RuleRig({ authorize: "app" }, {
      listener: {
        subscribed() {},
        ended() {},
        occupied() {},
        vacated() {},
        unsubscribed: (_session, channel, why) => void told.push(`${channel} ${why}`),
      },
    });
    const { session } = rig.open();
    let answer: ((permission: Permission) => void) | undefined;
    const context: CommandContext = {
      hub: rig.hub,
      uplink: {
        message() {},
        subscribe: (_source, _asked, done) => void (answer = done),
      },
      tokens: null,
      maxBytes: 1000,
      messageBytes: 1000,
      draining: false,
    };
    let code: string | undefined | null;
    enter(context, session, "x", {}, (_name, refusal) => void (code = refusal?.code ?? null));
    rig.change({ authorize });
    answer!({ ok: true });
    assertEquals([code, session.groups.has("x")], [inside ? null : "forbidden", inside]);
    assertEquals(told, [...heard]);
  });
}

for (let seed = 1; seed <= 40; seed++) {
  Deno.test(`no recovery is false however rules change, seed ${seed}`, () => {
    const random = new Random(seed);
    const rules: Partial<ChannelRule>[] = [
      {},
      { history: HISTORY },
      { history: { size: 2, ttlMs: 3000 } },
      { history: HISTORY, clientsPublish: false },
    ];
    const rig = new RuleRig(random.pick(rules), { historyBytes: 65_536 });
    const published: string[] = [];
    const known: { position: { epoch: string; offset: number }; count: number }[] = [];
    let reader: ReturnType<RuleRig["open"]>["session"] | null = null;
    for (let step = 0; step < 400; step++) {
      switch (random.below(6)) {
        case 0:
        case 1: {
          const data = `${step} ${"a".repeat(random.below(4) === 0 ? 20_000 : 1)}`;
          rig.publish("x", data);
          published.push(JSON.stringify(data));
          break;
        }
        case 2:
          rig.change(random.pick(rules));
          break;
        case 3:
          if (reader === null) {
            reader = rig.open(["x"]).session;
          } else {
            rig.hub.unsubscribe(reader, "x");
            reader = null;
          }
          break;
        case 4: {
          const position = reader === null ? null : rig.hub.positionOf("x");
          if (position !== null) known.push({ position, count: published.length });
          break;
        }
        case 5: {
          if (reader === null || known.length === 0) break;
          const { position, count } = random.pick(known);
          const answer = rig.hub.recover(reader, "x", position);
          if (!answer.recovered) break;
          assertEquals(answer.messages.map(({ data }) => data), published.slice(count));
          break;
        }
      }
      if (random.below(3) === 0) rig.pass(1000);
    }
  });
}
