import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/support/random.ts";
import { Pace } from "./pace.ts";

/** A holder of a bucket: takes as many as it gets at a time. */
function take(pace: Pace, holder: { fullAt: number }, now: number, most: number): number {
  for (let count = 0; count < most; count++) {
    const fullAt = pace.take(holder.fullAt, now);
    if (fullAt < 0) return count;
    holder.fullAt = fullAt;
  }
  return most;
}

Deno.test("Pace lets a burst through, then the rate, then a burst again", () => {
  const pace = new Pace({ perSecond: 3, burst: 7 });
  const holder = { fullAt: 0 };
  assertEquals(take(pace, holder, 5000, 100), 7);
  assertEquals(take(pace, holder, 5000, 1), 0);
  assertEquals(take(pace, holder, 5334, 100), 1);
  assertEquals(take(pace, holder, 7000.01, 100), 5);
  assertEquals(take(pace, holder, 100_000, 100), 7);
});

Deno.test("Pace has each holder pay for itself alone", () => {
  const pace = new Pace({ perSecond: 1, burst: 2 });
  assertEquals([{ fullAt: 0 }, { fullAt: 0 }].map((each) => take(pace, each, 50, 9)), [2, 2]);
});

Deno.test("Pace lets one through where the burst is less than one", () => {
  assertEquals(take(new Pace({ perSecond: 0.5, burst: 0.1 }), { fullAt: 0 }, 10, 9), 1);
});

Deno.test("Pace says when the next one is through, and it is", () => {
  const pace = new Pace({ perSecond: 4, burst: 4 });
  const holder = { fullAt: 0 };
  take(pace, holder, 1000, 9);
  assertEquals(pace.waitMs(holder.fullAt, 1000), 250);
  assertEquals(take(pace, holder, 1249, 1), 0);
  assertEquals(take(pace, holder, 1250, 1), 1);
  assertEquals(pace.waitMs(holder.fullAt, 9000), 0);
});

Deno.test("Pace never lets more through than burst and rate, whenever they come", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const [perSecond, burst] = [1 + random.below(200), 1 + random.below(50)];
    const pace = new Pace({ perSecond, burst });
    const holder = { fullAt: 0 };
    let now = 1e6;
    let taken = 0;
    let refused = 0;
    for (let step = 0; step < 500; step++) {
      now += random.below(50);
      const most = random.below(20);
      const count = take(pace, holder, now, most);
      taken += count;
      refused += most - count;
      assert(taken <= burst + (now - 1e6) / 1000 * perSecond + 1e-3);
    }
    const all = burst + (now - 1e6) / 1000 * perSecond;
    assert(refused === 0 || taken > 0 && taken <= all + 1e-3, `${taken} of ${all}`);
  }
});
