/**
 * Readers that are slow, in channels whose rule lets messages be dropped for them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { FakeTransport } from "../../tests/support/fake_transport.ts";
import { HubRig, type RigOptions, rulesOf } from "../../tests/support/hub_rig.ts";
import { Random } from "../../tests/support/random.ts";
import { legacyCodec } from "../protocol/legacy.ts";
import { nativeCodec } from "../protocol/native.ts";
import type { Session } from "./session.ts";

const BOUND = 1000;

/** A hub with a small bound; the name of a channel begins with its policy. */
function rigOf(options: RigOptions = {}): HubRig {
  const { bounds, ...others } = options;
  return new HubRig({
    bounds: { unwrittenBytes: BOUND, pingMs: 1e9, ...bounds },
    rules: rulesOf((name) => ({
      slow: name.startsWith("drop") || name === "/all"
        ? "drop_oldest"
        : name.startsWith("latest")
        ? "keep_latest"
        : "close",
    })),
    ...others,
  });
}

/** Text of about a tenth of the bound. */
const message = (n: number) => `${n} ${"x".repeat(60)}`;

/** What came, in short: numbers of messages, `gap 3`, `channel: ...` for another than the first. */
function short({ frames }: { readonly frames: readonly string[] }): unknown[] {
  return frames.map((frame) => {
    const { data, gap, ok } = JSON.parse(frame);
    if (gap) return `gap ${gap.missed}`;
    return ok ? "ok" : parseInt(data);
  });
}

/** One who took the first message and takes no more. */
function stuck(rig: HubRig, channels: readonly string[]) {
  const { session, transport } = rig.open(channels, { capacity: 1 });
  session.send(nativeCodec.ok(1, "{}"));
  rig.endTurn();
  return { session, transport };
}

/** The reader reads all again. */
function unblock(rig: HubRig, transport: FakeTransport): unknown[] {
  transport.drain();
  rig.retry();
  rig.endTurn();
  return short(transport).slice(1);
}

Deno.test("drop_oldest drops a slow reader's oldest messages, says how many, and keeps its session", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["drop"]);
  for (let n = 1; n <= 15; n++) {
    rig.publish("drop", message(n));
    rig.endTurn();
    rig.pass(1000);
  }
  assert(session.outbox.unwrittenBytes <= BOUND);
  const { messagesDropped, slowReaders } = rig.hub.counters;
  assertEquals(slowReaders, 0);
  const told = unblock(rig, transport);
  assertEquals(told[0], `gap ${messagesDropped}`);
  assertEquals(
    told.slice(1),
    Array.from({ length: 15 - messagesDropped }, (_, i) => i + messagesDropped + 1),
  );
  assert(messagesDropped >= 5 && messagesDropped < 15);
});

Deno.test("drop_oldest tells of all that was dropped in one gap, however often it had to drop", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["drop"]);
  for (let n = 1; n <= 500; n++) {
    rig.publish("drop", message(n));
    if (n % 3 === 0) rig.endTurn();
    assert(session.outbox.unwrittenBytes <= BOUND);
  }
  rig.endTurn();
  const told = unblock(rig, transport);
  const missed = 500 - (told.length - 1);
  assertEquals(told, [
    `gap ${missed}`,
    ...Array.from({ length: 500 - missed }, (_, i) => missed + i + 1),
  ]);
  assertEquals(rig.hub.counters.messagesDropped, missed);
});

Deno.test("drop_oldest drops nothing of what may not be dropped, and keeps the order of what stays", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["drop-a", "close", "drop-b"]);
  const order: [string, number][] = [
    ["drop-a", 1],
    ["close", 2],
    ["drop-b", 3],
    ["drop-a", 4],
    ["close", 5],
    ["drop-b", 6],
  ];
  for (const [channel, n] of order) rig.publish(channel, message(n));
  rig.hub.sendTo(session, nativeCodec.ok(2, "{}"));
  for (let n = 7; n <= 11; n++) rig.publish("drop-a", message(n));
  rig.endTurn();
  const told = unblock(rig, transport);
  const frames = transport.frames.slice(1).map((frame) => JSON.parse(frame));
  assertEquals(told.filter((each) => each === 2 || each === 5 || each === "ok"), [2, 5, "ok"]);
  // The gap stands where the first of the dropped did.
  assertEquals([frames[0].channel, frames[0].gap !== undefined, told[1]], ["drop-a", true, 2]);
  const missed = frames.reduce((sum, { gap }) => sum + (gap?.missed ?? 0), 0);
  assertEquals(missed + told.filter((each) => typeof each === "number").length, 11);
  assertEquals(missed, rig.hub.counters.messagesDropped);
});

