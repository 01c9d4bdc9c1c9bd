import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { CLOSES } from "../../src/protocol/codes.ts";
import { GatewayRig } from "../support/gateway_rig.ts";
import { request } from "../support/http.ts";
import { many } from "./sessions.ts";

const ROUNDS = 10;
const STREAMS = 50;
/** Deno has noticed by then that the streams' connections are gone. */
const MAX_TURNS = 5000;

const KINDS = [
  { name: "an EventSource", path: "/chloe/events?channel=news", method: "GET", body: "" },
  {
    name: "a stream of frames",
    path: "/chloe/events",
    method: "POST",
    body: '{"connect":{"subscribe":{"news":{}}}}',
  },
];

// Deno may learn from a write that a browser is gone, and say so from within it: the transport that is
// being written to then ends at that very moment.
for (const kind of KINDS) {
  const { name } = kind;

  Deno.test(`${name} that goes while it is written to harms nobody`, async () => {
    await using rig = new GatewayRig({ bounds: { graceMs: 1 } });
    for (let round = 0; round < ROUNDS; round++) {
      const { transport } = rig.open(["news"]);
      const streams = await openStreams(rig, kind);
      for (const stream of streams) stream.cut();
      let turns = 0;
      for (; rig.hub.counters.connections > 0 && turns < MAX_TURNS; turns++) {
        rig.publish("news", turns);
        rig.hub.flush();
        await new Promise((resolve) => setImmediate(resolve));
      }
      assertEquals(rig.hub.counters.connections, 0);
      assertEquals(transport.data, [...Array(turns).keys()]);
      rig.hub.endAll();
    }
  });

  Deno.test(`${name} that goes while it is told to go harms nobody`, async () => {
    await using rig = new GatewayRig({ bounds: { graceMs: 1 } });
    for (let round = 0; round < ROUNDS; round++) {
      const streams = await openStreams(rig, kind);
      for (const stream of streams) stream.cut();
      // One at a time, a turn each, so that some are met at the wrong moment.
      for (const session of [...rig.hub.sessions.values()]) {
        session.end(CLOSES.shutdown);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await rig.allGone();
      assertEquals([rig.hub.counters.connectionsClosing, rig.hub.sessions.size], [0, 0]);
    }
  });
}

function openStreams(rig: GatewayRig, { path, method, body }: typeof KINDS[number]) {
  return many(STREAMS, async () => {
    const stream = await request(rig, path, { method, body });
    await stream.read();
    return stream;
  });
}
