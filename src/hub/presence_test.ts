import { assertEquals } from "@std/assert";
import type { FakeTransport } from "../../tests/support/fake_transport.ts";
import { HubRig, rulesOf } from "../../tests/support/hub_rig.ts";
import { legacyCodec } from "../protocol/legacy.ts";
import { plainCodec } from "../protocol/plain.ts";
import { subscribedText } from "./admission.ts";
import type { Session } from "./session.ts";

/** A hub whose channels tell who is there, up to so many by name; but for `quiet`. */
function rigOf(names = 100, options: ConstructorParameters<typeof HubRig>[0] = {}): HubRig {
  return new HubRig({
    rules: rulesOf((name) => ({ presence: name === "quiet" ? null : { names } })),
    ...options,
  });
}

/** Reads what a transport is told of a room, each frame in short: `+ann`, `-bob`, `=7`, or a message's data. */
class Reader {
  #seen = 0;

  constructor(readonly rig: HubRig, readonly transport: FakeTransport) {}

  /** What came up to the end of this turn, since the last call. */
  get news(): string[] {
    this.rig.endTurn();
    const frames = this.transport.frames.slice(this.#seen);
    this.#seen = this.transport.frames.length;
    return frames.map((frame) => {
      const { join, leave, presence, data } = JSON.parse(frame);
      if (join) return join.map(nameWith("+")).join(" ");
      if (leave) return leave.map(nameWith("-")).join(" ");
      if (presence) return `=${presence.count}${presence.members ? " by name" : ""}`;
      return `${data}`;
    });
  }
}

function nameWith(sign: string) {
  return ({ user, info }: { user: string | null; info?: unknown }) =>
    `${sign}${user}${info === undefined ? "" : `:${JSON.stringify(info)}`}`;
}

/** Opens a session that is told of `room` from now on, without its own coming. */
function watch(rig: HubRig, user = "me"): Reader & { session: Session } {
  const { session, transport } = rig.open(["room"], { user });
  const reader = new Reader(rig, transport);
  reader.news;
  return Object.assign(reader, { session });
}

const come = (rig: HubRig, user: string, info?: string) => {
  const { session, transport } = rig.open([], { user });
  rig.hub.subscribe(session, "room", info === undefined ? {} : { info });
  return { session, transport, reader: new Reader(rig, transport) };
};

Deno.test("Presence tells who came and who went, all of a turn at once", () => {
  const rig = rigOf();
  const me = watch(rig);
  const ann = come(rig, "ann", '{"a":1}');
  const bob = come(rig, "bob");
  assertEquals(me.news, ['+ann:{"a":1} +bob']);
  rig.hub.unsubscribe(ann.session, "room");
  bob.session.end(null);
  come(rig, "cat");
  assertEquals(me.news, ["-ann -bob", "+cat"]);
  assertEquals(rig.hub.presenceOf("room")?.count, 2);
});

Deno.test("Presence writes the session, the user where one is known, and the info where there is any", () => {
  const rig = rigOf();
  const { session, transport } = rig.open();
  rig.hub.subscribe(session, "room", { info: "null" });
  const other = rig.open(["room"], { user: 'a"b' }).session;
  rig.endTurn();
  rig.hub.unsubscribe(other, "room");
  rig.endTurn();
  assertEquals(transport.frames.map((frame) => JSON.parse(frame)), [
    {
      channel: "room",
      join: [
        { session: session.id, user: null, info: null },
        { session: other.id, user: 'a"b' },
      ],
    },
    { channel: "room", leave: [{ session: other.id, user: 'a"b' }] },
  ]);
});

Deno.test("Presence says nothing of who came and went in one turn, nor of who went and came", () => {
  const rig = rigOf();
  const me = watch(rig);
  const { session } = come(rig, "ann");
  rig.hub.unsubscribe(session, "room");
  assertEquals(me.news, []);
  rig.hub.unsubscribe(me.session, "room");
  const back = watch(rig, "me");
  assertEquals(back.news, []);
  const ann = come(rig, "ann", "1");
  assertEquals(back.news, ["+ann:1"]);
  rig.hub.unsubscribe(ann.session, "room");
  rig.hub.subscribe(ann.session, "room", { info: "1" });
  assertEquals(back.news, []);
  rig.hub.unsubscribe(ann.session, "room");
  rig.hub.subscribe(ann.session, "room", { info: "2" });
  assertEquals(back.news, ["+ann:2"]);
});

Deno.test("Presence keeps who is in already as they are, whatever a second subscribe says", () => {
  const rig = rigOf();
  const me = watch(rig);
  const { session } = come(rig, "ann", "1");
  rig.hub.subscribe(session, "room", { info: "2" });
  assertEquals(me.news, ["+ann:1"]);
});

Deno.test("Presence tells who came ahead of what was published after, and who went behind what was before", () => {
  const rig = rigOf();
  const me = watch(rig);
  rig.publish("room", "before");
  const ann = come(rig, "ann");
  rig.publish("room", "by ann");
  rig.publish("room", "more by ann");
  rig.hub.unsubscribe(ann.session, "room");
  rig.publish("room", "after");
  assertEquals(me.news, ["before", "+ann", "by ann", "more by ann", "-ann", "after"]);
  assertEquals(ann.reader.news, ["+ann", "by ann", "more by ann"]);
});

Deno.test("Presence keeps its order with what is for another channel, for all and for one", () => {
  const rig = rigOf();
  const me = watch(rig);
  rig.hub.subscribe(me.session, "quiet");
  rig.publishToAll("all");
  come(rig, "ann");
  rig.publish("quiet", "quiet");
  rig.hub.publish({ kind: "session", session: me.session.id }, '"mine"');
  assertEquals(me.news, ["all", "quiet", "mine", "+ann"]);
});

Deno.test("A subscription begins with who is there, and what it is told then changes nothing of that", () => {
  const rig = rigOf();
  const stays = come(rig, "stays").session;
  const goes = come(rig, "goes").session;
  rig.endTurn();
  const { session, transport } = rig.open([], { user: "me" });
  rig.hub.unsubscribe(goes, "room");
  rig.hub.subscribe(session, "room", { info: "7" });
  const snapshot = JSON.parse(subscribedText(rig.hub, session, "room", undefined)).presence;
  assertEquals(snapshot, {
    count: 2,
    members: [
      { session: stays.id, user: "stays" },
      { session: session.id, user: "me", info: 7 },
    ],
  });
  const me = new Reader(rig, transport);
  assertEquals(me.news, ["-goes", "+me:7"]);
});

Deno.test("Who was shown somebody that goes in the same turn hears of it", () => {
  const rig = rigOf();
  const me = watch(rig);
  const ann = come(rig, "ann");
  const bob = come(rig, "bob");
  const { members } = JSON.parse(subscribedText(rig.hub, bob.session, "room", undefined)).presence;
  assertEquals(members.length, 3);
  rig.hub.unsubscribe(ann.session, "room");
  assertEquals(bob.reader.news, ["-ann", "+bob"]);
  assertEquals(me.news, ["-ann", "+bob"]); // who was never shown ann passes over it
});

Deno.test("Who was shown somebody as they were for a moment hears how they are", () => {
  const rig = rigOf();
  const ann = come(rig, "ann", "1");
  rig.endTurn();
  rig.hub.unsubscribe(ann.session, "room");
  rig.hub.subscribe(ann.session, "room", { info: "2" });
  const bob = come(rig, "bob");
  subscribedText(rig.hub, bob.session, "room", undefined); // shows 2
  rig.hub.unsubscribe(ann.session, "room");
  rig.hub.subscribe(ann.session, "room", { info: "1" });
  assertEquals(bob.reader.news, ["+ann:1 +bob"]);
});

Deno.test("Who comes and goes in one turn is not told of, though they were told who is there", () => {
  const rig = rigOf();
  const me = watch(rig);
  const ann = come(rig, "ann");
  subscribedText(rig.hub, ann.session, "room", undefined);
  ann.session.end(null);
  assertEquals(me.news, []);
});

Deno.test("Presence is told to nobody where the rule does not say so", () => {
  const rig = rigOf();
  const { session, transport } = rig.open(["quiet"]);
  rig.open(["quiet"]);
  rig.endTurn();
  assertEquals([transport.frames, rig.hub.presenceOf("quiet")], [[], null]);
  assertEquals(subscribedText(rig.hub, session, "quiet", undefined), "{}");
});

Deno.test("Presence has no words in protocols that know none, and counts their readers", () => {
  const rig = rigOf();
  const me = watch(rig);
  const plain = rig.attach(rig.hub.openSession(plainCodec));
  const old = rig.attach(rig.hub.openSession(legacyCodec));
  for (const session of [...rig.hub.sessions.values()]) rig.hub.subscribe(session, "room");
  assertEquals(me.news, ["+null +null"]);
  assertEquals([plain.frames, old.frames], [[], []]);
});

Deno.test("Presence holds who is away for a moment, and lets go of who does not come back", () => {
  const rig = rigOf(100, { bounds: { graceMs: 15_000, pingMs: 1e9 } });
  const me = watch(rig);
  const ann = come(rig, "ann");
  assertEquals(me.news, ["+ann"]);
  ann.session.detach(ann.transport);
  rig.pass(14_000);
  const back = rig.attach(ann.session);
  rig.pass(10_000);
  assertEquals(me.news, []);
  ann.session.detach(back);
  rig.pass(14_000);
  assertEquals(me.news, []);
  rig.pass(1000);
  assertEquals(me.news, ["-ann"]);
});

Deno.test("Presence lets go at once of a session that the app ends while it is away", () => {
  const rig = rigOf();
  const me = watch(rig);
  const ann = come(rig, "ann");
  me.news;
  ann.session.detach(ann.transport);
  ann.session.end({ code: 3500, reason: "disconnected by the app", reconnect: false });
  assertEquals(me.news, ["-ann"]);
});

// Big channels

Deno.test("Presence tells the number alone where there are more than the rule names", () => {
  const rig = rigOf(3);
  const me = watch(rig);
  come(rig, "a");
  come(rig, "b");
  assertEquals(me.news, ["+a +b"]);
  const late = come(rig, "c");
  assertEquals(me.news, ["=4"]);
  assertEquals(rig.hub.presenceOf("room"), { count: 4 });
  assertEquals(
    subscribedText(rig.hub, late.session, "room", undefined),
    '{"presence":{"count":4}}',
  );
});

Deno.test("Presence tells a number at most once a second, and the last in any case", () => {
  const rig = rigOf(3);
  const me = watch(rig);
  const all = [1, 2, 3, 4].map((n) => come(rig, `${n}`));
  assertEquals(me.news, ["=5"]);
  come(rig, "x");
  assertEquals(me.news, []);
  come(rig, "y");
  all[0]!.session.end(null);
  rig.publish("room", "said meanwhile");
  assertEquals(me.news, ["said meanwhile"]);
  rig.pass(1000);
  assertEquals(me.news, ["=6"]);
  rig.pass(10_000);
  assertEquals(me.news, []);
  come(rig, "z");
  assertEquals(me.news, ["=7"]);
});

Deno.test("Presence names who is there again once a big channel is a good deal smaller", () => {
  const rig = rigOf(5);
  const me = watch(rig);
  const others = [1, 2, 3, 4, 5].map((n) => come(rig, `${n}`).session);
  assertEquals(me.news, ["=6"]);
  rig.pass(1000);
  others.pop()!.end(null);
  assertEquals(me.news, ["=5"]); // still of the big ones: no toing and froing
  rig.pass(1000);
  others.pop()!.end(null);
  assertEquals(me.news, ["=4 by name"]);
  come(rig, "new");
  assertEquals(me.news, ["+new"]);
});

Deno.test("Presence of a channel that grows big twice in a second tells the second number late", () => {
  const rig = rigOf(2, { bounds: { pingMs: 1e9, graceMs: 1000 } });
  const me = watch(rig);
  const first = [1, 2].map((n) => come(rig, `${n}`).session);
  assertEquals(me.news, ["=3"]);
  rig.pass(1000);
  for (const session of first) session.end(null);
  assertEquals(me.news, ["=1 by name"]);
  const second = ["x", "y", "z"].map((name) => come(rig, name).session);
  assertEquals(me.news, []);
  second[0]!.end(null);
  assertEquals(me.news, []);
  rig.pass(1000);
  assertEquals(me.news, ["=3"]);
});

Deno.test("Presence tells all names to who came when it was too big for them, though it never told a number", () => {
  const rig = rigOf(2);
  const me = watch(rig);
  const ann = come(rig, "ann");
  assertEquals(me.news, ["+ann"]);
  const bob = come(rig, "bob");
  assertEquals(subscribedText(rig.hub, bob.session, "room", undefined), '{"presence":{"count":3}}');
  ann.session.end(null);
  assertEquals(me.news, ["=2 by name"]);
  come(rig, "cat").session.end(null);
  bob.session.end(null);
  assertEquals(me.news, ["-bob"]);
});

Deno.test("Presence that is big for less than a second tells the names after all", () => {
  const rig = rigOf(2, { bounds: { pingMs: 1e9, graceMs: 1000 } });
  const me = watch(rig);
  const first = [1, 2].map((n) => come(rig, `${n}`).session);
  assertEquals(me.news, ["=3"]);
  rig.pass(1000);
  for (const session of first) session.end(null);
  assertEquals(me.news, ["=1 by name"]);
  const second = ["x", "y"].map((name) => come(rig, name).session);
  assertEquals(me.news, []);
  second[0]!.end(null);
  assertEquals(me.news, ["+y"]);
  rig.pass(5000);
  assertEquals(me.news, []);
});

Deno.test("Presence of a rule that names nobody only counts", () => {
  const rig = rigOf(0);
  const me = watch(rig);
  come(rig, "a");
  rig.pass(1000);
  assertEquals(me.news, ["=2"]);
  assertEquals(rig.hub.presenceOf("empty"), { count: 0, members: [] });
});

Deno.test("Presence costs a big channel one frame for all who come in a second", () => {
  const rig = rigOf(10);
  const me = watch(rig);
  for (let n = 0; n < 1000; n++) {
    come(rig, `${n}`);
    rig.endTurn();
  }
  // The first ten by name, then the number as it became too great for that.
  assertEquals(me.news.slice(-2), ["+8", "=11"]);
  rig.pass(1000);
  assertEquals(me.news, ["=1001"]);
});

Deno.test("Presence leaves no timer and no flush behind when all are gone", () => {
  const rig = rigOf(2, { bounds: { pingMs: 1e9 } });
  for (const user of ["a", "b", "c"]) come(rig, user);
  rig.endTurn();
  come(rig, "d");
  rig.endTurn(); // the number waits for its second
  assertEquals(rig.hub.wheel.size, 5);
  rig.hub.endAll();
  rig.endTurn();
  assertEquals([rig.hub.wheel.size, rig.scheduled, rig.hub.channels.size], [0, 0, 0]);
});

Deno.test("Presence tells in a later turn of a slow reader that ended as this one's was told", () => {
  const rig = rigOf(100, { bounds: { unwrittenBytes: 100 } });
  const me = watch(rig);
  const slow = rig.open(["room"], { user: "slow", capacity: 0 }).session;
  assertEquals(me.news, ["+slow"]);
  come(rig, "ann", `"${"x".repeat(900)}"`);
  assertEquals(me.news.map((news) => news.slice(0, 4)), ["+ann"]);
  rig.retry();
  assertEquals([slow.ended, rig.scheduled], [true, 1]);
  assertEquals(me.news, ["-slow"]);
  assertEquals(rig.scheduled, 0);
});
