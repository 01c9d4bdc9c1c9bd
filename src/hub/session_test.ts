import { assert, assertEquals } from "@std/assert";
import { HubRig } from "../../tests/support/hub_rig.ts";
import { CLOSES } from "../protocol/codes.ts";
import { legacyCodec } from "../protocol/legacy.ts";
import { nativeCodec } from "../protocol/native.ts";
import { plainCodec } from "../protocol/plain.ts";

const GRACE_MS = 15_000;
const PING_MS = 25_000;
/** The timer wheel is right to a second. */
const SLOT_MS = 1000;

// Slow readers

Deno.test("Session of a reader that takes nothing ends with 3008, and holds nothing from then on", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 10_000 } });
  const { session, transport } = rig.open(["news"], { capacity: 0 });
  const { transport: quick } = rig.open(["news"]);
  for (let n = 0; n < 9; n++) {
    rig.publish("news", "x".repeat(1000));
    rig.endTurn();
  }
  assertEquals([session.ended, transport.closed], [false, null]);
  assert(session.outbox.unwrittenBytes > 9000);
  rig.publish("news", "x".repeat(1000));
  rig.endTurn();
  // More waits than may, but not for long yet.
  assertEquals([session.ended, transport.closed], [false, null]);
  rig.pass(SLOT_MS);
  rig.retry();
  assertEquals(transport.closed?.close, CLOSES.slowReader);
  assertEquals(JSON.parse(transport.closed!.farewell!).bye.code, 3008);
  assertEquals([session.outbox.unwrittenBytes, session.outbox.unacknowledgedBytes], [0, 0]);
  assertEquals([rig.hub.sessions.size, rig.hub.counters.slowReaders], [1, 1]);
  rig.retry();
  rig.publish("news", "y");
  rig.endTurn();
  assertEquals([transport.frames.length, quick.frames.length], [0, 11]);
});

Deno.test("Session of a reader for whom far too much waits ends at once", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 1000 } });
  const { session, transport } = rig.open(["news"], { capacity: 0 });
  for (let n = 0; n < 7; n++) rig.publish("news", "x".repeat(1000));
  rig.endTurn();
  assertEquals(session.ended, false);
  for (let n = 0; n < 2; n++) rig.publish("news", "x".repeat(1000));
  rig.endTurn();
  assertEquals(transport.closed?.close, CLOSES.slowReader);
});

Deno.test("Session of a quick reader lives through a burst", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 1000 } });
  const { session, transport } = rig.open(["news"], { capacity: 100 });
  for (let n = 0; n < 5; n++) rig.publish("news", `${n}${"x".repeat(1000)}`);
  rig.endTurn();
  transport.drain();
  rig.retry();
  rig.pass(2 * SLOT_MS);
  rig.publish("news", "x".repeat(900));
  rig.endTurn();
  assertEquals([session.ended, transport.data.length], [false, 6]);
});

Deno.test("Session that comes back to a burst is given the time to take it", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 1000 } });
  const { session, transport: lost } = rig.open(["news"]);
  session.detach(lost);
  for (let n = 0; n < 5; n++) {
    rig.publish("news", `${n}${"x".repeat(1000)}`);
    rig.endTurn();
  }
  rig.pass(5 * SLOT_MS);
  const transport = rig.attach(session, { capacity: 100 });
  transport.drain();
  rig.retry();
  assertEquals([session.ended, transport.data.length], [false, 5]);
});

Deno.test("Session of a reader that is only slow gets everything, in order", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 10_000 } });
  const { session, transport } = rig.open(["news"], { capacity: 100 });
  for (let n = 0; n < 500; n++) {
    rig.publish("news", n);
    rig.endTurn();
    if (n % 7 === 0) transport.drain(100);
    rig.retry();
  }
  transport.drain();
  rig.retry();
  rig.endTurn();
  assertEquals(transport.data, [...Array(500).keys()]);
  assertEquals([session.outbox.unwrittenBytes, rig.scheduled], [0, 0]);
});

Deno.test("Session that is away too long for what comes ends, and cannot be brought back", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 1000 } });
  const { session, transport } = rig.open(["news"]);
  session.detach(transport);
  rig.publish("news", "x".repeat(9000));
  rig.endTurn();
  assertEquals(session.ended, true);
  assertEquals(rig.hub.findBySecret(rig.hub.secretOf(session), nativeCodec), null);
});