Deno.test("drop_oldest does not save a reader for whom too much waits that may not be dropped", () => {
  const rig = rigOf();
  const { session } = stuck(rig, ["drop", "close"]);
  for (let n = 1; n <= 15; n++) {
    rig.publish("close", message(n));
    rig.publish("drop", message(n));
    rig.endTurn();
  }
  rig.pass(1000);
  rig.retry();
  assertEquals([session.ended, rig.hub.counters.slowReaders], [true, 1]);
});

Deno.test("drop_oldest holds for the channel of all", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, []);
  for (let n = 1; n <= 30; n++) {
    rig.publishToAll(message(n));
    rig.endTurn();
  }
  const told = unblock(rig, transport);
  const { channel, gap } = JSON.parse(transport.frames[1]!);
  assertEquals([channel, gap.missed + told.length - 1, session.ended], ["/all", 30, false]);
});

Deno.test("drop_oldest holds for who is away, and what comes back counts its frames right", () => {
  const rig = rigOf();
  const { session, transport } = rig.open(["drop"]);
  for (let n = 1; n <= 3; n++) rig.publish("drop", message(n));
  rig.endTurn();
  session.detach(transport);
  for (let n = 4; n <= 40; n++) {
    rig.publish("drop", message(n));
    rig.endTurn();
  }
  assert(session.acknowledge(0)); // the three were lost on the way
  const second = rig.attach(session);
  const told = short(second);
  assertEquals([second.from, told.slice(0, 3)], [0, [1, 2, 3]]);
  const missed = Number(/\d+/.exec(`${told[3]}`)![0]);
  assertEquals(told.slice(4), Array.from({ length: 37 - missed }, (_, i) => missed + i + 4));
  assertEquals(session.outbox.handed, told.length);
  assert(session.acknowledge(told.length));
  rig.publish("drop", message(41));
  rig.endTurn();
  const third = rig.attach(session);
  assertEquals([third.from, short(third)], [told.length, [41]]);
});

Deno.test("drop_oldest drops nothing that was handed over and is to be repeated", () => {
  const rig = rigOf();
  const { session, transport } = rig.open(["drop"]);
  for (let n = 1; n <= 5; n++) {
    rig.publish("drop", message(n));
    rig.endTurn();
  }
  session.detach(transport);
  const second = rig.attach(session, { capacity: 1 }); // takes the first again, and no more
  for (let n = 6; n <= 30; n++) {
    rig.publish("drop", message(n));
    rig.endTurn();
  }
  second.drain();
  rig.retry();
  const told = short(second);
  assertEquals(told.slice(0, 5), [1, 2, 3, 4, 5]);
  assertEquals(told[5], `gap ${rig.hub.counters.messagesDropped}`);
  assertEquals(told.at(-1), 30);
});

Deno.test("drop_oldest says nothing of messages of a channel that was left meanwhile", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["drop-a", "drop-b"]);
  for (let n = 1; n <= 5; n++) rig.publish("drop-a", message(n));
  rig.hub.unsubscribe(session, "drop-a");
  for (let n = 6; n <= 30; n++) {
    rig.publish("drop-b", message(n));
    rig.endTurn();
  }
  unblock(rig, transport);
  const gaps = transport.frames.map((frame) => JSON.parse(frame)).filter(({ gap }) => gap);
  assertEquals(gaps.map(({ channel }) => channel), ["drop-b"]);
});

Deno.test("drop_oldest drops without a word for who knows none, and counts each once", () => {
  const rig = rigOf();
  const session = rig.hub.openSession(legacyCodec);
  rig.hub.subscribe(session, "drop");
  const transport = rig.attach(session, { capacity: 1 });
  for (let n = 1; n <= 100; n++) {
    rig.publish("drop", message(n));
    rig.endTurn();
  }
  transport.drain();
  rig.retry();
  assertEquals(transport.entries.length + rig.hub.counters.messagesDropped, 100);
});

Deno.test("keep_latest brings a reader that is behind the latest message, and how many it missed", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["latest"]);
  for (let n = 1; n <= 100; n++) {
    rig.publish("latest", n);
    if (n % 7 === 0) rig.endTurn();
  }
  rig.endTurn();
  assert(session.outbox.unwrittenBytes < 200);
  assertEquals(unblock(rig, transport), ["gap 99", 100]);
  assertEquals(rig.hub.counters.messagesDropped, 99);
});

