import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { HubRig, rulesOf } from "../../tests/support/hub_rig.ts";
import { Random } from "../../tests/support/random.ts";
import type { Position } from "../protocol/frames.ts";

/** What is counted beside the text of each message, and for each channel that keeps any. */
const MESSAGE = 120;
const channel = (name: string) => 1400 + 2 * name.length;
const CHANNEL = channel("a");

const MINUTE_MS = 60_000;

/** A hub whose channels keep their last three messages for a minute, and `news` a hundred; `talk...` are the browsers' own. */
function rigOf(historyBytes?: number): HubRig {
  return new HubRig({
    boot: "b",
    ...(historyBytes !== undefined && { historyBytes }),
    rules: rulesOf((name) => ({
      clientsPublish: name.startsWith("talk"),
      history: name === "bare" ? null : { size: name === "news" ? 100 : 3, ttlMs: MINUTE_MS },
    })),
  });
}

/** The messages that a channel keeps, as the API lists them. */
function kept({ hub }: HubRig, name: string): unknown[] {
  const messages = hub.histories.get(name)?.after(0, 1000) ?? [];
  return messages.map(({ offset, data }) => [offset, JSON.parse(data)]);
}

/** What a newcomer is given who stood at `since`; `null`: nobody can tell. */
function recovered(
  rig: HubRig,
  name: string,
  since: Position,
  formerId?: string,
): unknown[] | null {
  const session = rig.hub.openSession(rig.open().session.codec, { formerId: formerId ?? null });
  rig.hub.subscribe(session, name);
  const { recovered, messages } = rig.hub.recover(session, name, since);
  return recovered ? messages.map(({ data }) => JSON.parse(data)) : null;
}

// What is kept

Deno.test("History keeps the last messages, as many as the rule says, at offsets from 1", () => {
  const rig = rigOf();
  for (let n = 1; n <= 5; n++) rig.publish("chat", n);
  assertEquals(kept(rig, "chat"), [[3, 3], [4, 4], [5, 5]]);
  assertEquals(rig.hub.histories.bytes, channel("chat") + 3 * (1 + MESSAGE));
});

Deno.test("History of a busy channel lists the right messages after thousands", () => {
  const rig = rigOf();
  for (let n = 1; n <= 5000; n++) rig.publish("news", n);
  const history = rig.hub.histories.get("news")!;
  assertEquals([history.size, history.offset], [100, 5000]);
  assertEquals(history.after(4950, 3).map(({ data }) => data), ["4951", "4952", "4953"]);
  assertEquals(history.after(0, 1).map(({ offset }) => offset), [4901]);
  assertEquals(history.after(5000, 10), []);
  assertEquals(history.after(9999, 10), []);
});

Deno.test("History lets go of a message when its time is over, and not before", () => {
  const rig = rigOf();
  rig.publish("chat", "early");
  rig.pass(30_000);
  rig.publish("chat", "late");
  rig.pass(29_000);
  assertEquals(kept(rig, "chat"), [[1, "early"], [2, "late"]]);
  rig.pass(1000);
  assertEquals(kept(rig, "chat"), [[2, "late"]]);
  rig.pass(30_000);
  assertEquals([kept(rig, "chat"), rig.hub.wheel.size], [[], 0]);
  assertEquals(rig.hub.histories.bytes, channel("chat")); // its offset is known still
  rig.publish("chat", "again");
  assertEquals(kept(rig, "chat"), [[3, "again"]]);
});

Deno.test("History tells no message whose time is over, though nothing has cleared it away yet", () => {
  let ms = 0;
  const rig = new HubRig({
    now: () => ms,
    rules: rulesOf(() => ({ history: { size: 10, ttlMs: 500 } })),
  });
  rig.publish("chat", 1);
  ms = 500;
  assertEquals(kept(rig, "chat"), []);
});

Deno.test("History of a channel whose rule keeps none is none", () => {
  const rig = rigOf();
  rig.open(["bare"]);
  rig.publish("bare", 1);
  assertEquals([rig.hub.histories.size, rig.hub.positionOf("bare")], [0, null]);
  assertEquals(recovered(rig, "bare", { epoch: "b.0", offset: 0 }), null);
});

