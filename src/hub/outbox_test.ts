import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/support/random.ts";
import { Channel } from "./channel.ts";
import { Entry } from "./entry.ts";
import { Outbox } from "./outbox.ts";
import { type ChannelRule, OPEN_RULE } from "./rules.ts";

/** An entry of so many frames that tells, by its text, which they are. */
function frames(first: number, count = 1): Entry {
  return new Entry(Array.from({ length: count }, (_, i) => `f${first + i}`).join("\n"), count);
}

/** Hands everything that waits to the transport. @returns What it was given. */
function handOver(outbox: Outbox): string[] {
  const texts: string[] = [];
  for (let entry = outbox.peek(); entry !== undefined; entry = outbox.peek()) {
    texts.push(entry.text);
    outbox.advance();
  }
  return texts;
}

Deno.test("Outbox gives entries in order, each once", () => {
  const outbox = new Outbox();
  outbox.add(frames(1));
  outbox.add(frames(2));
  assertEquals(handOver(outbox), ["f1", "f2"]);
  outbox.add(frames(3));
  assertEquals(handOver(outbox), ["f3"]);
  assertEquals(outbox.handed, 3);
});

Deno.test("Outbox.rewind() starts again at the first frame that is not acknowledged", () => {
  const outbox = new Outbox();
  for (let i = 1; i <= 4; i++) outbox.add(frames(i));
  handOver(outbox);
  outbox.acknowledge(2);
  outbox.rewind();
  assertEquals(outbox.from, 2);
  assertEquals(handOver(outbox), ["f3", "f4"]);
  assertEquals(outbox.handed, 4);
});

Deno.test("Outbox.acknowledge() keeps an entry whole that was taken in part", () => {
  const outbox = new Outbox();
  outbox.add(frames(1, 3));
  outbox.add(frames(4, 2));
  handOver(outbox);
  outbox.acknowledge(4);
  outbox.rewind();
  assertEquals(outbox.from, 3);
  assertEquals(handOver(outbox), ["f4\nf5"]);
});

Deno.test("Outbox.acknowledge() refuses what was never handed over", () => {
  const outbox = new Outbox();
  outbox.add(frames(1));
  outbox.add(frames(2));
  outbox.advance();
  assertEquals(outbox.acknowledge(2), false);
  assertEquals(outbox.acknowledge(1), true);
  assertEquals(outbox.base, 1);
});

Deno.test("Outbox.acknowledge() of less than before changes nothing", () => {
  const outbox = new Outbox();
  for (let i = 1; i <= 3; i++) outbox.add(frames(i));
  handOver(outbox);
  outbox.acknowledge(3);
  assertEquals(outbox.acknowledge(1), true);
  assertEquals([outbox.base, outbox.from, outbox.handed], [3, 3, 3]);
});

Deno.test("Outbox skips what is acknowledged while it is being repeated", () => {
  const outbox = new Outbox();
  for (let i = 1; i <= 4; i++) outbox.add(frames(i));
  handOver(outbox);
  outbox.rewind();
  outbox.advance();
  outbox.acknowledge(3); // said on the old transport, come late
  assertEquals(outbox.from, 3);
  assertEquals(handOver(outbox), ["f4"]);
});

Deno.test("Outbox.trim() lets the oldest go until the rest fits", () => {
  const outbox = new Outbox();
  for (let i = 1; i <= 5; i++) outbox.add(frames(i));
  handOver(outbox);
  outbox.trim(4);
  assertEquals([outbox.unacknowledgedBytes, outbox.base], [4, 3]);
  outbox.rewind();
  assertEquals(handOver(outbox), ["f4", "f5"]);
});

Deno.test("Outbox.trim() leaves what the transport has yet to repeat", () => {
  const outbox = new Outbox();
  for (let i = 1; i <= 4; i++) outbox.add(frames(i));
  handOver(outbox);
  outbox.rewind();
  outbox.advance();
  outbox.trim(0);
  assertEquals(outbox.base, 1);
  assertEquals(handOver(outbox), ["f2", "f3", "f4"]);
});

