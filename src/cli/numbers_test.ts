import { assertEquals } from "@std/assert";
import { numberLines } from "./numbers.ts";

const STATS = {
  server: { version: "0.1.0", uptimeSeconds: 273_845 },
  sessions: 12_345,
  channels: 12,
  sessionTotals: {
    byTransport: [
      { transport: "poll", protocol: "2", count: 30 },
      { transport: "websocket", protocol: "2", count: 12_000 },
      { transport: "none", protocol: "2", count: 300 },
      { transport: "none", protocol: "1", count: 15 },
      { transport: "events", protocol: "2", count: 0 },
    ],
    subscriptions: 24_690,
    blocked: 2,
    unwrittenBytes: 999,
    unacknowledgedBytes: 1000,
  },
  hub: {
    messagesPublished: 1,
    framesIn: 1_234_567,
    bytesIn: 5 * 2 ** 20,
    framesOut: 2,
    bytesOut: 120.4 * 2 ** 30,
    slowReaders: 3,
  },
  relay: { queued: 4, inFlight: 5, retried: 6, givenUp: 7 },
  eventLoop: { worstLagSeconds: 0.0123 },
  process: { residentBytes: 2 ** 27, heapUsedBytes: 2 ** 25, openFiles: 12_400, maxFiles: 20_000 },
};

Deno.test("numberLines() shows what a server counts, one below the other", () => {
  assertEquals(numberLines(STATS), [
    "  up            3 d 4 h",
    "  sessions      12,345: 12,000 websocket, 315 away, 30 poll",
    "  channels      12, 24,690 subscriptions",
    "  published     1 message",
    "  in            1,234,567 frames, 5.0 MiB",
    "  out           2 frames, 120 GiB",
    "  queued        999 B unwritten, 1.0 KiB unacknowledged",
    "  slow readers  3 sent away, 2 behind now",
    "  app           4 events waiting, 5 requests under way, 6 tried again, 7 given up",
    "  event loop    13 ms late at most, lately",
    "  memory        128 MiB, 32 MiB heap",
    "  files         12,400 open, 20,000 allowed",
  ]);
});

Deno.test("numberLines() leaves out what an older server does not tell, and where there is none", () => {
  const old = { sessions: 2, channels: 1, hub: { framesIn: 3, framesOut: 4 }, relay: null };
  assertEquals(numberLines(old), [
    "  sessions      2",
    "  channels      1",
    "  in            3 frames",
    "  out           4 frames",
  ]);
  const noFiles = { process: { openFiles: null, maxFiles: 20_000 } };
  for (const nothing of [null, undefined, 1, "stats", [], {}, noFiles, { sessions: "many" }]) {
    assertEquals(numberLines(nothing), []);
  }
});

Deno.test("numberLines() hands a terminal no text of the server's that would move its cursor", () => {
  const byTransport = [{ transport: "\u001b[2J", count: 1 }, null, { transport: 1, count: 2 }];
  assertEquals(numberLines({ sessions: 1, sessionTotals: { byTransport } }), [
    "  sessions      1: 1 \\u001b[2J",
  ]);
});

Deno.test("numberLines() says how long a server is up in its two largest units", () => {
  const up = (uptimeSeconds: number) => numberLines({ server: { uptimeSeconds } })[0]!.slice(16);
  assertEquals([0.4, 59.9, 60, 3599, 3600, 86_400, 90_000, 86_460].map(up), [
    "0 s",
    "59 s",
    "1 min",
    "59 min 59 s",
    "1 h",
    "1 d",
    "1 d 1 h",
    "1 d",
  ]);
});
