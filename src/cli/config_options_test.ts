import { assertEquals } from "@std/assert";
import { Command } from "commander";
import { addConfigOptions, configArguments, readConfig } from "./config_options.ts";

function parse(...args: string[]) {
  return addConfigOptions(new Command()).parse(args, { from: "user" }).opts();
}

Deno.test("addConfigOptions() has a flag for the common keys, and none for a secret", () => {
  const flags = addConfigOptions(new Command()).options.map(({ long }) => long);
  for (const flag of ["--config", "--host", "--port", "--app-url", "--log-level", "--log-format"]) {
    assertEquals(flags.includes(flag), true, flag);
  }
  assertEquals(flags.some((flag) => /secret|api-key/.test(flag!)), false);
});

Deno.test("readConfig() puts flags over everything", async () => {
  const { config } = await readConfig(
    parse(
      "--port",
      "9000",
      "--app-url=http://x/",
      "--origins",
      "https://a.example,https://b.example",
    ),
  );
  assertEquals(config?.port, 9000);
  assertEquals(config?.app.url, "http://x/");
  assertEquals(config?.origins, ["https://a.example", "https://b.example"]);
});

Deno.test("configArguments() hands the same flags on", () => {
  const words = ["--config", "a b.toml", "--port=0", "--app-retry-for=1m"];
  assertEquals(
    configArguments(parse("--port", "0", "--app-retry-for", "1m", "-c", "a b.toml")),
    words,
  );
  assertEquals(configArguments(parse(...words)), words);
});
