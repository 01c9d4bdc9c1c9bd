import { assertEquals } from "@std/assert";
import { CHLOE_BIN } from "./support/chloe_process.ts";
import { ask } from "./support/http.ts";
import { startTestServer } from "./support/server.ts";

Deno.test("/healthz says that the process lives, and to its own machine which one it is", async () => {
  await using server = await startTestServer();
  const { status, headers, text } = await ask(server, "/healthz");
  const { status: said, pid, version } = JSON.parse(text);
  assertEquals([status, said, typeof version], [200, "ok", "string"]);
  assertEquals(pid === Deno.pid, CHLOE_BIN === undefined);
  assertEquals(headers.get("cache-control"), "no-store");
});

Deno.test("/readyz says that sessions are taken", async () => {
  await using server = await startTestServer();
  const { status, text } = await ask(server, "/readyz");
  assertEquals([status, JSON.parse(text)], [200, { status: "ready" }]);
});

Deno.test("an address that is none is answered with 404, in the form of every error", async () => {
  await using server = await startTestServer();
  for (const path of ["/nothing", "/chloe", "/chloe/nothing", "//", "/%00"]) {
    const { status, headers, text } = await ask(server, path);
    assertEquals([path, status, JSON.parse(text).error.code], [path, 404, "not_found"]);
    assertEquals(headers.get("content-type"), "application/json");
  }
});

Deno.test("a server that was shut down has closed its port", async () => {
  await using server = await startTestServer();
  await ask(server, "/healthz");
  await server.shutdown();
  // Nobody listens: the connection itself is refused.
  const error = await ask(server, "/healthz").then(() => null, (error) => error);
  assertEquals(error instanceof Error, true);
});