Deno.test("keep_latest brings every message to who keeps up, all of a turn included", () => {
  const rig = rigOf();
  const { transport } = rig.open(["latest"]);
  for (let n = 1; n <= 50; n++) rig.publish("latest", n);
  rig.endTurn();
  assertEquals([short(transport).length, rig.hub.counters.messagesDropped], [50, 0]);
});

Deno.test("keep_latest of a channel leaves others alone", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["latest-a", "latest-b", "close"]);
  for (const n of [1, 2, 3]) {
    for (const channel of ["latest-a", "close", "latest-b"]) {
      rig.publish(channel, n);
      rig.endTurn();
    }
    rig.hub.sendTo(session, nativeCodec.ok(n + 1, "{}"));
  }
  // Each first one came as the reader was not known to be behind yet.
  const told = unblock(rig, transport);
  assertEquals(told.filter((each) => each === "ok").length, 3);
  const of = (channel: string) =>
    transport.frames.slice(1).filter((frame) => frame.includes(`"${channel}"`)).map((frame) =>
      short({ frames: [frame] })[0]
    );
  assertEquals(of("close"), [1, 2, 3]);
  assertEquals([of("latest-a"), of("latest-b")], [["gap 2", 3], ["gap 2", 3]]);
});

Deno.test("keep_latest brings who polls all there is between two polls, and past 4 KiB the latest", () => {
  const rig = rigOf({ bounds: { unwrittenBytes: 256 * 1024 } });
  const { session, transport } = rig.open(["latest"], { oneShot: true });
  for (let n = 1; n <= 10; n++) {
    rig.publish("latest", message(n));
    rig.endTurn();
  }
  assertEquals(short(transport), [1]);
  session.acknowledge(1);
  const second = rig.attach(session, { oneShot: true });
  assertEquals(short(second), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
  session.acknowledge(10);
  for (let n = 11; n <= 100; n++) {
    rig.publish("latest", message(n));
    rig.endTurn();
  }
  const third = rig.attach(session, { oneShot: true });
  const told = short(third);
  const { messagesDropped } = rig.hub.counters;
  assert(messagesDropped > 0);
  // What was replaced is gone; what came after that fits again.
  assertEquals(told[0], `gap ${messagesDropped}`);
  assertEquals(
    told.slice(1),
    Array.from({ length: 90 - messagesDropped }, (_, i) => 11 + messagesDropped + i),
  );
});

Deno.test("keep_latest counts what is not for a session as nothing that it missed", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["latest"]);
  rig.publish("latest", 1);
  rig.endTurn();
  for (let n = 2; n <= 9; n++) rig.publish("latest", n, session.id);
  rig.publish("latest", 10);
  rig.endTurn();
  assertEquals(unblock(rig, transport), ["gap 1", 10]);
});

Deno.test("keep_latest tells positions as they are, so that what was missed can be recovered", () => {
  const rig = new HubRig({
    rules: rulesOf(() => ({ slow: "keep_latest", history: { size: 100, ttlMs: 1e6 } })),
  });
  const { session, transport } = stuck(rig, ["latest"]);
  const { epoch } = rig.hub.positionOf("latest")!;
  for (let n = 1; n <= 5; n++) rig.publish("latest", n);
  rig.endTurn();
  for (let n = 6; n <= 9; n++) rig.publish("latest", n);
  rig.endTurn();
  unblock(rig, transport);
  assertEquals(JSON.parse(transport.frames.at(-1)!), { channel: "latest", data: 9, offset: 9 });
  const { messages } = rig.hub.recover(session, "latest", { epoch, offset: 0 });
  assertEquals(messages.length, 9);
});

Deno.test("keep_latest keeps the latest of each channel where room is made for others", () => {
  const rig = rigOf();
  const { session, transport } = stuck(rig, ["latest", "drop"]);
  rig.publish("latest", 7);
  for (let n = 1; n <= 50; n++) {
    rig.publish("drop", message(n));
    rig.endTurn();
  }
  assert(session.outbox.unwrittenBytes <= BOUND);
  assertEquals(unblock(rig, transport).slice(0, 1), [7]);
});

for (const channel of ["drop", "latest"]) {
  Deno.test(`A gap tells nothing of the time before its reader left and came back: ${channel}`, () => {
    const rig = rigOf();
    const { session, transport } = stuck(rig, [channel]);
    for (let n = 1; n <= 5; n++) {
      rig.publish(channel, message(n));
      rig.endTurn();
    }
    rig.hub.unsubscribe(session, channel);
    rig.hub.sendTo(session, nativeCodec.ok(2, "{}"));
    rig.hub.subscribe(session, channel);
    rig.hub.sendTo(session, nativeCodec.ok(3, "{}"));
    for (let n = 6; n <= 15; n++) {
      rig.publish(channel, message(n));
      rig.endTurn();
    }
    const told = unblock(rig, transport);
    const counted = told.slice(told.lastIndexOf("ok") + 1).map((each) =>
      typeof each === "number" ? 1 : Number(/\d+/.exec(`${each}`)![0])
    );
    assertEquals(counted.reduce((sum, each) => sum + each, 0), 10);
  });
}

