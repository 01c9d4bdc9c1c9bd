import { assertEquals } from "@std/assert";
import { SendLimit } from "./send_limit.ts";

Deno.test("SendLimit lets each key make so many requests a second, and says when the next may come", () => {
  let now = 1000;
  const hits = { sendPerSecond: 0 };
  const limit = new SendLimit({ perSecond: 2, hits, now: () => now });
  const take = (...keys: string[]) => keys.map((key) => limit.take(key));
  assertEquals(take("key 0", "key 0", "key 0", "key 1"), [0, 0, 1, 0]);
  now += 499;
  assertEquals(take("key 0"), [1]);
  now += 1;
  assertEquals(take("key 0", "key 0", "key 1", "key 1"), [0, 1, 0, 0]);
  assertEquals(hits, { sendPerSecond: 3 });
});
