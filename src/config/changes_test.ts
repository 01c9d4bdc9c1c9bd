import { assertEquals } from "@std/assert";
import { configChanges } from "./changes.ts";
import { keys } from "./keys.ts";
import { schema } from "./schema.ts";

type File = Parameters<typeof schema.parse>[0];

function changes(before: File, after: File) {
  const { live, restart, config } = configChanges(schema.parse(before), schema.parse(after));
  return { live: live.map(({ name }) => name), restart: restart.map(({ name }) => name), config };
}

Deno.test("configChanges() finds nothing in the same config", () => {
  const { live, restart } = changes({ channel: [{ pattern: "a" }] }, {
    channel: [{ pattern: "a", authorize: "open" }],
  });
  assertEquals([live, restart], [[], []]);
});

Deno.test("configChanges() tells what can be put in force from what needs a restart", () => {
  const { live, restart, config } = changes(
    { port: 1, origins: ["https://a.example"], app: { events: ["message"] } },
    { port: 2, channel: [{ pattern: "b" }], app: { events: ["connect"], timeout: "1s" } },
  );
  assertEquals(live, ["origins", "app.timeout", "channel"]);
  assertEquals(restart, ["port", "app.events"]);
  assertEquals([config.port, config.app.events], [1, ["message"]]);
  assertEquals([config.origins, config.app.timeout], [[], 1000]);
});

Deno.test("configChanges() takes another app.url, but neither a first one nor none any more", () => {
  const some = { app: { url: "http://a.example/" } };
  const other = { app: { url: "http://b.example/" } };
  assertEquals(changes(some, other).live, ["app.url"]);
  assertEquals(changes({}, some).restart, ["app.url"]);
  assertEquals(changes(some, {}).restart, ["app.url"]);
  assertEquals(changes(some, {}).config.app.url, "http://a.example/");
});

Deno.test("docs/reload.md names every key that needs a restart, and no other", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/reload.md", import.meta.url));
  const [, list = ""] = /\*\*What needs a restart\*\*([^;]*);/.exec(text) ?? [];
  assertEquals(
    [...list.matchAll(/`([\w.]+)`/g)].map(([, name]) => name),
    keys.filter(({ live }) => live === undefined).map(({ name }) => name),
  );
});
