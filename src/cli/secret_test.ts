import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { parse } from "@std/toml";
import { checkConfig } from "../config/check.ts";
import type { Table } from "../config/tree.ts";
import { secretBlock } from "./secret.ts";

Deno.test("secretBlock() is a config with a key of each kind", () => {
  const { config, problems, warnings } = checkConfig(parse(secretBlock()) as Table, {
    sourceOf: () => undefined,
    incomplete: false,
  });
  assertEquals([problems, warnings], [[], []]);
  const { secret, api_keys, token } = config!;
  assertEquals([secret.length, api_keys.length, token.secret.length], [1, 1, 1]);
  assertMatch(token.secret[0]!, /^tok_[\w-]{64}$/);
});

Deno.test("secretBlock() has new keys each time", () => {
  const keys = (block: string) => block.match(/"[^"]+"/g)!;
  const second = keys(secretBlock());
  for (const key of keys(secretBlock())) assertNotEquals(second.includes(key), true);
});