Deno.test("Session of a reader that can write asks for no second try", () => {
  const rig = new HubRig();
  rig.open(["news"]);
  rig.publish("news", 1);
  rig.endTurn();
  assertEquals(rig.scheduled, 0);
});

// What is not acknowledged

Deno.test("Session keeps what is not acknowledged, and lets go of what is", () => {
  const rig = new HubRig();
  const { session } = rig.open(["news"]);
  for (let n = 0; n < 3; n++) {
    rig.publish("news", n);
    rig.endTurn();
  }
  assert(session.outbox.unacknowledgedBytes > 0);
  assertEquals(session.acknowledge(4), false);
  assertEquals(session.acknowledge(3), true);
  assertEquals(session.outbox.unacknowledgedBytes, 0);
});

Deno.test("Session past its bound lets the oldest go, ends nothing, and counts each", () => {
  const rig = new HubRig({ bounds: { unacknowledgedBytes: 1000 } });
  const { session, transport } = rig.open(["news"]);
  for (let n = 0; n < 100; n++) {
    rig.publish("news", n);
    rig.endTurn();
    assert(session.outbox.unacknowledgedBytes <= 1000);
  }
  assertEquals([session.ended, transport.closed], [false, null]);
  assertEquals(transport.data.length, 100);
  assert(session.outbox.base > 0);
  assertEquals(rig.hub.counters.limitsHit.unacknowledgedBytesTrimmed, session.outbox.base);
  const again = rig.attach(session);
  assertEquals(again.from, session.outbox.base);
  assertEquals(again.data, transport.data.slice(again.from));
});

Deno.test("Session of a protocol that acknowledges nothing keeps nothing that was written", () => {
  const rig = new HubRig();
  const session = rig.hub.openSession(legacyCodec);
  rig.hub.subscribe(session, "news");
  const transport = rig.attach(session);
  rig.publish("news", "x");
  rig.endTurn();
  assertEquals(transport.frames.length, 1);
  assertEquals(session.outbox.unacknowledgedBytes, 0);
});

// Lost transports

Deno.test("Session whose transport is lost gets on the next one what was not acknowledged", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  rig.publish("news", 1);
  rig.endTurn();
  rig.publish("news", 2);
  rig.endTurn();
  session.acknowledge(1);
  session.detach(transport);
  rig.publish("news", 3);
  rig.endTurn();
  const again = rig.attach(session);
  assertEquals([again.from, again.data], [1, [2, 3]]);
});

Deno.test("Session taken over tells its old transport 3501 and writes to it no more", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  const next = rig.attach(session);
  assertEquals(transport.closed?.close, CLOSES.replaced);
  session.detach(transport); // the old one's close event, come late
  rig.publish("news", 1);
  rig.endTurn();
  assertEquals([transport.frames.length, next.data], [0, [1]]);
});

Deno.test("Session ends when its grace time is over and nobody came back", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { user: "ann" });
  session.detach(transport);
  rig.pass(GRACE_MS - SLOT_MS);
  assertEquals(session.ended, false);
  rig.pass(3 * SLOT_MS);
  assertEquals(session.ended, true);
  const { sessions, channels, users, wheel } = rig.hub;
  assertEquals([sessions.size, channels.size, users.size, wheel.size], [0, 0, 0, 0]);
});

Deno.test("Session that came back in time does not end", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open();
  session.detach(transport);
  rig.pass(GRACE_MS - SLOT_MS);
  rig.attach(session);
  rig.pass(GRACE_MS);
  assertEquals(session.ended, false);
});

Deno.test("Session to which no transport ever came ends after its grace time", () => {
  const rig = new HubRig();
  const session = rig.hub.openSession(nativeCodec);
  rig.pass(GRACE_MS + SLOT_MS);
  assertEquals([session.ended, rig.hub.wheel.size], [true, 0]);
});

Deno.test("Session without a grace time ends with its transport", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { graceMs: 0 });
  session.detach(transport);
  assertEquals([session.ended, rig.hub.sessions.size, rig.hub.wheel.size], [true, 0, 0]);
});

