import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { statusPage, type StatusPageOptions } from "./status_page.ts";

const DIR = new URL("../../client/dist", import.meta.url).pathname;

function get(path: string, options: Partial<StatusPageOptions> = {}) {
  const page = statusPage({ dir: DIR, version: "1.2.3", demo: false, ...options });
  return page.request(path, {}, { remoteAddress: "127.0.0.1" });
}

Deno.test("statusPage() tells the version, and whether the demo app is there", async () => {
  const html = await (await get("/", { demo: true, isGuarded: () => true })).text();
  assertStringIncludes(html, "<strong>1.2.3</strong>");
  assertStringIncludes(html, 'data-demo="true" data-guarded="true"');
  assertStringIncludes(await (await get("/")).text(), 'data-demo="false" data-guarded="false"');
});

Deno.test("statusPage() takes a version for text", async () => {
  const html = await (await get("/", { version: "<script>$&" })).text();
  assertStringIncludes(html, "<strong>&#60;script&#62;$&#38;</strong>");
});

Deno.test("statusPage() forbids all that is not its own", async () => {
  const parts = { "/": "text/html", "/status.css": "text/css", "/status.js": "text/javascript" };
  for (const [path, type] of Object.entries({ ...parts, "/status.svg": "image/svg+xml" })) {
    const { headers, body } = await get(path);
    await body?.cancel();
    assert(headers.get("content-type")?.startsWith(type));
    const policy = headers.get("content-security-policy") ?? "";
    assertStringIncludes(policy, "default-src 'none'");
    assertStringIncludes(policy, "frame-ancestors 'none'");
    assert(!policy.includes("unsafe"));
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("access-control-allow-origin"), null);
  }
});

Deno.test("statusPage() has no script, style or handler inline, and nothing from elsewhere", async () => {
  const html = await (await get("/")).text();
  assert(!/<script(?![^>]*\ssrc="\/)/.test(html));
  assert(!/<style|\sstyle=|\son[a-z]+=|javascript:/.test(html));
  assert(!/(src|href)="(?!\/)/.test(html));
  for (const path of ["/status.css", "/status.js"]) {
    assert(!/url\(|@import|https?:\/\//.test(await (await get(path)).text()));
  }
});
