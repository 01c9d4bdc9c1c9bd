import { assertEquals } from "@std/assert";
import { Histogram } from "./histogram.ts";

Deno.test("Histogram counts a value in the range that it ends or lies in", () => {
  const histogram = new Histogram([1, 10]);
  for (const value of [0, 1, 1.5, 10, 10.1, 1000]) histogram.add(value);
  assertEquals(histogram.counts, [2, 2, 2]);
  assertEquals(histogram.sum, 1022.6);
});

Deno.test("Histogram is JSON that says all of it", () => {
  const histogram = new Histogram([0.5]);
  histogram.add(2);
  assertEquals(JSON.parse(JSON.stringify(histogram)), { bounds: [0.5], counts: [0, 1], sum: 2 });
});
