import { assertEquals } from "@std/assert";
import { HubRig } from "../tests/support/hub_rig.ts";
import { CLOSES } from "./protocol/codes.ts";
import { Lifecycle, VACATED_AFTER_MS } from "./lifecycle.ts";
import type { Relay } from "./relay/relay.ts";

type EventName = ConstructorParameters<typeof Lifecycle>[0][number];

const ALL: readonly EventName[] = [
  "subscribe",
  "unsubscribe",
  "disconnect",
  "channel_occupied",
  "channel_vacated",
];

/** A hub, and what its app is told. */
function rigOf(events: readonly EventName[]) {
  const told: unknown[] = [];
  const relay = {
    tell: ({ user }: { user: string | null }, type: string, more: object) =>
      void told.push({ user, type, ...more }),
    tellOfChannel: (type: string, channel: string) => void told.push(`${type} ${channel}`),
  } as unknown as Relay;
  const lifecycle = new Lifecycle(events);
  const rig = new HubRig({ listener: lifecycle });
  return { rig, relay, lifecycle, told: () => told.splice(0) };
}

function startedRig(events: readonly EventName[]) {
  const all = rigOf(events);
  all.lifecycle.start(all.relay, all.rig.hub);
  return all;
}

Deno.test("Lifecycle tells the app who comes and goes, and why", () => {
  const { rig, told } = startedRig(ALL);
  const { session } = rig.open([], { user: "ann" });
  rig.hub.subscribe(session, "room", { info: '{"a":1}' });
  rig.hub.subscribe(session, "hall");
  rig.hub.unsubscribe(session, "hall");
  session.end(CLOSES.byApp);
  const { code, reason } = CLOSES.byApp;
  assertEquals(told(), [
    "channel_occupied room",
    { user: "ann", type: "subscribe", channel: "room", info: { a: 1 } },
    "channel_occupied hall",
    { user: "ann", type: "subscribe", channel: "hall" },
    { user: "ann", type: "unsubscribe", channel: "hall", reason: "asked" },
    { user: "ann", type: "disconnect", code, reason },
  ]);
});

Deno.test("Lifecycle tells of a browser that has gone with no code", () => {
  const { rig, told } = startedRig(["disconnect"]);
  rig.open([], { user: "ann" }).session.end(null);
  assertEquals(told(), [{ user: "ann", type: "disconnect", code: null, reason: "gone" }]);
});

Deno.test("Lifecycle calls a channel vacated when nobody has come back for a while", () => {
  const { rig, told } = startedRig(["channel_occupied", "channel_vacated"]);
  rig.open(["room"]).session.end(null);
  rig.pass(VACATED_AFTER_MS - 1000);
  assertEquals(told(), ["channel_occupied room"]);
  rig.pass(1000);
  assertEquals(told(), ["channel_vacated room"]);
  rig.open(["room"]);
  assertEquals(told(), ["channel_occupied room"]);
});

Deno.test("Lifecycle tells nothing of a channel whose last page was only loaded anew", () => {
  const { rig, told } = startedRig(ALL.slice(3));
  for (let n = 0; n < 5; n++) {
    const { session } = rig.open(["room"]);
    rig.pass(2000);
    session.end(null);
    rig.pass(VACATED_AFTER_MS - 1000);
  }
  assertEquals(told(), ["channel_occupied room"]);
  rig.pass(1000);
  assertEquals([told(), rig.hub.wheel.size], [["channel_vacated room"], 0]);
});

for (const event of ALL) {
  Deno.test(`Lifecycle tells of nothing but ${event} where the app wants no more`, () => {
    const { rig, told } = startedRig([event]);
    const { session } = rig.open(["room", "hall"]);
    rig.hub.unsubscribe(session, "hall");
    rig.pass(VACATED_AFTER_MS);
    const back = rig.open(["hall"]).session;
    session.end(null);
    back.end(null);
    rig.pass(VACATED_AFTER_MS);
    const types = told().map((each) =>
      typeof each === "string" ? each.split(" ")[0] : (each as { type: string }).type
    );
    assertEquals([...new Set(types)], [event]);
    assertEquals(rig.hub.wheel.size, 0);
  });
}

Deno.test("Lifecycle waits for nobody where the app is told of no channels", () => {
  const { rig, told } = startedRig(["subscribe"]);
  rig.open(["room"]).session.end(null);
  assertEquals([told().length, rig.hub.wheel.size], [1, 0]);
});

Deno.test("Lifecycle tells nothing before it starts, and nothing once it has stopped", () => {
  const { rig, relay, lifecycle, told } = rigOf(ALL);
  rig.open(["early"]).session.end(null);
  lifecycle.start(relay, rig.hub);
  const { session } = rig.open(["room"], { user: "ann" });
  rig.open(["hall"]).session.end(null);
  told();
  lifecycle.stop();
  session.end(null);
  rig.pass(10_000);
  assertEquals([told(), rig.hub.wheel.size], [[], 0]);
});