Deno.test("Session that a poll's last answer ends is counted and forgotten once", () => {
  const rig = new HubRig();
  const { session } = rig.open(["news"], { graceMs: 0, oneShot: true });
  rig.hub.sendTo(session, nativeCodec.ok(1, "{}"));
  session.end(CLOSES.byApp);
  rig.endTurn();
  assertEquals([rig.hub.counters.sessionsEnded, rig.hub.sessions.size], [1, 0]);
});

// Time

Deno.test("Session pings, and goes on with a peer that answers", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open();
  for (let n = 1; n <= 5; n++) {
    rig.pass(PING_MS + SLOT_MS);
    session.heard();
    assert(transport.controls.length >= n - 1);
  }
  assertEquals(transport.controls[0], "{}");
  assertEquals([transport.closed, session.ended], [null, false]);
});

Deno.test("Session closes a peer that says nothing after a ping, and waits for it to come back", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  rig.pass(PING_MS + SLOT_MS);
  assertEquals([transport.controls, transport.closed], [["{}"], null]);
  rig.pass(PING_MS + SLOT_MS);
  assertEquals(transport.closed?.close, CLOSES.noAnswer);
  rig.publish("news", 1);
  rig.endTurn();
  assertEquals(rig.attach(session).data, [1]);
});

Deno.test("Session of a silent peer ends for good after ping, silence and grace", () => {
  const rig = new HubRig();
  rig.open(["news"]);
  rig.pass(2 * PING_MS + GRACE_MS + 4 * SLOT_MS);
  assertEquals([rig.hub.sessions.size, rig.hub.wheel.size, rig.hub.channels.size], [0, 0, 0]);
});

Deno.test("Session of an EventSource is kept alive by comments, though it answers none", () => {
  const rig = new HubRig();
  const session = rig.hub.openSession(plainCodec, { graceMs: 0 });
  const transport = rig.attach(session);
  rig.pass(4 * PING_MS);
  assert(transport.controls.length >= 3);
  assertEquals(new Set(transport.controls), new Set([":\n\n"]));
  assertEquals([transport.closed, session.ended], [null, false]);
});

Deno.test("Session of protocol 1 has no ping and is not closed for silence", () => {
  const rig = new HubRig();
  const session = rig.hub.openSession(legacyCodec, { graceMs: 0 });
  const transport = rig.attach(session);
  rig.pass(4 * PING_MS);
  assertEquals([transport.controls, transport.closed, session.ended], [[], null, false]);
});

// Polls

Deno.test("Session answers a poll with what waits, and it is spent", () => {
  const rig = new HubRig();
  const { session, transport: first } = rig.open(["news"], { oneShot: true });
  rig.publish("news", 1);
  rig.publish("news", 2);
  rig.endTurn();
  rig.publish("news", 3);
  rig.endTurn();
  assertEquals(first.writes.length, 1);
  assertEquals([first.data, session.transport], [[1, 2], null]);
  session.acknowledge(2);
  const second = rig.attach(session, { oneShot: true });
  assertEquals([second.data, second.from], [[3], 2]);
});

Deno.test("Session answers a poll with nothing at the end of its hold", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true });
  rig.pass(PING_MS - SLOT_MS);
  assertEquals(transport.writes, []);
  rig.pass(2 * SLOT_MS);
  assertEquals([transport.writes, session.transport, session.ended], [[""], null, false]);
  rig.pass(GRACE_MS + SLOT_MS);
  assertEquals(session.ended, true);
});

Deno.test("Session repeats a poll's answer that was not acknowledged", () => {
  const rig = new HubRig();
  const { session, transport: lost } = rig.open(["news"], { oneShot: true });
  rig.publish("news", 1);
  rig.endTurn();
  const again = rig.attach(session, { oneShot: true });
  assertEquals([lost.data, again.data, again.from], [[1], [1], 0]);
});

Deno.test("Session ends a poll that another takes the place of", () => {
  const rig = new HubRig();
  const { session, transport: old } = rig.open(["news"], { oneShot: true });
  const next = rig.attach(session, { oneShot: true });
  assertEquals([old.closed?.close, next.closed], [CLOSES.replaced, null]);
});

