/**
 * What a channel's rule and the app may do with subscriptions, and who is told of it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { HubRig, push, type RigOptions, rulesOf } from "../../tests/support/hub_rig.ts";
import { Random } from "../../tests/support/random.ts";
import type { Revocation } from "../protocol/codec.ts";
import { type Close, CLOSES } from "../protocol/codes.ts";
import { nativeCodec } from "../protocol/native.ts";
import type { HubListener } from "./hub_options.ts";
import type { Session } from "./session.ts";

/** Notes what it is told, each in one line; sessions by their users. */
class Listener implements HubListener {
  #told: string[] = [];

  /** All since the last call. */
  get told(): string[] {
    return this.#told.splice(0);
  }

  subscribed({ user }: Session, channel: string, info: string | null): void {
    this.#told.push(`${user} in ${channel}${info === null ? "" : ` ${info}`}`);
  }
  unsubscribed({ user }: Session, channel: string, why: Revocation | "asked"): void {
    this.#told.push(`${user} out of ${channel}: ${why}`);
  }
  ended({ user }: Session, close: Close | null): void {
    this.#told.push(`${user} ended: ${close?.code ?? "gone"}`);
  }
  occupied(channel: string): void {
    this.#told.push(`${channel} occupied`);
  }
  vacated(channel: string): void {
    this.#told.push(`${channel} vacated`);
  }
}

function listeningRig(options: RigOptions = {}) {
  const listener = new Listener();
  return { rig: new HubRig({ listener, ...options }), listener };
}

// How many may be in

Deno.test("Hub.subscribe() lets in as many as the rule says, who is in for good, and the next when one goes", () => {
  const rig = new HubRig({
    rules: rulesOf((name) => name === "small" ? { maxSubscribers: 2 } : {}),
  });
  const [a, b, c] = [1, 2, 3].map(() => rig.open().session) as [Session, Session, Session];
  assertEquals([a, b, c].map((session) => rig.hub.subscribe(session, "small")), [
    null,
    null,
    "channel_full",
  ]);
  assertEquals(rig.hub.subscribe(a, "small"), null);
  assertEquals([a, b, c].map((session) => rig.hub.subscribe(session, "large")), [null, null, null]);
  assertEquals([rig.publish("small", 1), c.groups.has("small")], [2, false]);
  b.end(null);
  assertEquals(rig.hub.subscribe(c, "small"), null);
});

Deno.test("Hub.subscribe() makes no channel for who may not be in it", () => {
  const rig = new HubRig({
    rules: rulesOf(() => ({ maxSubscribers: 0, history: { size: 1, ttlMs: 1000 } })),
  });
  assertEquals(rig.hub.subscribe(rig.open().session, "none"), "channel_full");
  assertEquals([rig.hub.channels.size, rig.hub.histories.size], [0, 0]);
});

Deno.test("Hub.subscribe() lets in where a slow reader's end makes room in the same turn", () => {
  const rig = new HubRig({
    bounds: { unwrittenBytes: 100 },
    rules: rulesOf(() => ({ maxSubscribers: 1 })),
  });
  const slow = rig.open(["room"], { capacity: 0 }).session;
  rig.publish("room", "x".repeat(900));
  const { session, transport } = rig.open();
  assertEquals([rig.hub.subscribe(session, "room"), slow.ended], [null, true]);
  assertEquals(rig.publish("room", 1), 1);
  rig.endTurn();
  assertEquals(transport.frames, [push("room", 1)]);
});

Deno.test("Hub.subscribe() of a channel whose last reader ends by it reaches the channel", () => {
  const { rig, listener } = listeningRig({ bounds: { unwrittenBytes: 100 } });
  rig.open(["room"], { capacity: 0, user: "slow" });
  rig.publish("room", "x".repeat(900));
  const { session, transport } = rig.open([], { user: "ann" });
  listener.told;
  rig.hub.subscribe(session, "room");
  assertEquals(listener.told, [
    "slow ended: 3008",
    "room vacated",
    "room occupied",
    "ann in room",
  ]);
  assertEquals(rig.publish("room", 1), 1);
  rig.endTurn();
  assertEquals([transport.data, rig.hub.channels.size], [[1], 1]);
  session.end(null);
  assertEquals(rig.hub.channels.size, 0);
});

