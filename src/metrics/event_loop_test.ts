import { assertEquals } from "@std/assert";
import { EventLoopLag } from "./event_loop.ts";

/** A sampler on a clock that the test moves; its timer is real and never gets to run. */
function setUp() {
  let now = 5000;
  const lag = new EventLoopLag(() => now);
  lag.start();
  return {
    lag,
    sampleAfter(ms: number) {
      now += ms;
      lag.sample();
    },
    [Symbol.dispose]: () => lag.stop(),
  };
}

const inMs = (seconds: number) => Math.round(seconds * 1000);
const total = (counts: readonly number[]) => counts.reduce((sum, each) => sum + each, 0);

Deno.test("EventLoopLag measures how much later than it should a sample is taken", () => {
  using rig = setUp();
  rig.sampleAfter(100);
  rig.sampleAfter(130);
  rig.sampleAfter(99);
  rig.sampleAfter(1100);
  const { seconds, worstSeconds } = rig.lag;
  assertEquals(total(seconds.counts), 4);
  assertEquals(seconds.counts[0], 2, "on time, or too early");
  assertEquals(inMs(seconds.sum), 1030);
  assertEquals(inMs(worstSeconds), 1000);
});

Deno.test("EventLoopLag forgets the worst after half to a whole minute", () => {
  using rig = setUp();
  rig.sampleAfter(350);
  for (let n = 0; n < 299; n++) rig.sampleAfter(100);
  assertEquals(inMs(rig.lag.worstSeconds), 250);
  for (let n = 0; n < 310; n++) rig.sampleAfter(100);
  assertEquals(rig.lag.worstSeconds, 0);
});
