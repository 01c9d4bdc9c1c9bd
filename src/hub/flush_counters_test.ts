import { assertEquals } from "@std/assert";
import { HubRig } from "../../tests/support/hub_rig.ts";
import type { Histogram } from "./histogram.ts";

/** A hub on a clock that stands still until the test moves it. */
function setUp() {
  const clock = { ms: 1000 };
  const rig = new HubRig({ now: () => clock.ms });
  /** Ends the turn, so many milliseconds after what happened in it. */
  const endTurnAfter = (ms: number) => {
    clock.ms += ms;
    rig.endTurn();
  };
  return { clock, rig, hub: rig.hub, counters: rig.hub.counters, endTurnAfter };
}

/** How many values there are, and what they add up to. */
function values({ counts, sum }: Histogram): [count: number, sum: number] {
  return [counts.reduce((all, each) => all + each, 0), sum];
}

Deno.test("Hub measures a turn with messages once, from the first of them to the end of its flush", () => {
  const { clock, rig, counters, endTurnAfter } = setUp();
  for (let n = 0; n < 3; n++) rig.open(["news"]);
  endTurnAfter(0);
  rig.publish("news", 1);
  clock.ms += 250;
  rig.publish("news", 2);
  endTurnAfter(750);
  assertEquals(values(counters.fanOutSeconds), [1, 1]);
  assertEquals(values(counters.flushMessages), [1, 2]);
  assertEquals(values(counters.flushSessions), [1, 3]);
  assertEquals(counters.framesOut, 6);
});

Deno.test("Hub measures what is for everyone, for one session, for a user, and for all but one", () => {
  const { rig, hub, counters, endTurnAfter } = setUp();
  const { session } = rig.open(["news"], { user: "ann" });
  rig.open(["news"], { user: "ann" });
  const publish = [
    () => rig.publishToAll(1),
    () => rig.publish("news", 1, session.id),
    () => hub.publish({ kind: "session", session: session.id }, "1"),
    () => hub.publish({ kind: "user", user: "ann" }, "1"),
  ];
  for (const [index, one] of publish.entries()) {
    one();
    endTurnAfter(1000);
    assertEquals(values(counters.fanOutSeconds), [index + 1, index + 1]);
    assertEquals(values(counters.flushMessages), [index + 1, index + 1]);
  }
  assertEquals(values(counters.flushSessions), [4, 2 + 1 + 1 + 2]);
});

Deno.test("Hub measures no turn without a message for anybody", () => {
  const { clock, rig, hub, counters, endTurnAfter } = setUp();
  const { session } = rig.open(["news"]);
  endTurnAfter(10);
  rig.publish("nobody", 1);
  hub.publish({ kind: "session", session: "none" }, "1");
  hub.publish({ kind: "user", user: "none" }, "1");
  hub.sendTo(session, "{}"); // an answer
  endTurnAfter(10);
  assertEquals(values(counters.fanOutSeconds), [0, 0]);
  // Those before it are not taken for the beginning of a later one.
  clock.ms += 60_000;
  rig.publish("news", 1);
  endTurnAfter(1000);
  assertEquals(values(counters.fanOutSeconds), [1, 1]);
  assertEquals(values(counters.flushMessages), [1, 1]);
});

Deno.test("Hub counts the bytes that it hands to transports, again where they are repeated", () => {
  const { rig, counters, endTurnAfter } = setUp();
  const { session, transport } = rig.open(["é"]);
  rig.publish("é", "häh");
  endTurnAfter(0);
  const bytes = new TextEncoder().encode(transport.frames.join("")).length;
  assertEquals([counters.framesOut, counters.bytesOut], [1, bytes]);
  rig.attach(session);
  assertEquals([counters.framesOut, counters.bytesOut], [2, 2 * bytes]);
});