Deno.test("Outbox.trim() leaves what no transport has taken", () => {
  const outbox = new Outbox();
  outbox.add(frames(1));
  outbox.advance();
  outbox.add(frames(2));
  outbox.trim(0);
  assertEquals([outbox.unacknowledgedBytes, outbox.unwrittenBytes], [0, 2]);
  assertEquals(handOver(outbox), ["f2"]);
});

Deno.test("Outbox counts bytes in UTF-8, and back to nothing", () => {
  const outbox = new Outbox();
  outbox.add(new Entry('"€"', 1));
  assertEquals([outbox.unwrittenBytes, outbox.unacknowledgedBytes], [5, 0]);
  outbox.advance();
  assertEquals([outbox.unwrittenBytes, outbox.unacknowledgedBytes], [0, 5]);
  outbox.rewind();
  outbox.advance();
  assertEquals([outbox.unwrittenBytes, outbox.unacknowledgedBytes], [0, 5]);
  outbox.acknowledge(1);
  assertEquals([outbox.unwrittenBytes, outbox.unacknowledgedBytes], [0, 0]);
});

Deno.test("Outbox.clear() lets everything go", () => {
  const outbox = new Outbox();
  for (let i = 1; i <= 4; i++) outbox.add(frames(i));
  outbox.advance();
  outbox.clear();
  assertEquals([outbox.unwrittenBytes, outbox.unacknowledgedBytes], [0, 0]);
  assertEquals(outbox.peek(), undefined);
});

/** The same as an Outbox, by nothing but lists: what it should do, as plainly as it can be said. */
class Model {
  /** All entries ever added, with the number of their last frame; `gone` of them are let go. */
  readonly entries: { entry: Entry; end: number }[] = [];
  gone = 0;
  cursor = 0;
  high = 0;

  add(entry: Entry): void {
    this.entries.push({ entry, end: this.endOf(this.entries.length) + entry.lines });
  }

  /** How many frames the first `count` entries hold. */
  endOf(count: number): number {
    return count === 0 ? 0 : this.entries[count - 1]!.end;
  }

  advance(): void {
    this.cursor++;
    this.high = Math.max(this.high, this.cursor);
  }

  letGoTo(count: number): void {
    this.gone = Math.max(this.gone, count);
    this.cursor = Math.max(this.cursor, this.gone);
  }

  acknowledge(received: number): boolean {
    if (received > this.endOf(this.high)) return false;
    this.letGoTo(this.entries.slice(0, this.high).filter(({ end }) => end <= received).length);
    return true;
  }

  trim(bytes: number): void {
    while (this.unacknowledged() > bytes && this.gone < this.cursor) this.letGoTo(this.gone + 1);
  }

  unacknowledged(): number {
    return sum(this.entries.slice(this.gone, this.high));
  }

  unwritten(): number {
    return sum(this.entries.slice(this.high));
  }
}

function sum(entries: readonly { entry: Entry }[]): number {
  return entries.reduce((bytes, { entry }) => bytes + entry.bytes, 0);
}

for (let seed = 1; seed <= 40; seed++) {
  Deno.test(`Outbox does as a plain list does, seed ${seed}`, () => {
    const random = new Random(seed);
    const outbox = new Outbox();
    const model = new Model();
    // Some runs hardly ever acknowledge, so that the array grows and is cut.
    const eager = random.pick([0.02, 0.1, 0.3]);
    for (let step = 0; step < 2000; step++) {
      const what = random.next();
      if (what < eager) {
        const received = random.below(model.endOf(model.high) + 3);
        assertEquals(outbox.acknowledge(received), model.acknowledge(received));
      } else if (what < eager + 0.02) {
        outbox.rewind();
        model.cursor = model.gone;
      } else if (what < eager + 0.05) {
        const bytes = random.below(200);
        outbox.trim(bytes);
        model.trim(bytes);
      } else if (what < 0.65) {
        const entry = frames(model.endOf(model.entries.length) + 1, 1 + random.below(4));
        outbox.add(entry);
        model.add(entry);
      } else if (model.cursor < model.entries.length) {
        assertEquals(outbox.peek(), model.entries[model.cursor]!.entry);
        outbox.advance();
        model.advance();
      }
      assertEquals(
        [outbox.peek(), outbox.base, outbox.from, outbox.handed],
        [
          model.entries[model.cursor]?.entry,
          model.endOf(model.gone),
          model.endOf(model.cursor),
          model.endOf(model.high),
        ],
        `step ${step}`,
      );
      assertEquals(
        [outbox.unacknowledgedBytes, outbox.unwrittenBytes],
        [model.unacknowledged(), model.unwritten()],
        `step ${step}`,
      );
    }
    handOver(outbox);
    assertEquals(outbox.acknowledge(outbox.handed), true);
    assertEquals([outbox.unacknowledgedBytes, outbox.unwrittenBytes], [0, 0]);
  });
}