// Who is told

Deno.test("Hub tells its listener of every coming and going, and of the end in place of all goings", () => {
  const { rig, listener } = listeningRig();
  const { session } = rig.open(["a"], { user: "ann" });
  rig.hub.subscribe(session, "a");
  rig.hub.subscribe(session, "b", { info: "7" });
  const bob = rig.open(["a"], { user: "bob" }).session;
  assertEquals(listener.told, ["a occupied", "ann in a", "b occupied", "ann in b 7", "bob in a"]);
  rig.hub.unsubscribe(session, "b");
  rig.hub.unsubscribe(session, "b");
  rig.hub.revoke(session, "a");
  rig.hub.revoke(session, "a");
  assertEquals(listener.told, ["ann out of b: asked", "b vacated", "ann out of a: revoked"]);
  bob.end(CLOSES.byApp);
  bob.end(null);
  session.end(null);
  assertEquals(listener.told, ["bob ended: 3500", "a vacated", "ann ended: gone"]);
});

Deno.test("Hub tells its listener of a session that is refused a channel nothing but its end", () => {
  const { rig, listener } = listeningRig({ rules: rulesOf(() => ({ maxSubscribers: 0 })) });
  const { session } = rig.open([], { user: "ann" });
  rig.hub.subscribe(session, "a");
  rig.hub.subscribe(session, "/all");
  session.end(null);
  rig.hub.subscribe(session, "b");
  rig.hub.noteAbsence(session, "b");
  assertEquals(listener.told, ["ann ended: gone"]);
});

Deno.test("Hub tells its listener once of a session that ends between two polls and is told so later", () => {
  const { rig, listener } = listeningRig();
  const { session, transport } = rig.open(["a"], { user: "ann" });
  session.detach(transport);
  session.end(CLOSES.byApp);
  assertEquals(listener.told.slice(2), ["ann ended: 3500", "a vacated"]);
  rig.pass(20_000);
  assertEquals([listener.told, rig.hub.sessions.size], [[], 0]);
});

Deno.test("Hub tells its listener of a reader that ends in the midst of its own unsubscribe", () => {
  const { rig, listener } = listeningRig({ bounds: { unwrittenBytes: 100 } });
  const { session } = rig.open(["a", "b"], { capacity: 0, user: "ann" });
  rig.publish("a", "x".repeat(900));
  listener.told;
  rig.hub.unsubscribe(session, "a");
  assertEquals(listener.told, ["ann out of a: asked", "ann ended: 3008", "a vacated", "b vacated"]);
  assertEquals([rig.hub.channels.size, rig.hub.wheel.size], [0, 0]);
});

Deno.test("Hub.takeBack() leaves nothing half done where its session ends in the midst of it", () => {
  const { rig, listener } = listeningRig({ bounds: { unwrittenBytes: 100 } });
  const { session } = rig.open(["a"], { capacity: 0, user: "ann" });
  rig.publish("a", "x".repeat(900));
  listener.told;
  rig.hub.takeBack(session, "a");
  assertEquals(listener.told, ["ann ended: 3008", "a vacated"]);
  assertEquals([rig.hub.channels.size, rig.hub.wheel.size], [0, 0]);
});

// What is kept

Deno.test("Hub.publish() to channels of browsers leaves the app's their history, with subscribers or without", () => {
  const historyBytes = 64 * 1024;
  const rig = new HubRig({
    historyBytes,
    rules: rulesOf((name) => ({
      clientsPublish: name.startsWith("chat:"),
      history: { size: 10, ttlMs: 60_000 },
    })),
  });
  const { session } = rig.open(["news"]);
  const since = rig.hub.positionOf("news")!;
  for (let n = 0; n < 10; n++) rig.publish("news", n);
  for (let n = 0; n < 100; n++) {
    rig.hub.subscribe(session, `chat:${n}`); // the other half has nobody in it
    rig.publish(`chat:${n}`, "x".repeat(1000));
    rig.publish(`chat:${n + 100}`, "x".repeat(1000));
  }
  assertEquals(rig.hub.histories.dropped > 0, true);
  assertEquals(rig.hub.recover(session, "news", since).messages.length, 10);
});

