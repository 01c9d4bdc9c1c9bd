import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import type { RemoteEnv } from "../../web/remote.ts";
import { Authenticator } from "../authentication.ts";
import { IdempotencyStore } from "../idempotency.ts";
import { guard } from "./guard.ts";

const KEY = "chk_a_key";

function setUp(options: { store?: IdempotencyStore; maxBodyBytes?: number } = {}) {
  const routes = new Hono<RemoteEnv>();
  const authenticator = new Authenticator({ secrets: [], apiKeys: [KEY] });
  routes.use("*", guard({ authenticator, ...options }));
  const done: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  let wake = () => {};
  routes.post("/slow", async (c) => {
    done.push(await c.req.text());
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    wake();
    await gate.promise;
    return Response.json({ nth: done.length });
  });
  routes.post("/fails", () => {
    throw new Error("a fault");
  });
  routes.onError(() => new Response("", { status: 500 }));
  routes.get("/", () => new Response("ok"));
  const ask = (path: string, { method = "POST", id, body = "{}" }: {
    method?: string;
    id?: string;
    body?: string;
  }) =>
    routes.request(path, {
      method,
      headers: {
        authorization: `Bearer ${KEY}`,
        "content-type": "application/json; charset=utf-8",
        ...(id !== undefined && { "webhook-id": id }),
      },
      ...(method === "POST" && { body }),
    }, { remoteAddress: "192.0.2.1" });
  /** Waits until so many handlers have begun. */
  const begun = async (count: number) => {
    while (gates.length < count) await new Promise<void>((resolve) => wake = resolve);
  };
  return { ask, done, gates, begun };
}

Deno.test("guard() gives who asks the same meanwhile the first one's answer", async () => {
  const { ask, done, gates, begun } = setUp();
  const same = [ask("/slow", { id: "a" }), ask("/slow", { id: "a" }), ask("/slow", { id: "a" })];
  await begun(1);
  assertEquals(done, ["{}"]);
  assertEquals((await ask("/slow", { id: "a", body: "[]" })).status, 409);
  assertEquals((await ask("/", { id: "a", method: "GET" })).status, 409);
  gates[0]!.resolve();
  for (const answer of await Promise.all(same)) assertEquals(await answer.json(), { nth: 1 });
  assertEquals(await (await ask("/slow", { id: "a" })).json(), { nth: 1 });
  assertEquals(done, ["{}"]);
});

Deno.test("guard() does anew what failed, and what has no id", async () => {
  const { ask, done, gates, begun } = setUp();
  assertEquals((await ask("/fails", { id: "a" })).status, 500);
  assertEquals((await ask("/fails", { id: "a" })).status, 500);
  assertEquals((await ask("/slow", { id: "a" })).status, 409);
  const both = [ask("/slow", {}), ask("/slow", {})];
  await begun(2);
  gates.forEach(({ resolve }) => resolve());
  await Promise.all(both);
  assertEquals(done.length, 2);
});

Deno.test("guard() refuses a new id where no more can be remembered, and knows the old ones", async () => {
  let now = 0;
  const { ask } = setUp({ store: new IdempotencyStore({ maxIds: 2, now: () => now }) });
  const get = async (id: string) => (await ask("/", { id, method: "GET" })).status;
  assertEquals([await get("a"), await get("b"), await get("c"), await get("a")], [
    200,
    200,
    503,
    200,
  ]);
  now += 6 * 60_000;
  assertEquals(await get("c"), 200);
});

Deno.test("guard() bounds a body", async () => {
  const { ask } = setUp({ maxBodyBytes: 10 });
  assertEquals((await ask("/fails", { body: '{"a":12345}' })).status, 413);
  assertEquals((await ask("/fails", { body: '{"a":1234}' })).status, 500);
});