// Readers that count

/** A page with a bad line that counts what it saw and what it is told that it missed. */
class Page {
  readonly published = new Map<string, number>();
  readonly counted = new Map<string, number>();
  readonly last = new Map<string, number>();
  missed = 0;
  transport: FakeTransport | null = null;
  #read = 0;
  taken = 0;

  constructor(readonly session: Session) {}

  attach(rig: HubRig, options: { oneShot?: boolean; capacity?: number }): void {
    assert(this.session.acknowledge(this.taken));
    this.transport = rig.attach(this.session, options);
    this.#read = 0;
    assert(this.transport.from <= this.taken, "a hole in what it is given");
  }

  read(): void {
    const { transport } = this;
    for (const frame of transport?.frames.slice(this.#read) ?? []) {
      this.#read++;
      if (transport!.from + this.#read <= this.taken) continue;
      this.taken++;
      const { channel, gap, data } = JSON.parse(frame);
      const seen = this.counted.get(channel) ?? 0;
      if (gap) {
        assert(gap.missed > 0);
        this.missed += gap.missed;
        this.counted.set(channel, seen + gap.missed);
        continue;
      }
      this.counted.set(channel, seen + 1);
      const n = parseInt(data);
      assert(n > (this.last.get(channel) ?? -1), "out of order");
      this.last.set(channel, n);
    }
  }
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`Readers that are slow can tell what they saw and missed of all, seed ${seed}`, () => {
    const random = new Random(seed);
    const unwrittenBytes = 600 + random.below(3000);
    const rig = rigOf({
      bounds: { unwrittenBytes, unacknowledgedBytes: 1e9, graceMs: 1e9, pingMs: 1e9 },
    });
    const channels = ["drop-a", "drop-b", "latest-a", "latest-b", "/all"];
    const way = () => ({
      oneShot: random.chance(0.3),
      capacity: random.chance(0.6) ? 1 + random.below(400) : Infinity,
    });
    const pages = Array.from({ length: 6 }, () => {
      const page = new Page(rig.hub.openSession(nativeCodec));
      for (const name of channels.slice(0, 4)) rig.hub.subscribe(page.session, name);
      page.attach(rig, way());
      return page;
    });
    let published = 0;
    for (let step = 0; step < 3000; step++) {
      const page = random.pick(pages);
      const what = random.next();
      if (what < 0.6) {
        const channel = random.pick(channels);
        const text = `${++published} ${"x".repeat(random.below(100))}`;
        const except = random.chance(0.1) ? random.pick(pages).session.id : undefined;
        if (channel === "/all") rig.publishToAll(text, except);
        else rig.publish(channel, text, except);
        for (const each of pages) {
          if (each.session.id === except) continue;
          each.published.set(channel, (each.published.get(channel) ?? 0) + 1);
        }
      } else if (what < 0.75) rig.endTurn();
      else if (what < 0.8) rig.retry();
      else if (what < 0.85) page.transport?.drain(random.below(600));
      else if (what < 0.9) page.read();
      else if (what < 0.95) {
        if (page.transport !== null) page.session.detach(page.transport);
        page.transport = null;
      } else page.attach(rig, way());
      for (const { session } of pages) {
        // A batch may be longer than the bound, and each channel's gap stands besides.
        assert(session.outbox.unwrittenBytes <= unwrittenBytes + 300, "more waits than may");
      }
    }
    rig.endTurn();
    for (const page of pages) {
      assertEquals(page.session.ended, false);
      page.attach(rig, {});
      page.read();
      assertEquals(
        channels.map((name) => [name, page.counted.get(name) ?? 0]),
        channels.map((name) => [name, page.published.get(name) ?? 0]),
      );
    }
    assert(rig.hub.counters.messagesDropped > 0);
    const missed = pages.reduce((sum, page) => sum + page.missed, 0);
    assertEquals(rig.hub.counters.messagesDropped, missed);
    rig.hub.endAll();
    rig.retry();
    rig.endTurn();
    assertEquals([rig.hub.wheel.size, rig.scheduled], [0, 0]);
    assertEquals(rig.hub.queued.bytes, 0);
  });
}
