import { assertEquals } from "@std/assert";
import { backoff, within } from "./backoff.ts";

Deno.test("backoff() doubles its bound from 0.5 s to 20 s and takes any part of it", () => {
  const bounds = [0, 1, 2, 3, 4, 5, 6, 60].map((failures) => backoff(failures, 1));
  assertEquals(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  assertEquals(backoff(3, 0), 0);
  assertEquals(backoff(3, 0.25), 1000);
});

Deno.test("within() stays inside the window", () => {
  assertEquals(within([500, 5000], 0), 500);
  assertEquals(within([500, 5000], 0.5), 2750);
});