Deno.test("Hub.clearHistory() lets go of the messages, and goes on counting offsets", () => {
  const rig = rigOf();
  for (let n = 1; n <= 3; n++) rig.publish("chat", n);
  assertEquals([rig.hub.clearHistory("chat"), rig.hub.clearHistory("chat")], [3, 0]);
  assertEquals(rig.hub.clearHistory("nowhere"), 0);
  assertEquals([kept(rig, "chat"), rig.hub.histories.bytes, rig.hub.wheel.size], [
    [],
    channel("chat"),
    0,
  ]);
  rig.publish("chat", 4);
  assertEquals(kept(rig, "chat"), [[4, 4]]);
});

Deno.test("History counts text that is not ASCII at two bytes a character", () => {
  const rig = rigOf();
  rig.publish("chat", "€€");
  assertEquals(rig.hub.histories.bytes, channel("chat") + MESSAGE + 2 * '"€€"'.length);
});

// The bound of all

const BOUND = 4 * (CHANNEL + MESSAGE + 100);

Deno.test("HistoryStore past its bound drops the tail of the channel published to longest ago", () => {
  const rig = rigOf(BOUND);
  const data = "x".repeat(98);
  for (const name of ["a", "a", "b", "c"]) rig.publish(name, data);
  rig.publish("a", data); // now b is the one that was published to longest ago
  assertEquals([rig.hub.histories.dropped, rig.hub.histories.size], [0, 3]);
  rig.publish("d", data);
  assertEquals([kept(rig, "b"), kept(rig, "c").length, kept(rig, "a").length], [[], 1, 3]);
  assertEquals(rig.hub.histories.dropped, 1);
  assert(rig.hub.histories.bytes <= BOUND);
});

Deno.test("HistoryStore drops no more of a channel than it must", () => {
  const rig = rigOf(BOUND);
  for (let n = 1; n <= 3; n++) rig.publish("a", n + "x".repeat(1400));
  rig.publish("b", "x".repeat(98));
  assertEquals(kept(rig, "a").length, 2);
  assertEquals(rig.hub.positionOf("a"), null); // nobody is in it
  assertEquals(rig.hub.histories.get("a")?.offset, 3);
});

Deno.test("HistoryStore keeps nothing of a message that is larger than its bound", () => {
  const rig = rigOf(BOUND);
  const { transport } = rig.open(["a"]);
  rig.publish("b", 1);
  rig.publish("a", "x".repeat(BOUND));
  rig.endTurn();
  // All but that it is the first of its channel.
  assertEquals([[...rig.hub.histories.names()], rig.hub.histories.bytes], [["a"], CHANNEL]);
  assertEquals([rig.hub.wheel.size, rig.hub.histories.dropped], [1, 2]); // the session
  assertEquals(transport.data.length, 1);
});

Deno.test("HistoryStore goes on with the offset of a channel that somebody is in", () => {
  const rig = rigOf(BOUND);
  rig.open(["a"]);
  rig.publish("a", 1);
  const { epoch } = rig.hub.positionOf("a")!;
  rig.publish("b", "x".repeat(BOUND));
  assertEquals([[...rig.hub.histories.names()], kept(rig, "a")], [["b"], []]);
  rig.publish("a", 2);
  assertEquals(rig.hub.positionOf("a"), { epoch, offset: 2 });
  assertEquals(recovered(rig, "a", { epoch, offset: 1 }), [2]);
  assertEquals(recovered(rig, "a", { epoch, offset: 0 }), null);
});

Deno.test("HistoryStore gives what only the app publishes half of its bound, whatever browsers publish", () => {
  const rig = rigOf(BOUND);
  const data = "x".repeat(98);
  const talk = () => {
    rig.publish("talk", "x".repeat(BOUND));
    for (let n = 0; n < 50; n++) {
      rig.publish(`talk${n % 7}`, data);
      assert(rig.hub.histories.bytes <= BOUND);
    }
  };
  talk();
  assert(rig.hub.histories.bytes <= BOUND / 2);
  assertEquals(kept(rig, "talk0").length, 1); // the last of the fifty
  for (const name of ["a", "b"]) rig.publish(name, data);
  talk();
  assertEquals([kept(rig, "a").length, kept(rig, "b").length], [1, 1]);
});

