import { assertEquals } from "@std/assert";
import { parse } from "@std/toml";
import { keys, namesIn } from "./keys.ts";
import { loadConfig } from "./load.ts";

const EXAMPLE = new URL("../../chloe.example.toml", import.meta.url);

Deno.test("chloe.example.toml is a config without problems", async () => {
  const { problems, warnings } = await loadConfig({ file: EXAMPLE.pathname });
  assertEquals(problems, undefined);
  assertEquals(warnings, []);
});

Deno.test("chloe.example.toml has every key with its default", async () => {
  const text = await Deno.readTextFile(EXAMPLE);
  const file = parse(text);
  for (const key of keys) {
    const value = key.path.reduce<unknown>(
      (table, part) => (table as Record<string, unknown> | undefined)?.[part],
      file,
    );
    if (key.name === "channel") continue;
    if (key.default !== undefined) assertEquals(value, key.default, key.name);
    else assertEquals(value, undefined, `${key.name} has no default`);
  }
});

Deno.test("chloe.example.toml is right where its comments are taken away", async () => {
  const text = (await Deno.readTextFile(EXAMPLE))
    .replaceAll(/^# (\[\[?\w+\]\]?|\w+ = .*)$/gm, "$1")
    .replace(`secret = "..."`, `secret = "any"`);
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(file, text);
  const { config, problems } = await loadConfig({ file });
  await Deno.remove(file);
  assertEquals(problems, undefined);
  for (const key of keys) {
    const value = key.path.reduce<unknown>(
      (table, part) => (table as Record<string, unknown> | undefined)?.[part],
      config,
    );
    assertEquals(value === undefined, false, `${key.name} is not in the example`);
  }
  assertEquals(config!.channel, [{
    pattern: "chat:*",
    authorize: "open",
    publish: "clients",
    history: { size: 100, ttl: 300_000 },
    presence: { names: 100 },
    slow: "close",
    max_subscribers: 10_000,
  }]);
  assertEquals(Object.keys(config!.channel[0]!), namesIn(["channel", 0]));
});
