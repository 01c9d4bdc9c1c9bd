import { assertEquals } from "@std/assert";
import { IdempotencyStore, REMEMBER_MS } from "./idempotency.ts";

function setUp(options: { maxIds?: number; maxBytes?: number } = {}) {
  const clock = { now: 1000 };
  return { clock, store: new IdempotencyStore({ ...options, now: () => clock.now }) };
}

Deno.test("IdempotencyStore tells a repeat from another use of the id", () => {
  const { store } = setUp();
  assertEquals(store.find("a", "d1"), { kind: "new" });
  store.put("a", { digest: "d1", answer: "yes" });
  assertEquals(store.find("a", "d1"), { kind: "repeat", answer: "yes" });
  assertEquals(store.find("a", "d2"), { kind: "conflict" });
  assertEquals(store.find("b", "d1"), { kind: "new" });
});

Deno.test("IdempotencyStore forgets after its time, and no earlier", () => {
  const { store, clock } = setUp();
  store.put("a", { digest: "d", answer: "yes" });
  store.put("signed", { digest: "d", answer: "yes", untilMs: clock.now + REMEMBER_MS + 10 });
  clock.now += REMEMBER_MS - 1;
  assertEquals(store.find("a", "d").kind, "repeat");
  clock.now += 1;
  assertEquals(store.find("a", "other").kind, "new");
  assertEquals(store.find("signed", "d").kind, "repeat");
  assertEquals(store.hasRoom(1), true);
  assertEquals(store.size, 1);
  clock.now += 10;
  store.hasRoom(1);
  assertEquals(store.size, 0);
});

Deno.test("IdempotencyStore has room for so many ids", () => {
  const { store, clock } = setUp({ maxIds: 3 });
  store.put("a", { digest: "d", answer: "" });
  assertEquals([store.hasRoom(2), store.hasRoom(3)], [true, false]);
  store.put("b", { digest: "d", answer: "" });
  store.put("c", { digest: "d", answer: "" });
  assertEquals([store.hasRoom(0), store.hasRoom(1)], [true, false]);
  clock.now += REMEMBER_MS;
  assertEquals(store.hasRoom(3), true);
});

Deno.test("IdempotencyStore bounds its memory by bytes too", () => {
  const { store, clock } = setUp({ maxBytes: 1000 });
  store.put("a", { digest: "d", answer: "x".repeat(1000) });
  assertEquals(store.hasRoom(1), false);
  clock.now += REMEMBER_MS;
  assertEquals(store.hasRoom(1), true);
});