// What may be dropped

/** A channel of a rule; `looks` counts how often that is asked for. */
function channelOf(slow: ChannelRule["slow"], looks = { count: 0 }): Channel {
  const rule = {
    ...OPEN_RULE,
    get slow() {
      looks.count++;
      return slow;
    },
  };
  return new Channel(slow, { rule, history: null, presence: null });
}

const gap = (channel: Channel, missed: number) => new Entry(`gap ${missed}`, 1, channel, missed);

Deno.test("Outbox.dropWaiting() puts one gap in the place of the first, and counts each message once", () => {
  const outbox = new Outbox();
  const channel = channelOf("drop_oldest");
  outbox.add(new Entry("reply", 1));
  for (let n = 1; n <= 4; n++) outbox.add(new Entry(`m${n}\nn${n}`, 2, channel));
  outbox.dropWaiting(15, gap);
  outbox.add(new Entry("m5\nn5", 2, channel));
  outbox.dropWaiting(10, gap);
  assertEquals(outbox.dropped, 8);
  assertEquals(outbox.unwrittenBytes, "replygap 8m5 n5".length);
  assertEquals(handOver(outbox), ["reply", "gap 8", "m5\nn5"]);
  assertEquals([outbox.unwrittenBytes, outbox.handed], [0, 4]);
});

Deno.test("Outbox.dropWaiting() touches nothing that is handed over or to be repeated", () => {
  const outbox = new Outbox();
  const channel = channelOf("drop_oldest");
  for (let n = 1; n <= 3; n++) outbox.add(new Entry(`m${n}`, 1, channel));
  handOver(outbox);
  outbox.rewind();
  outbox.advance();
  for (let n = 4; n <= 6; n++) outbox.add(new Entry(`m${n}`, 1, channel));
  outbox.dropWaiting(0, gap);
  assertEquals(outbox.from, 1);
  assertEquals(handOver(outbox), ["m2", "m3", "gap 3"]);
  assertEquals(outbox.acknowledge(4), true);
  assertEquals(outbox.unacknowledgedBytes, 0);
});

Deno.test("Outbox.dropWaiting() spares the latest of a channel that keeps it", () => {
  const outbox = new Outbox();
  const channel = channelOf("keep_latest");
  for (let n = 1; n <= 3; n++) outbox.add(new Entry(`m${n}`, 1, channel));
  outbox.dropWaiting(0, gap);
  assertEquals(handOver(outbox), ["gap 2", "m3"]);
});

Deno.test("Outbox.keepWaiting() has what waits stay", () => {
  const outbox = new Outbox();
  const channel = channelOf("drop_oldest");
  for (let n = 1; n <= 3; n++) outbox.add(new Entry(`m${n}`, 1, channel));
  outbox.dropWaiting(2, gap);
  outbox.keepWaiting("drop_oldest");
  outbox.add(new Entry("m4", 1, channel));
  assertEquals(outbox.removeWaiting(channel), 1);
  outbox.dropWaiting(0, gap);
  assertEquals(handOver(outbox), ["gap 2", "m3"]);
});

Deno.test("Outbox.dropWaiting() does not look through all that waits where nothing new may go", () => {
  const looks = { count: 0 };
  const outbox = new Outbox();
  outbox.add(new Entry("latest", 1, channelOf("keep_latest")));
  const channel = channelOf("close", looks);
  for (let n = 0; n < 5000; n++) {
    outbox.add(new Entry(`m${n}`, 1, channel));
    outbox.dropWaiting(10, gap);
  }
  assert(looks.count < 20_000, `${looks.count} looks`);
});