// Who only watches

Deno.test("Hub shows a watcher what is published, and nobody the watcher", () => {
  const { rig, listener } = listeningRig({
    rules: rulesOf(() => ({
      presence: { names: 10 },
      maxSubscribers: 1,
      history: { size: 9, ttlMs: 1000 },
    })),
  });
  const watcher = rig.open(["room"], { isWatcher: true });
  assertEquals(rig.publish("room", 1), 0);
  assertEquals(rig.publishToAll("all"), 0);
  const { session, transport } = rig.open(["room"], { user: "ann" });
  assertEquals(listener.told, ["room occupied", "ann in room"]);
  const second = rig.open(["room"], { isWatcher: true });
  assertEquals(rig.publish("room", 2), 1);
  assertEquals(rig.publish("room", 3, watcher.session.id), 1);
  assertEquals(rig.publish("room", 4, session.id), 0);
  rig.endTurn();
  const data = ({ data }: { data: unknown[] }) => data.filter((each) => each !== undefined);
  assertEquals([data(transport), data(watcher.transport), data(second.transport)], [
    [2, 3],
    [1, 2, 4],
    [2, 3, 4],
  ]);
  assertEquals(rig.hub.presenceOf("room")?.count, 1);
  session.end(null);
  assertEquals([listener.told, rig.hub.channels.size], [["ann ended: gone", "room vacated"], 1]);
  rig.hub.unsubscribe(watcher.session, "room");
  second.session.end(null);
  assertEquals([listener.told, rig.hub.channels.size], [[], 0]);
  watcher.session.end(null);
  rig.pass(1000);
  assertEquals([rig.hub.wheel.size, listener.told], [0, []]);
});

// Tokens

Deno.test("Hub.endTokenAt() closes a session's connection at the time, and keeps the session", () => {
  const { rig, listener } = listeningRig({ bounds: { graceMs: 5000, pingMs: 1e9 } });
  const { session, transport } = rig.open(["a"], { user: "ann" });
  rig.hub.endTokenAt(session, rig.hub.now() + 3000);
  rig.pass(2000);
  assertEquals([transport.closed, rig.hub.isTokenOver(session)], [null, false]);
  rig.pass(1000);
  assertEquals([transport.closed?.close.code, rig.hub.isTokenOver(session)], [3006, true]);
  assertEquals(rig.hub.counters.tokensEnded, 1);
  assertEquals(rig.publish("a", 1), 1);
  rig.endTurn();
  assertEquals(rig.attach(session).data, [1]); // back with another token
  listener.told;
  rig.hub.endTokenAt(session, rig.hub.now() + 1000);
  rig.pass(7000);
  assertEquals(listener.told, ["ann ended: gone", "a vacated"]);
  assertEquals([rig.hub.sessions.size, rig.hub.wheel.size], [0, 0]);
});

Deno.test("Hub.endTokenAt() is not the end of a poll that is answered already", () => {
  const rig = new HubRig();
  const { session } = rig.open([], { oneShot: true });
  rig.hub.endTokenAt(session, rig.hub.now() + 1000);
  session.send(nativeCodec.ok(1, "{}"));
  rig.endTurn();
  rig.pass(1000);
  assertEquals([session.ended, rig.hub.isTokenOver(session)], [false, true]);
});

Deno.test("Hub.endTokenAt() ends a session that does not come back, and says why", () => {
  const { rig, listener } = listeningRig();
  const { session, transport } = rig.open(["a"], { user: "ann", graceMs: 0 });
  rig.hub.endTokenAt(session, rig.hub.now() + 1000);
  listener.told;
  rig.pass(1000);
  assertEquals(transport.closed?.close.code, 3006);
  assertEquals([session.ended, listener.told], [true, ["ann ended: 3006", "a vacated"]]);
});

