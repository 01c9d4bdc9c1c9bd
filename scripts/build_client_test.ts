import { gzipSync } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { buildClient, buildWithoutTabs, staleFiles } from "./build_client.ts";

const ROOT = new URL("../", import.meta.url);

/** Bytes of `chloe.min.js` in gzip: what a page pays for it. */
const MAX_GZIP_BYTES = 8 * 1024;

/** The same without what lets tabs share a connection. */
const MAX_GZIP_BYTES_WITHOUT_TABS = 6 * 1024;

/** How long it is as the server sends it. */
function gzipped(bytes: Uint8Array): number {
  return gzipSync(bytes, { level: 9 }).length;
}

Deno.test({
  name: "client/dist is what client/ makes",
  // esbuild's stop() resolves when its process was told to end, not when it has.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    assertEquals(await staleFiles(await buildClient()), [], "run: deno task build:client");
  },
});

Deno.test({
  name: "chloe.min.js stays small",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const bytes = await Deno.readFile(new URL("client/dist/chloe.min.js", ROOT));
    const length = gzipped(bytes);
    assert(length <= MAX_GZIP_BYTES, `${length} bytes in gzip`);
    const withoutTabs = gzipped(await buildWithoutTabs());
    assert(withoutTabs <= MAX_GZIP_BYTES_WITHOUT_TABS, `${withoutTabs} bytes without tabs`);
  },
});

Deno.test("the scripts hold no syntax later than ES2018", async () => {
  for (const name of ["chloe.js", "chloe.min.js", "status.js"]) {
    const text = await Deno.readTextFile(new URL(`client/dist/${name}`, ROOT));
    for (const later of [/\?\./, /\?\?/, /\.#\w/, /\|\|=/, /\bimport\.meta/, /catch\s*\{/]) {
      // A conditional may have a fraction behind its question mark: a?.5:1.
      assert(!new RegExp(`${later.source}(?!\\d)`).test(text), `${name} has ${later}`);
    }
  }
});
