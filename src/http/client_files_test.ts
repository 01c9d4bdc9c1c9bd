import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { clientFiles } from "./client_files.ts";

const DIR = new URL("../../client/dist", import.meta.url).pathname;

function get(path: string, headers: Record<string, string> = {}, method = "GET") {
  return clientFiles({ dir: DIR }).request(path, { method, headers });
}

Deno.test("clientFiles() serves each file with its type, for pages of any origin", async () => {
  const types = {
    "/chloe.js": "text/javascript; charset=utf-8",
    "/chloe.min.js": "text/javascript; charset=utf-8",
    "/chloe-min.js": "text/javascript; charset=utf-8",
    "/chloe.mjs": "text/javascript; charset=utf-8",
    "/chloe.js.map": "application/json",
    "/chloe.min.js.map": "application/json",
    "/chloe.mjs.map": "application/json",
    "/chloe.d.ts": "application/typescript; charset=utf-8",
  };
  for (const [path, type] of Object.entries(types)) {
    const response = await get(path);
    assertEquals([path, response.status], [path, 200]);
    assertEquals(response.headers.get("content-type"), type);
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    assertEquals(response.headers.get("access-control-allow-origin"), "*");
    assertEquals(response.headers.get("cross-origin-resource-policy"), "cross-origin");
    assertEquals(response.headers.get("cache-control"), "public, max-age=300");
    assertMatch(response.headers.get("etag") ?? "", /^W\/"[\w-]{22}"$/);
    await response.body?.cancel();
  }
  assertEquals((await get("/chloe.ts")).status, 404);
});

Deno.test("clientFiles() gives the minified file under its name of 2011 too", async () => {
  assertEquals(
    await (await get("/chloe-min.js")).text(),
    await (await get("/chloe.min.js")).text(),
  );
});

Deno.test("clientFiles() names a source map that it has", async () => {
  for (const name of ["chloe.js", "chloe.min.js", "chloe.mjs"]) {
    assertStringIncludes(await (await get(`/${name}`)).text(), `//# sourceMappingURL=${name}.map`);
    const map = await (await get(`/${name}.map`)).json();
    assertEquals([map.version, map.sources.includes("../chloe.ts")], [3, true]);
  }
});

Deno.test("clientFiles() answers 304 to whoever has the file", async () => {
  const first = await get("/chloe.js");
  await first.body?.cancel();
  const tag = first.headers.get("etag")!;
  for (const known of [tag, tag.slice(2), `"other", ${tag}`, "*"]) {
    const response = await get("/chloe.js", { "if-none-match": known });
    assertEquals([response.status, await response.text()], [304, ""]);
    assertEquals(response.headers.get("etag"), tag);
  }
  const response = await get("/chloe.js", { "if-none-match": '"other"' });
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("clientFiles() compresses for those who take gzip", async () => {
  const plain = await (await get("/chloe.min.js")).text();
  for (const accepted of ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "GZIP"]) {
    const response = await get("/chloe.min.js", { "accept-encoding": accepted });
    assertEquals(response.headers.get("content-encoding"), "gzip");
    assertEquals(response.headers.get("vary"), "accept-encoding");
    const unpacked = response.body!.pipeThrough(new DecompressionStream("gzip"));
    assertEquals(await new Response(unpacked).text(), plain);
  }
  for (const accepted of ["", "identity", "br", "gzip;q=0", "gzip; q=0.0, br"]) {
    const response = await get("/chloe.min.js", { "accept-encoding": accepted });
    assertEquals(response.headers.get("content-encoding"), null);
    assertEquals(await response.text(), plain);
  }
});

Deno.test("clientFiles() answers HEAD without a body", async () => {
  const response = await get("/chloe.js", {}, "HEAD");
  assertEquals([response.status, await response.text()], [200, ""]);
});

Deno.test("clientFiles() says what to do where nothing was built", () => {
  assertThrows(() => clientFiles({ dir: "/nowhere" }), Error, "build it first: /nowhere/chloe.js");
});
