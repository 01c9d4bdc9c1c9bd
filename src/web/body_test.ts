import { assertEquals } from "@std/assert";
import { readBody } from "./body.ts";

type Chunks = readonly (string | "stall" | "break")[];

/** A request whose body comes in the given chunks; then it may stall, or break off. */
function requestOf(chunks: Chunks, headers: Record<string, string> = {}) {
  const left = [...chunks];
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === "stall") return new Promise<void>(() => {});
      if (chunk === "break") return controller.error(new Error("connection reset"));
      if (chunk === undefined) return controller.close();
      controller.enqueue(new TextEncoder().encode(chunk));
    },
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  const request = new Request("http://127.0.0.1/", { method: "POST", headers, body });
  return { request, isCancelled: () => cancelled, chunksLeft: () => left.length };
}

async function textOf(chunks: Chunks, maxBytes: number): Promise<string | number> {
  const body = await readBody(requestOf(chunks).request, { maxBytes });
  return body.ok ? new TextDecoder().decode(body.bytes) : body.status;
}

Deno.test("readBody() puts a body together", async () => {
  assertEquals(await textOf(["one ", "two ", "three"], 100), "one two three");
  assertEquals(await textOf(["one"], 3), "one");
  assertEquals(await textOf([], 0), "");
});

Deno.test("readBody() takes a request without a body", async () => {
  const body = await readBody(new Request("http://127.0.0.1/", { method: "POST" }), {
    maxBytes: 0,
  });
  assertEquals(body, { ok: true, bytes: new Uint8Array() });
});

Deno.test("readBody() refuses by its header a body that is too large, and reads none of it", async () => {
  const { request, chunksLeft } = requestOf(["hello"], { "content-length": "5" });
  assertEquals(await readBody(request, { maxBytes: 4 }), { ok: false, status: 413 });
  assertEquals(chunksLeft(), 1);
});

Deno.test("readBody() refuses a body that grows too large, and reads no further", async () => {
  const { request, chunksLeft, isCancelled } = requestOf(["12345", "6", "7", "8", "9"]);
  assertEquals(await readBody(request, { maxBytes: 5 }), { ok: false, status: 413 });
  assertEquals(chunksLeft(), 3);
  assertEquals(isCancelled(), true);
});

Deno.test("readBody() believes no header that says less than comes", async () => {
  const { request } = requestOf(["12345", "6"], { "content-length": "1" });
  assertEquals(await readBody(request, { maxBytes: 5 }), { ok: false, status: 413 });
});

Deno.test("readBody() cuts a body that stalls", async () => {
  const { request, isCancelled } = requestOf(["hel", "stall"]);
  assertEquals(await readBody(request, { maxBytes: 100, timeoutMs: 5 }), {
    ok: false,
    status: 408,
  });
  assertEquals(isCancelled(), true);
});

Deno.test("readBody() gives up on a body that breaks off", async () => {
  const { request } = requestOf(["hel", "break"]);
  assertEquals(await readBody(request, { maxBytes: 100 }), { ok: false, status: 408 });
});