Deno.test("Session puts what no longer fits a poll's answer into the next", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true, capacity: 1 });
  rig.publish("news", 1);
  rig.publishToAll(2);
  rig.endTurn();
  assertEquals([transport.writes.length, transport.data], [1, [1]]);
  assertEquals(rig.scheduled, 0);
  session.acknowledge(1);
  assertEquals(rig.attach(session, { oneShot: true }).data, [2]);
});

// Goodbyes

Deno.test("Session ended between two polls is in no channel, and says why on the next poll", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true, user: "ann" });
  rig.hub.sendTo(session, nativeCodec.ok(1, "{}"));
  rig.endTurn();
  assertEquals([transport.writes.length, session.transport], [1, null]);
  session.end(CLOSES.byApp);
  assertEquals([rig.publish("news", 1), rig.publishToAll(1), rig.hub.users.size], [0, 0, 0]);
  const next = rig.attach(session, { oneShot: true });
  assertEquals(next.closed, { close: CLOSES.byApp, farewell: nativeCodec.bye(CLOSES.byApp) });
  assertEquals([session.ended, rig.hub.sessions.size, rig.hub.wheel.size], [true, 0, 0]);
  assertEquals(rig.hub.counters.sessionsEnded, 1);
});

Deno.test("Session ended between two polls, to which nobody comes back, is forgotten", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true });
  session.detach(transport);
  session.end(CLOSES.byApp);
  session.end(CLOSES.byApp);
  rig.pass(GRACE_MS + SLOT_MS);
  const { sessions, channels, wheel, counters } = rig.hub;
  assertEquals([sessions.size, channels.size, wheel.size, counters.sessionsEnded], [0, 0, 0, 1]);
});

Deno.test("Session ended between two polls, whose browser may come back, is over at once", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true });
  session.detach(transport);
  session.end(CLOSES.shutdown);
  assertEquals([session.ended, rig.hub.sessions.size, rig.hub.wheel.size], [true, 0, 0]);
});

Deno.test("Session ended while a poll is held puts what waits and the goodbye into one answer", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true });
  rig.hub.sendTo(session, nativeCodec.ok(1, "{}"));
  session.end(CLOSES.byApp);
  rig.endTurn();
  assertEquals(transport.frames, [nativeCodec.ok(1, "{}")]);
  assertEquals(transport.closed?.farewell, nativeCodec.bye(CLOSES.byApp));
  assertEquals([session.ended, rig.hub.counters.sessionsEnded], [true, 1]);
});

Deno.test("Session.end() says goodbye to a held poll in the answer that brings what waited", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"], { oneShot: true });
  session.send('{"id":1,"ok":{}}');
  session.end(CLOSES.byApp);
  assertEquals([transport.frames, transport.writes], [['{"id":1,"ok":{}}'], []]);
  assertEquals(transport.closed?.close, CLOSES.byApp);
  assertEquals([session.ended, rig.hub.sessions.size], [true, 0]);
});

Deno.test("Session.end() between two polls is told to the next", () => {
  const rig = new HubRig();
  const { session, transport: first } = rig.open(["news"], { oneShot: true });
  rig.publish("news", 1);
  rig.endTurn();
  session.acknowledge(1);
  session.send('{"id":1,"ok":{}}');
  session.end(CLOSES.byApp);
  // From now on nothing is for it, but its browser still finds it.
  assertEquals([rig.publish("news", 2), rig.hub.channels.size], [0, 0]);
  rig.endTurn();
  const next = rig.attach(session, { oneShot: true });
  assertEquals([first.closed, next.frames], [null, ['{"id":1,"ok":{}}']]);
  assertEquals(next.closed?.close, CLOSES.byApp);
  assertEquals([session.ended, rig.hub.sessions.size], [true, 0]);
});

Deno.test("Session.end() waits for a browser no longer than the grace time", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  session.detach(transport);
  session.end(CLOSES.byApp);
  assertEquals([session.ended, rig.hub.sessions.size], [false, 1]);
  rig.pass(GRACE_MS + 2 * SLOT_MS);
  assertEquals([session.ended, rig.hub.sessions.size], [true, 0]);
});