Deno.test("HistoryStore gives what only the app publishes all that browsers leave", () => {
  const rig = rigOf(BOUND);
  const data = "x".repeat(98);
  for (const name of ["a", "b", "c", "d"]) rig.publish(name, data);
  assertEquals([rig.hub.histories.dropped, rig.hub.histories.bytes], [0, BOUND]);
  rig.publish("talk", "x".repeat(80));
  assertEquals([kept(rig, "talk").length, kept(rig, "a"), kept(rig, "b").length], [1, [], 1]);
  rig.publish("e", data); // makes room among its own
  assertEquals([kept(rig, "talk").length, kept(rig, "b"), kept(rig, "c").length], [1, [], 1]);
  for (let n = 0; n < 10; n++) rig.publish(`talk${n}`, data);
  assertEquals([kept(rig, "d").length, kept(rig, "e").length], [1, 1]);
});

// Recovery

Deno.test("Hub.recover() gives all that followed a position", () => {
  const rig = rigOf();
  rig.publish("chat", 1);
  const { epoch } = rig.hub.histories.get("chat")!;
  for (let n = 2; n <= 4; n++) rig.publish("chat", n);
  assertEquals(recovered(rig, "chat", { epoch, offset: 1 }), [2, 3, 4]);
  assertEquals(recovered(rig, "chat", { epoch, offset: 3 }), [4]);
  assertEquals(recovered(rig, "chat", { epoch, offset: 4 }), []);
  assertEquals([rig.hub.counters.recoveries, rig.hub.counters.recoveriesMissed], [3, 0]);
});

for (
  const [what, since] of [
    ["of another epoch", { epoch: "other", offset: 4 }],
    ["of no epoch", { epoch: "", offset: 4 }],
    ["in the future", { offset: 5 }],
    ["that is huge", { offset: Number.MAX_SAFE_INTEGER }],
    ["before what is kept", { offset: 0 }],
  ] as [string, Pick<Position, "offset"> & Partial<Position>][]
) {
  Deno.test(`Hub.recover() gives nothing from a position ${what}`, () => {
    const rig = rigOf();
    for (let n = 1; n <= 4; n++) rig.publish("chat", n);
    const { epoch } = rig.hub.histories.get("chat")!;
    assertEquals(recovered(rig, "chat", { epoch, ...since }), null);
    assertEquals([rig.hub.counters.recoveries, rig.hub.counters.recoveriesMissed], [0, 1]);
  });
}

Deno.test("Hub.recover() gives what was published while nobody was in the channel", () => {
  const rig = rigOf();
  const { session } = rig.open(["chat"]);
  rig.publish("chat", 1);
  const since = rig.hub.positionOf("chat")!;
  session.end(null);
  assertEquals(rig.hub.channels.size, 0);
  assertEquals(rig.publish("chat", 2), 0);
  assertEquals(recovered(rig, "chat", since), [2]);
});

Deno.test("Hub.recover() knows the position of a channel to which nothing was published yet", () => {
  const rig = rigOf();
  const { session } = rig.open(["chat"]);
  const since = rig.hub.positionOf("chat")!;
  assertEquals(since.offset, 0);
  assertEquals(recovered(rig, "chat", since), []);
  session.end(null);
  rig.hub.endAll();
  assertEquals(recovered(rig, "chat", since), []);
  rig.hub.endAll();
  rig.publish("chat", 1);
  assertEquals(recovered(rig, "chat", since), [1]);
});

Deno.test("Hub.recover() takes no position of a forgotten channel for one of its successor", () => {
  const rig = rigOf(BOUND);
  rig.publish("a", 1);
  const { position } = rig.hub.histories.get("a")!;
  rig.publish("b", "x".repeat(BOUND)); // drops all
  rig.publish("a", "other");
  assertNotEquals(rig.hub.histories.get("a")!.epoch, position.epoch);
  rig.publish("a", "another");
  assertEquals(recovered(rig, "a", position), null);
});

Deno.test("Hub.recover() takes no position of a channel whose last subscriber went after its messages", () => {
  const rig = rigOf(BOUND);
  const { session } = rig.open(["a"]);
  rig.publish("a", 1);
  const since = rig.hub.positionOf("a")!;
  rig.publish("b", "x".repeat(BOUND)); // drops all, while somebody is in it
  session.end(null);
  rig.publish("a", "other");
  assertEquals(recovered(rig, "a", since), null);
  assertEquals(recovered(rig, "a", { ...since, offset: 0 }), null);
});

