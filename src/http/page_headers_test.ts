import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import type { Connection, RemoteEnv } from "../web/remote.ts";
import { pageHeaders, strictTransport } from "./page_headers.ts";

async function hsts(host: string | null, more: Partial<Connection>): Promise<string | null> {
  const routes = new Hono<RemoteEnv>();
  routes.use("/", strictTransport);
  routes.get("/", () => new Response("a page", { headers: pageHeaders([]) }));
  const headers: Record<string, string> = host === null ? {} : { host };
  const response = await routes.request("/", { headers }, { remoteAddress: "192.0.2.1", ...more });
  await response.body?.cancel();
  return response.headers.get("strict-transport-security");
}

const YEAR = "max-age=31536000";

Deno.test("strictTransport() asks for TLS where that is spoken, at the default port", async () => {
  assertEquals(await hsts("chloe.example", { scheme: "https" }), YEAR);
  assertEquals(await hsts("chloe.example:443", { scheme: "https" }), YEAR);
  assertEquals(await hsts(null, { scheme: "https", host: "chloe.example" }), YEAR);
});

Deno.test("strictTransport() says nothing that would hold for what is not Chloe's", async () => {
  assertEquals(await hsts("chloe.example", {}), null);
  assertEquals(await hsts("chloe.example", { scheme: "http" }), null);
  assertEquals(await hsts("chloe.example:8901", { scheme: "https" }), null);
  for (const host of ["localhost", "127.0.0.1", "[::1]", "", null]) {
    assertEquals(await hsts(host, { scheme: "https" }), null, String(host));
  }
});
