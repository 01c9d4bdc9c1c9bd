import { assert, assertEquals } from "@std/assert";
import { backoffMs, MAX_ATTEMPTS, retryAfterMs } from "./backoff.ts";

Deno.test("backoffMs() grows, and its sum stays within the time for retries", () => {
  for (const random of [0, 0.5, 1]) {
    let sum = 0;
    let last = 0;
    for (let attempts = 1; attempts < MAX_ATTEMPTS; attempts++) {
      const pause = backoffMs(attempts, 60_000, random);
      assert(pause > last);
      last = pause;
      sum += pause;
    }
    assert(sum <= 60_001 && sum >= 29_999, `${sum}`);
  }
});

Deno.test("backoffMs() is cut by up to a half", () => {
  assertEquals(backoffMs(1, 12_100, 0), 50);
  assertEquals(backoffMs(1, 12_100, 1), 100);
  assertEquals(backoffMs(3, 12_100, 1), 900);
});

Deno.test("retryAfterMs() reads seconds and dates", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  assertEquals(retryAfterMs("120", now), 120_000);
  assertEquals(retryAfterMs("0", now), 0);
  assertEquals(retryAfterMs("Fri, 02 Jan 2026 03:04:15 GMT", now), 10_000);
  assertEquals(retryAfterMs("Fri, 02 Jan 2026 03:00:00 GMT", now), 0);
});

Deno.test("retryAfterMs() is 0 for what it cannot read", () => {
  for (const header of [null, "", "soon", "-5"]) {
    assert(retryAfterMs(header, Date.parse("2026-01-02T03:04:05Z")) === 0, `${header}`);
  }
});
