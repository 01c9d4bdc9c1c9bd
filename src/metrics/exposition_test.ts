import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ApiCounters } from "../http/api/counters.ts";
import { AuthCounters } from "../http/authentication.ts";
import { ProxyCounters } from "../http/proxies.ts";
import { SendCounters } from "../http/send.ts";
import { Counters } from "../hub/counters.ts";
import { Histogram } from "../hub/histogram.ts";
import { RelayCounters } from "../relay/counters.ts";
import { Exposition } from "./exposition.ts";
import { FAMILIES } from "./families.ts";
import type { Stats } from "./stats.ts";

/** All that a server can count, with something in each place. */
function everything(): Stats {
  const hub = new Counters();
  hub.countClose(3008);
  hub.countPeerClose(1001);
  hub.refuseFrame("bad_channel");
  hub.refuseSubscription("forbidden");
  const send = new SendCounters();
  send.refused[401] = 1;
  const api = new ApiCounters();
  api.refused[404] = 1;
  const auth = new AuthCounters();
  auth.refuse("no_key");
  return {
    server: { version: "1", deno: "2", boot: "b00t", startedAtSeconds: 1, uptimeSeconds: 2 },
    sessions: 1,
    channels: 2,
    sessionTotals: {
      byTransport: [{ transport: "websocket", protocol: "2", count: 1 }],
      ...{ subscriptions: 1, blocked: 0, unwrittenBytes: 1, unacknowledgedBytes: 2 },
    },
    limits: { connections: 1 },
    ...{ hub, send, api, auth, proxies: new ProxyCounters(), relay: new RelayCounters() },
    history: { channels: 1, bytes: 2, dropped: 3 },
    tokens: { verified: 1, refused: { bad_token: 1, token_expired: 0, app_unreachable: 0 } },
    eventLoop: { lagSeconds: new Histogram([1]), worstLagSeconds: 0 },
    process: {
      ...{ residentBytes: 1, heapBytes: 1, heapUsedBytes: 1, externalBytes: 1 },
      ...{ cpuSeconds: 0.5, openFiles: 1, maxFiles: 2 },
    },
  };
}

/** What metrics tell in another way: the sum of what has a label there, or since when a time is. */
const TOLD_OTHERWISE = [
  "sessions",
  "hub.framesRefused",
  "hub.subscriptionsRefused",
  "send.requests",
  "api.requests",
  "server.uptimeSeconds",
];

/** The places of all numbers and texts. */
function leaves(value: unknown, path = ""): string[] {
  if (typeof value === "function") return [];
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => {
    return Array.isArray(value)
      ? leaves(inner, path)
      : leaves(inner, path ? `${path}.${name}` : name);
  });
}

/** The same, noting what of it is read. */
function watched<T extends object>(value: T, read: Set<string>, path = ""): T {
  return new Proxy(value, {
    get(target, name) {
      const inner = Reflect.get(target, name);
      if (typeof name === "symbol" || typeof inner === "function") return inner;
      const place = Array.isArray(target) ? path : path ? `${path}.${name}` : name;
      if (typeof inner === "object" && inner !== null) return watched(inner, read, place);
      read.add(place);
      return inner;
    },
  });
}

Deno.test("/metrics tells all that /api/stats tells", async () => {
  const stats = everything();
  const read = new Set<string>();
  await new Exposition().text(watched(stats, read));
  const untold = leaves(stats).filter((place) =>
    !read.has(place) && !TOLD_OTHERWISE.includes(place)
  );
  assertEquals([...new Set(untold)], [], "add a line for each to src/metrics/families.ts");
});

Deno.test("Exposition writes a histogram with what is below each bound", async () => {
  const stats = everything();
  for (const value of [0.5, 1, 3]) stats.eventLoop.lagSeconds.add(value);
  assertStringIncludes(
    await new Exposition().text(stats),
    `# TYPE chloe_event_loop_lag_seconds histogram
chloe_event_loop_lag_seconds_bucket{le="1"} 2
chloe_event_loop_lag_seconds_bucket{le="+Inf"} 3
chloe_event_loop_lag_seconds_sum 4.5
chloe_event_loop_lag_seconds_count 3
`,
  );
});

Deno.test("Exposition tells no number that is not known, and zeros where there is no app", async () => {
  const stats = everything();
  const text = await new Exposition().text({
    ...stats,
    ...{ relay: null, tokens: null },
    process: { ...stats.process, openFiles: null },
  });
  assertEquals(/^chloe_process_open_fds /m.test(text), false);
  assertStringIncludes(text, "\nchloe_relay_queued_events 0\n");
  assertStringIncludes(text, `\nchloe_tokens_refused_total{code="bad_token"} 0\n`);
});

Deno.test("Exposition counts nothing twice, however often it is asked, even at once", async () => {
  const exposition = new Exposition();
  const stats = everything();
  const texts = await Promise.all([1, 2, 3].map(() => exposition.text(stats)));
  assertEquals(new Set(texts).size, 1);
  stats.hub.countClose(3008);
  const later = await exposition.text(stats);
  assertStringIncludes(later, `\nchloe_closes_total{code="3008"} 2\n`);
  assertEquals(later.split("\n").length, texts[0]!.split("\n").length);
});

Deno.test("Exposition has no state that another one could see", async () => {
  const [one, other] = [new Exposition(), new Exposition()];
  const stats = everything();
  const before = await other.text(stats);
  await one.text({ ...stats, channels: 99 });
  assertEquals(await other.text(stats), before);
});

Deno.test("each metric has a name, a type and a help of its own", () => {
  assertEquals(new Set(FAMILIES.map(({ name }) => name)).size, FAMILIES.length);
  assertEquals(new Set(FAMILIES.map(({ help }) => help)).size, FAMILIES.length);
  for (const { name, type } of FAMILIES) {
    assert(/^chloe_[a-z]+(_[a-z]+)*$/.test(name), name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
  }
});
