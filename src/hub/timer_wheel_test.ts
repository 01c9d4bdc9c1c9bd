import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/support/random.ts";
import { type Timed, TimerWheel } from "./timer_wheel.ts";

class Item implements Timed {
  dueAt = 0;
  slot = -1;
  /** The times at which it was woken. */
  readonly wokenAt: number[] = [];

  constructor(private readonly then: (now: number) => void = () => {}) {}

  onTimer(now: number): void {
    this.wokenAt.push(now);
    this.then(now);
  }
}

/** Advances second by second, as a server's ticker does. */
function advanceTo(wheel: TimerWheel, from: number, to: number): void {
  for (let now = from; now <= to; now += 1000) wheel.advance(now);
}

Deno.test("TimerWheel wakes an item once, at or up to a second after it is due", () => {
  const wheel = new TimerWheel(0);
  const item = new Item();
  wheel.schedule(item, 2500);
  wheel.advance(2499);
  assertEquals(item.wokenAt, []);
  wheel.advance(3000);
  wheel.advance(4000);
  assertEquals(item.wokenAt, [3000]);
  assertEquals(wheel.size, 0);
});

Deno.test("TimerWheel wakes what was due in the past with the next second", () => {
  const wheel = new TimerWheel(10_000);
  const item = new Item();
  wheel.schedule(item, 3000);
  wheel.advance(10_999);
  assertEquals(item.wokenAt, []);
  wheel.advance(11_000);
  assertEquals(item.wokenAt, [11_000]);
});

Deno.test("TimerWheel.schedule() moves an item that waits already", () => {
  const wheel = new TimerWheel(0);
  const item = new Item();
  wheel.schedule(item, 2000);
  wheel.schedule(item, 5000);
  assertEquals(wheel.size, 1);
  advanceTo(wheel, 0, 10_000);
  assertEquals(item.wokenAt, [5000]);
});

Deno.test("TimerWheel.cancel() forgets an item, and does nothing twice", () => {
  const wheel = new TimerWheel(0);
  const item = new Item();
  wheel.schedule(item, 2000);
  wheel.cancel(item);
  wheel.cancel(item);
  assertEquals([wheel.size, item.slot], [0, -1]);
  advanceTo(wheel, 0, 5000);
  assertEquals(item.wokenAt, []);
});

for (const dueAt of [63_000, 64_000, 65_000, 127_500, 3_600_000]) {
  Deno.test(`TimerWheel wakes at ${dueAt} ms, beyond one turn of its slots, not before`, () => {
    const wheel = new TimerWheel(0);
    const item = new Item();
    wheel.schedule(item, dueAt);
    advanceTo(wheel, 0, dueAt + 70_000);
    assertEquals(item.wokenAt, [Math.ceil(dueAt / 1000) * 1000]);
  });
}

Deno.test("TimerWheel wakes all that came due while the machine slept", () => {
  const wheel = new TimerWheel(0);
  const items = [1000, 30_000, 62_000, 90_000].map((dueAt) => {
    const item = new Item();
    wheel.schedule(item, dueAt);
    return item;
  });
  wheel.advance(10 * 3_600_000);
  assertEquals(items.map((item) => item.wokenAt.length), [1, 1, 1, 1]);
  assertEquals(wheel.size, 0);
});

Deno.test("TimerWheel wakes an item again that schedules itself", () => {
  const wheel = new TimerWheel(0);
  const item: Item = new Item((now) => wheel.schedule(item, now + 25_000));
  wheel.schedule(item, 25_000);
  advanceTo(wheel, 0, 100_000);
  assertEquals(item.wokenAt, [25_000, 50_000, 75_000, 100_000]);
});

Deno.test("TimerWheel does not wake an item that another has cancelled in the same second", () => {
  const wheel = new TimerWheel(0);
  const second = new Item();
  const first = new Item(() => wheel.cancel(second));
  wheel.schedule(first, 1000);
  wheel.schedule(second, 1000);
  wheel.advance(1000);
  assertEquals([first.wokenAt.length, second.wokenAt.length], [1, 0]);
});

Deno.test("TimerWheel does not wake an item that another has moved in the same second", () => {
  const wheel = new TimerWheel(0);
  const second = new Item();
  const first = new Item(() => wheel.schedule(second, 65_000));
  wheel.schedule(first, 1000);
  wheel.schedule(second, 1000);
  wheel.advance(1000);
  assertEquals(second.wokenAt, []);
  advanceTo(wheel, 2000, 70_000);
  assertEquals(second.wokenAt, [65_000]);
});

Deno.test("TimerWheel does nothing when the clock stands still or goes back", () => {
  const wheel = new TimerWheel(5000);
  const item = new Item();
  wheel.schedule(item, 6000);
  wheel.advance(5000);
  wheel.advance(1000);
  assertEquals(item.wokenAt, []);
  wheel.advance(6000);
  assertEquals(item.wokenAt, [6000]);
});

for (let seed = 1; seed <= 30; seed++) {
  Deno.test(`TimerWheel wakes everything in its time, seed ${seed}`, () => {
    const random = new Random(seed);
    let now = random.below(100_000);
    const wheel = new TimerWheel(now);
    /** When each item that waits is due, as a plain map has it. */
    const due = new Map<Item, number>();
    const items: Item[] = Array.from({ length: 50 }, () => {
      const item: Item = new Item((at) => {
        assert(due.has(item), "woken without cause");
        assert(due.get(item)! <= at, "woken too early");
        due.delete(item);
        if (random.chance(0.3)) schedule(item);
      });
      return item;
    });
    function schedule(item: Item): void {
      const dueAt = now + random.below(random.pick([2000, 30_000, 200_000])) - 500;
      wheel.schedule(item, dueAt);
      due.set(item, dueAt);
    }
    for (let step = 0; step < 3000; step++) {
      const item = random.pick(items);
      const what = random.next();
      if (what < 0.4) schedule(item);
      else if (what < 0.5) {
        wheel.cancel(item);
        due.delete(item);
      } else {
        now += random.chance(0.01) ? random.below(300_000) : random.below(1500);
        const before = new Set(due.keys());
        wheel.advance(now);
        for (const [late, dueAt] of due) {
          // What was scheduled during the advance has until the next.
          if (before.has(late)) assert(dueAt > now - 2000, `due at ${dueAt}, now ${now}`);
        }
      }
      assertEquals(wheel.size, due.size, `step ${step}`);
    }
    // Once nothing schedules itself any more, everything is woken.
    for (const item of items) {
      wheel.cancel(item);
      due.delete(item);
    }
    assertEquals(wheel.size, 0);
  });
}
