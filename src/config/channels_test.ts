import { assertEquals } from "@std/assert";
import { channelSettings, isOpenWithoutRule } from "./channels.ts";
import { type Config, schema } from "./schema.ts";

function config(tree: unknown): Config {
  return schema.parse(tree);
}

Deno.test("channelSettings() has the documented defaults", () => {
  assertEquals(channelSettings(config({ channel: [{ pattern: "news" }] })), [{
    pattern: "news",
    authorize: "open",
    clientsPublish: false,
    history: null,
    presence: null,
    slow: "close",
    maxSubscribers: Infinity,
  }]);
});

Deno.test("channelSettings() reads each key, and keeps the order", () => {
  const channel = [
    { pattern: "a", authorize: "token", publish: "clients", history: {}, presence: true },
    { pattern: "b", history: { size: 7, ttl: "24d" }, presence: { names: 0 }, slow: "keep_latest" },
    { pattern: "c", presence: false, max_subscribers: 2 },
    { pattern: "d", presence: {}, history: false },
  ];
  const [a, b, c, d] = channelSettings(config({ channel }));
  assertEquals([a?.pattern, a?.authorize, a?.clientsPublish], ["a", "token", true]);
  assertEquals([a?.history, a?.presence], [{ size: 100, ttlMs: 300_000 }, { names: 100 }]);
  assertEquals([b?.history, b?.presence], [{ size: 7, ttlMs: 24 * 86_400_000 }, { names: 0 }]);
  assertEquals(b?.slow, "keep_latest");
  assertEquals([c?.presence, c?.maxSubscribers], [null, 2]);
  assertEquals([d?.presence, d?.history], [{ names: 100 }, null]);
});

Deno.test("isOpenWithoutRule() is so without any rules and on loopback only", () => {
  assertEquals(isOpenWithoutRule(config({})), true);
  assertEquals(isOpenWithoutRule(config({ host: "0.0.0.0" })), false);
  assertEquals(isOpenWithoutRule(config({ channel: [{ pattern: "news" }] })), false);
});
