import { assert, assertEquals } from "@std/assert";
import { getHeapStatistics } from "node:v8";
import { schema } from "./config/schema.ts";
import { addressLimit, commandPace, queuedBytes, sendLimit } from "./limits.ts";
import { LimitsHit } from "./hub/limits_hit.ts";

const configOf = (limits: Record<string, unknown> = {}) => schema.parse({ limits });

const PUBLIC = "192.0.2.1";
const LOCAL = ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "fd00::1"];

Deno.test("by default an address has 500 connections, or a quarter of all, and a local one any number", () => {
  const limit = addressLimit(configOf(), 20_000)!;
  assertEquals([limit.maxConnections, limit.maxSessions], [500, 1000]);
  assertEquals(limit.keyOf(PUBLIC), PUBLIC);
  assertEquals(LOCAL.filter((address) => limit.keyOf(address) !== ""), []);
  assertEquals(addressLimit(configOf(), 524)!.maxConnections, 131);
});

Deno.test("a limit that is set holds for every address, and 0 for none", () => {
  const limit = addressLimit(configOf({ connections_per_address: 7 }), 20_000)!;
  assertEquals(limit.maxConnections, 7);
  assertEquals(LOCAL.filter((address) => limit.keyOf(address) === ""), []);
  assertEquals(limit.keyOf(""), "", "who has no address");
  assertEquals(addressLimit(configOf({ connections_per_address: 0 }), 20_000), null);
});

Deno.test("commands have no pace where it is 0, and requests to /send where it is not set", () => {
  assert(commandPace(configOf()) !== null);
  assertEquals(commandPace(configOf({ commands_per_second: 0 })), null);
  assertEquals(sendLimit(configOf(), new LimitsHit()), null);
  assert(sendLimit(configOf({ send_per_second: 5 }), new LimitsHit()) !== null);
});

Deno.test("what is queued in all is less than V8 may use", () => {
  const bytes = queuedBytes(configOf());
  assert(bytes > 0 && bytes <= 512 * 1024 * 1024);
  assert(bytes <= getHeapStatistics().heap_size_limit / 4);
  assertEquals(queuedBytes(configOf({ queued_bytes: "2MiB" })), 2 * 1024 * 1024);
});
