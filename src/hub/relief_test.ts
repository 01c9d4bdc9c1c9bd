import { assert, assertEquals } from "@std/assert";
import { HubRig, type RigOptions, rulesOf } from "../../tests/support/hub_rig.ts";
import type { Session } from "./session.ts";

const QUEUED_BYTES = 100_000;
const BOUNDS = { unwrittenBytes: 16_000, unacknowledgedBytes: 16_000 };
const TEXT = "x".repeat(1000);

function rigOf(options: RigOptions = {}): HubRig {
  return new HubRig({ queuedBytes: QUEUED_BYTES, bounds: BOUNDS, ...options });
}

/** Publishes to a channel until there is no room or it was done so often. @returns How often it was. */
function flood(rig: HubRig, channel: string, most: number): number {
  for (let count = 0; count < most; count++) {
    if (!rig.hub.hasRoom()) return count;
    rig.publish(channel, TEXT);
    rig.endTurn();
  }
  return most;
}

/** Sessions with a channel each, of the same name and a number. */
function many(rig: HubRig, name: string, count: number, capacity = Infinity): Session[] {
  return Array.from({ length: count }, (_, n) => rig.open([`${name}-${n}`], { capacity }).session);
}

Deno.test("what is kept for a resume is let go first, where too much is queued in all", () => {
  const rig = rigOf();
  const { counters, queued } = rig.hub;
  const readers = many(rig, "reader", 20);
  for (let n = 0; n < 20; n++) {
    assertEquals(flood(rig, `reader-${n}`, 14), 14);
    assert(queued.bytes <= QUEUED_BYTES, String(queued.bytes));
  }
  assert(readers.every((session) => !session.ended));
  const { limitsHit } = counters;
  assert(limitsHit.queuedBytesTrimmed > 0);
  assertEquals([limitsHit.queuedBytesClosed, limitsHit.queuedBytesRefused], [0, 0]);
  assertEquals(
    counters.limitsHit.unacknowledgedBytesTrimmed,
    0,
    "the session's own bound was kept",
  );
});

Deno.test("readers that lag end next, those that hold most alone first", () => {
  const rig = rigOf();
  const { counters, queued } = rig.hub;
  // Fifty share what waits for them: to end them would free nothing to speak of.
  const sharing = Array.from({ length: 50 }, () => rig.open(["shared"], { capacity: 1 }).session);
  assertEquals(flood(rig, "shared", 12), 12);
  const alone = many(rig, "alone", 12, 1);
  for (let n = 0; n < 12; n++) {
    assertEquals(flood(rig, `alone-${n}`, 2 + n), 2 + n);
    rig.pass(100);
  }
  assert(queued.bytes <= QUEUED_BYTES, String(queued.bytes));
  assert(sharing.every((session) => !session.ended));
  const ended = alone.map((session) => session.ended);
  assert(ended.includes(true), String(queued.bytes));
  const { limitsHit, closes, slowReaders } = counters;
  const count = ended.filter((each) => each).length;
  assertEquals([limitsHit.queuedBytesClosed, closes[3008], slowReaders], [count, count, count]);
  assertEquals(limitsHit.queuedBytesRefused, 0);
  assertEquals(ended[0], false, "who holds least stays");
});

Deno.test("a reader whose channel lets messages go loses those in place of its session", () => {
  const rig = rigOf({ rules: rulesOf(() => ({ slow: "drop_oldest" })) });
  const readers = many(rig, "drop", 12, 1);
  for (let n = 0; n < 12; n++) {
    assertEquals(flood(rig, `drop-${n}`, 13), 13);
    rig.pass(100);
  }
  assert(readers.every((session) => !session.ended));
  assert(rig.hub.queued.bytes <= QUEUED_BYTES, String(rig.hub.queued.bytes));
  const { limitsHit, messagesDropped } = rig.hub.counters;
  assert(messagesDropped > 0);
  assertEquals([limitsHit.queuedBytesClosed, limitsHit.queuedBytesRefused], [0, 0]);
});

Deno.test("where little waits for each of many, no more is taken until they have read", () => {
  const rig = rigOf();
  const { counters, queued } = rig.hub;
  // One message each, as their sockets take the first: less than a 64th of all.
  const readers = Array.from({ length: 100 }, (_, n) => rig.open([`few-${n}`], { capacity: 1 }));
  let refusedAt = -1;
  for (let n = 0; n < 100 && refusedAt < 0; n++) {
    if (flood(rig, `few-${n}`, 2) < 2) refusedAt = n;
  }
  assert(refusedAt > 0, String(queued.bytes));
  assert(queued.bytes < QUEUED_BYTES + 2000, String(queued.bytes));
  assert(readers.every(({ session }) => !session.ended));
  assertEquals(counters.limitsHit.queuedBytesClosed, 0);
  assertEquals(counters.limitsHit.queuedBytesRefused, 1);
  // Asked again at once it looks at nothing, and says no as well.
  assertEquals(rig.hub.hasRoom(), false);
  assertEquals(counters.limitsHit.queuedBytesRefused, 2);

  for (const { transport } of readers) transport.drain();
  rig.pass(100);
  rig.retry();
  rig.endTurn();
  assertEquals(rig.hub.hasRoom(), true);
  assertEquals(flood(rig, "few-0", 2), 2);
});

Deno.test("a burst to readers that take it is no reason to end anybody", () => {
  const rig = rigOf();
  const readers = many(rig, "quick", 40);
  // All in one turn: nothing has been handed over yet.
  for (let n = 0; n < 40; n++) {
    for (let count = 0; count < 4; count++) {
      assertEquals(rig.hub.hasRoom(), true);
      rig.publish(`quick-${n}`, TEXT);
    }
  }
  rig.endTurn();
  assert(readers.every((session) => !session.ended));
  assert(rig.hub.queued.bytes <= QUEUED_BYTES, String(rig.hub.queued.bytes));
});

Deno.test("answers count as messages do", () => {
  const rig = rigOf();
  const readers = many(rig, "x", 12, 1);
  for (const session of readers) {
    for (let n = 0; n < 13; n++) rig.hub.sendTo(session, TEXT);
    rig.endTurn();
    rig.pass(100);
  }
  assert(rig.hub.queued.bytes <= QUEUED_BYTES, String(rig.hub.queued.bytes));
  assert(rig.hub.counters.limitsHit.queuedBytesClosed > 0);
});