Deno.test("Hub.endTokenAt() of a session that is over leaves no timer", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open();
  session.detach(transport);
  session.end(CLOSES.byApp); // told to its next poll
  rig.hub.endTokenAt(session, rig.hub.now() + 1e6);
  rig.pass(20_000);
  assertEquals(rig.hub.wheel.size, 0);
});

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`Hub's listener can tell who is where from what it was told, seed ${seed}`, () => {
    const random = new Random(seed);
    const inside = new Map<Session, Set<string>>();
    const occupied = new Set<string>();
    const rig = new HubRig({
      bounds: { unwrittenBytes: 600, graceMs: 3000, pingMs: 5000 },
      rules: rulesOf((name) => ({
        maxSubscribers: name === "a" ? 2 : Infinity,
        presence: { names: 2 },
        slow: name === "b" ? "drop_oldest" : "close",
      })),
      listener: {
        subscribed(session, channel) {
          if (!inside.has(session)) inside.set(session, new Set());
          assertEquals(inside.get(session)!.has(channel), false);
          assertEquals(occupied.has(channel), true);
          inside.get(session)!.add(channel);
        },
        unsubscribed(session, channel) {
          assertEquals(inside.get(session)?.delete(channel), true);
        },
        ended(session) {
          inside.delete(session);
          assertEquals(over.has(session), false);
          over.add(session);
        },
        occupied(channel) {
          assertEquals(occupied.has(channel), false);
          occupied.add(channel);
        },
        vacated(channel) {
          assertEquals(occupied.delete(channel), true);
        },
      },
    });
    const over = new Set<Session>();
    const { hub } = rig;
    const live: ReturnType<HubRig["open"]>[] = [];
    for (let step = 0; step < 3000; step++) {
      const what = random.next();
      const channel = random.pick(["a", "b", "c", "d"]);
      if (live.length === 0 || what < 0.1) {
        live.push(rig.open([channel], {
          graceMs: random.pick([0, 3000]),
          isWatcher: random.chance(0.1),
          oneShot: random.chance(0.3),
          capacity: random.chance(0.4) ? 0 : Infinity,
        }));
        continue;
      }
      const { session, transport } = random.pick(live);
      if (what < 0.25) hub.subscribe(session, channel, until());
      else if (what < 0.35) hub.unsubscribe(session, channel);
      else if (what < 0.4) hub.revoke(session, channel);
      else if (what < 0.42) hub.takeBack(session, channel);
      else if (what < 0.7) rig.publish(channel, "x".repeat(random.below(300)));
      else if (what < 0.75) session.detach(transport);
      else if (what < 0.8) session.end(random.pick([null, CLOSES.byApp, CLOSES.shutdown]));
      else if (what < 0.85) hub.endTokenAt(session, hub.now() + random.below(9000));
      else if (what < 0.95) rig.endTurn();
      else rig.pass(1000);
      for (let i = live.length - 1; i >= 0; i--) if (live[i]!.session.ended) live.splice(i, 1);
      const really = new Map<string, number>();
      for (const { session } of live) {
        const told = inside.get(session) ?? new Set();
        assertEquals(told, new Set(session.isWatcher ? [] : session.groups.keys()));
        for (const name of told) really.set(name, (really.get(name) ?? 0) + 1);
      }
      assertEquals(occupied, new Set(really.keys()));
      for (const [name, { size }] of hub.channels) assertEquals(size, really.get(name) ?? 0);
      for (const name of hub.channels.keys()) {
        assertEquals(hub.presenceOf(name)?.count, really.get(name) ?? 0);
      }
    }
    function until() {
      return random.chance(0.3) ? { untilMs: hub.now() + random.below(8000) } : {};
    }
    hub.endAll();
    rig.endTurn();
    rig.pass(20_000);
    rig.retry();
    assertEquals([inside.size, occupied.size, hub.sessions.size, hub.channels.size], [0, 0, 0, 0]);
    assertEquals([hub.wheel.size, rig.scheduled, over.size > 0], [0, 0, true]);
  });
}