Deno.test("Hub.recover() leaves out what was not for the session, or the one that it continues", () => {
  const rig = rigOf();
  const { session } = rig.open(["chat"]);
  const since = rig.hub.positionOf("chat")!;
  rig.publish("chat", "for all");
  rig.publish("chat", "for others", session.id);
  assertEquals(recovered(rig, "chat", since), ["for all", "for others"]);
  assertEquals(recovered(rig, "chat", since, session.id), ["for all"]);
  const { messages } = rig.hub.recover(session, "chat", since);
  assertEquals(messages.map(({ offset }) => offset), [1]);
});

Deno.test("Hub.publish() excepts the session that continues the one that is named", () => {
  const rig = rigOf();
  const first = rig.open(["chat"]).session;
  first.end(null);
  const second = rig.open(["chat"], { formerId: first.id });
  const other = rig.open(["chat"]);
  const since = rig.hub.positionOf("chat")!;
  assertEquals(rig.publish("chat", 1, first.id), 1);
  assertEquals(rig.publishToAll(2, first.id), 1);
  rig.endTurn();
  assertEquals([second.transport.data, other.transport.data], [[], [1, 2]]);
  // What was live not for the second is not for the third either.
  second.session.end(null);
  assertEquals(recovered(rig, "chat", since, second.session.id), []);
  const third = rig.open(["chat"], { formerId: second.session.id });
  assertEquals(rig.publish("chat", 3, first.id), rig.hub.channels.get("chat")!.size);
  third.session.end(null);
});

Deno.test("Hub.publish() excepts the session that continues another though that is not over yet", () => {
  const rig = rigOf();
  const old = rig.open(["chat"]).session;
  const heir = rig.open(["chat"], { formerId: old.id });
  rig.publish("chat", 1, old.id);
  rig.endTurn();
  assertEquals(heir.transport.data, []);
  heir.session.end(null);
  assertEquals(rig.publish("chat", 2, old.id), 0); // it is itself again
});

Deno.test("Hub.publish() excepts all that continue a session, and that one while it is there", () => {
  const rig = rigOf();
  const old = rig.open(["chat"]);
  const heirs = [1, 2].map(() => rig.open(["chat"], { formerId: old.session.id }));
  const other = rig.open(["chat"]);
  const since = rig.hub.positionOf("chat")!;
  assertEquals(rig.publish("chat", 1, old.session.id), 1);
  assertEquals(rig.publishToAll(2, old.session.id), 1);
  rig.endTurn();
  const data = [old, ...heirs, other].map(({ transport }) => transport.data);
  assertEquals(data, [[], [], [], [1, 2]]);
  for (const { session } of [old, ...heirs]) {
    assertEquals(recovered(rig, "chat", since, session.id), []);
  }
});

Deno.test("Hub.recover() gives up past 128 KiB, not counting what is not for the session", () => {
  const rig = rigOf();
  const data = "x".repeat(1022);
  const { session } = rig.open(["news"]);
  const since = rig.hub.positionOf("news")!;
  for (let n = 0; n < 64; n++) rig.publish("news", data + data);
  assertEquals(rig.hub.recover(session, "news", since).recovered, true);
  rig.publish("news", data, session.id);
  assertEquals(rig.hub.recover(session, "news", since).recovered, true);
  rig.publish("news", data);
  assertEquals(rig.hub.recover(session, "news", since), { recovered: false, messages: [] });
  assertEquals(rig.hub.recover(session, "news", { ...since, offset: 1 }).recovered, true);
});

// Against a plain model

