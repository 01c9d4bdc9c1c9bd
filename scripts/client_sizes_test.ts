import { assert, assertEquals } from "@std/assert";
import { ownSizes, tableIn } from "./client_sizes.ts";

Deno.test({
  name: "docs/client.md says how large chloe.min.js is",
  // esbuild's stop() resolves when its process was told to end, not when it has.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const rows = tableIn(await Deno.readTextFile(new URL("../docs/client.md", import.meta.url)));
    const hint = "run: deno task sizes:client --write --ours";
    const own = await ownSizes();
    for (const { gzip, ...exact } of own) {
      const said = rows.find(({ name }) => name === exact.name);
      assertEquals({ ...said, gzip }, { ...exact, gzip }, hint);
      // Not every system's gzip makes the same of it.
      assert(Math.abs(said!.gzip - gzip) <= gzip / 100, hint);
    }
    assert(rows.length > own.length, "the others are compared");
  },
});
