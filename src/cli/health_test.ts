import { assertEquals } from "@std/assert";
import { health } from "./health.ts";

function answering(
  response: () => Response,
): { url: string } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, response);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("health() reads what Chloe says of itself", async () => {
  await using near = answering(() => Response.json({ status: "ok", pid: 7 }));
  assertEquals(await health(near.url), { pid: 7 });
  await using far = answering(() => Response.json({ status: "ok" }));
  assertEquals(await health(far.url), { pid: null });
});

Deno.test("health() is null where something else answers, or nothing", async () => {
  await using page = answering(() => new Response("<html>"));
  assertEquals(await health(page.url), null);
  await using other = answering(() => Response.json({ status: "ok" }, { status: 404 }));
  assertEquals(await health(other.url), null);
  await using long = answering(() => new Response("x".repeat(2_000_000)));
  assertEquals(await health(long.url), null);
  assertEquals(await health("http://127.0.0.1:1"), null);
});
