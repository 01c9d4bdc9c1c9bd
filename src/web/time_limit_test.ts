import { assertEquals } from "@std/assert";
import { FakeTimers } from "../../tests/support/fake_timers.ts";
import { TimeLimit } from "./time_limit.ts";

function setUp(ms: number) {
  const timers = new FakeTimers(0);
  const limit = new TimeLimit(ms, timers);
  const late: string[] = [];
  return { timers, limit, late, begin: (name: string) => limit.begin(() => late.push(name)) };
}

Deno.test("TimeLimit tells each that is late, at its own time, by one timer", () => {
  const { timers, late, begin } = setUp(100);
  begin("a");
  timers.advance(30);
  begin("b");
  begin("c");
  assertEquals(timers.size, 1);
  timers.advance(69);
  assertEquals(late, []);
  timers.advance(1);
  assertEquals(late, ["a"]);
  timers.advance(29);
  assertEquals(late, ["a"]);
  timers.advance(1);
  assertEquals([late, timers.size], [["a", "b", "c"], 0]);
});

Deno.test("TimeLimit forgets what was done in time, and its timer with the last", () => {
  const { timers, limit, late, begin } = setUp(100);
  const a = begin("a");
  timers.advance(50);
  const b = begin("b");
  limit.end(a);
  timers.advance(60); // when the first would have been late, the timer is set anew
  assertEquals([late, timers.size], [[], 1]);
  limit.end(b);
  limit.end(b);
  assertEquals([late, timers.size], [[], 0]);
  begin("c");
  timers.advance(100);
  assertEquals(late, ["c"]);
});

Deno.test("TimeLimit lets what is late begin and end others", () => {
  const { timers, limit, late, begin } = setUp(100);
  const first = limit.begin(() => {
    late.push("first");
    limit.end(second);
    limit.end(first);
    begin("fourth");
  });
  const second = begin("second");
  timers.advance(30);
  begin("third");
  timers.advance(70);
  assertEquals([late, timers.size], [["first"], 1]);
  timers.advance(30);
  assertEquals([late, timers.size], [["first", "third"], 1]);
  timers.advance(70);
  assertEquals([late, timers.size], [["first", "third", "fourth"], 0]);
});
