import { assert, assertEquals } from "@std/assert";
import { HubRig } from "../../tests/support/hub_rig.ts";
import { Entry } from "./entry.ts";
import { QueuedBytes } from "./queued_bytes.ts";

Deno.test("QueuedBytes counts a text once, until the last who holds it has let it go", () => {
  const queued = new QueuedBytes();
  const entry = new Entry("x".repeat(100_000), 1);
  for (let n = 0; n < 1000; n++) queued.add(entry);
  assert(queued.bytes > 100_000 && queued.bytes < 120_000, String(queued.bytes));
  for (let n = 0; n < 999; n++) queued.remove(entry);
  assert(queued.bytes > 100_000, String(queued.bytes));
  queued.remove(entry);
  assertEquals(queued.bytes, 0);
});

Deno.test("QueuedBytes counts a text that is not Latin-1 as what V8 keeps of it", () => {
  const queued = new QueuedBytes();
  queued.add(new Entry("\u4e2d".repeat(1000), 1));
  assert(queued.bytes >= 2000 && queued.bytes < 3000, String(queued.bytes));
});

Deno.test("what a session holds is counted until it is acknowledged, or the session is over", () => {
  const rig = new HubRig();
  const { hub } = rig;
  const { session } = rig.open(["news"]);
  const stalled = rig.open(["news"], { capacity: 1 }).session;
  for (let n = 0; n < 5; n++) {
    rig.publish("news", "x".repeat(1000));
    rig.endTurn();
  }
  const all = hub.queued.bytes;
  assert(all > 5000 && all < 7000, String(all));
  session.acknowledge(5);
  assert(hub.queued.bytes > 5000, "another holds it still");
  stalled.end(null);
  assertEquals(hub.queued.bytes, 0);
  rig.publish("news", "x".repeat(1000));
  rig.endTurn();
  assert(hub.queued.bytes > 1000);
  hub.endAll();
  assertEquals(hub.queued.bytes, 0);
});