interface Model {
  epoch: string;
  offset: number;
  kept: { offset: number; bytes: number; text: string; until: number }[];
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`HistoryStore keeps and counts what a plain model does, seed ${seed}`, () => {
    const random = new Random(seed);
    const maxBytes = 9000 + random.below(24_000);
    const size = 1 + random.below(50);
    const ttlMs = 1000 * (1 + random.below(200));
    const rig = new HubRig({
      historyBytes: maxBytes,
      rules: rulesOf(() => ({ clientsPublish: false, history: { size, ttlMs } })),
    });
    const { hub } = rig;
    const { codec } = rig.open().session;
    const reader = hub.openSession(codec);
    rig.attach(reader);
    const names = Array.from({ length: 12 }, (_, i) => `c${i}`);
    /** In the order of what was published last. */
    const stored = new Map<string, Model>();
    /** Those that somebody is in, kept or not. */
    const used = new Map<string, Model>();
    const positions: { name: string; position: Position }[] = [];
    const spent = new Set<string>();
    let now = 0;
    let n = 0;
    let bytes = 0;
    let dropped = 0;

    const expire = () => {
      for (const model of stored.values()) {
        while (model.kept.length > 0 && model.kept[0]!.until <= now) {
          bytes -= model.kept.shift()!.bytes;
        }
      }
    };
    const publish = (name: string) => {
      const text = `${n++}${"x".repeat(random.below(random.chance(0.05) ? 5000 : 300))}`;
      rig.publish(name, text);
      const model = used.get(name) ?? stored.get(name) ?? { epoch: "", offset: 0, kept: [] };
      if (!stored.delete(name)) bytes += channel(name);
      stored.set(name, model);
      const message = {
        offset: ++model.offset,
        bytes: text.length + 2 + MESSAGE,
        text,
        until: now + ttlMs,
      };
      model.kept.push(message);
      bytes += message.bytes;
      if (model.kept.length > size) bytes -= model.kept.shift()!.bytes;
      const real = hub.histories.get(name);
      const epoch = real?.epoch ?? hub.positionOf(name)?.epoch;
      if (model.epoch === "" && epoch !== undefined) {
        assert(!spent.has(`${name} ${epoch}`), "an epoch comes twice");
        model.epoch = epoch;
      }
      for (const [other, { kept, epoch }] of stored) {
        while (bytes > maxBytes && kept.length > 0) {
          bytes -= kept.shift()!.bytes;
          dropped++;
        }
        if (bytes <= maxBytes) break;
        stored.delete(other);
        bytes -= channel(other);
        if (!used.has(other)) spent.add(`${other} ${epoch}`);
      }
      if (model.epoch !== "") {
        positions.push({ name, position: { epoch: model.epoch, offset: model.offset } });
      }
    };
    const move = (name: string) => {
      const model = used.get(name);
      if (model === undefined) {
        hub.subscribe(reader, name);
        const { epoch, offset } = hub.positionOf(name)!;
        const known = stored.get(name);
        if (known === undefined) assert(!spent.has(`${name} ${epoch}`), "an epoch comes twice");
        assertEquals([epoch, offset], [known?.epoch ?? epoch, known?.offset ?? 0]);
        used.set(name, known ?? { epoch, offset, kept: [] });
        positions.push({ name, position: { epoch, offset } });
      } else {
        hub.unsubscribe(reader, name);
        used.delete(name);
        if (!stored.has(name) && model.offset > 0) spent.add(`${name} ${model.epoch}`);
      }
    };
    const recover = () => {
      if (positions.length === 0) return;
      const { name, position } = random.pick(random.chance(0.5) ? positions.slice(-20) : positions);
      if (!used.has(name)) move(name);
      const model = used.get(name)!;
      const { recovered, messages } = hub.recover(reader, name, position);
      const missed = model.offset - position.offset;
      assertEquals(
        recovered,
        position.epoch === model.epoch && missed >= 0 && missed <= model.kept.length,
      );
      if (!recovered) return;
      assertEquals(
        messages.map(({ offset, data }) => [offset, JSON.parse(data)]),
        model.kept.slice(model.kept.length - missed).map(({ offset, text }) => [offset, text]),
      );
    };

    for (let step = 0; step < 2500; step++) {
      const what = random.next();
      const name = random.pick(names);
      if (what < 0.6) publish(name);
      else if (what < 0.75) move(name);
      else if (what < 0.9) recover();
      else if (what < 0.98) {
        const seconds = 1 + random.below(5);
        now += seconds * 1000;
        reader.heard();
        rig.pass(seconds * 1000);
        expire();
      } else {
        const model = used.get(name) ?? stored.get(name);
        assertEquals(hub.clearHistory(name), model?.kept.length ?? 0);
        for (const { bytes: each } of model?.kept.splice(0) ?? []) bytes -= each;
      }
      assertEquals([hub.histories.bytes, hub.histories.dropped], [bytes, dropped]);
      assertEquals([...hub.histories.names()], [...stored.keys()]);
    }
    hub.endAll();
    rig.pass(ttlMs + 64_000);
    assertEquals([hub.wheel.size, rig.scheduled, hub.channels.size], [0, 0, 0]);
    const all = [...hub.histories.names()].reduce((sum, name) => sum + channel(name), 0);
    assertEquals(hub.histories.bytes, all);
  });
}
