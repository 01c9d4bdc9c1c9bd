import { assertEquals } from "@std/assert";
import { BodyReader } from "./body_reader.ts";

/** A request whose body is there at once, or comes with what is done to its controller. */
function requestOf(
  body: string | ((controller: ReadableStreamDefaultController<Uint8Array>) => void),
  headers: Record<string, string> = {},
): Request {
  const init = { method: "POST", headers };
  return typeof body === "string"
    ? new Request("http://127.0.0.1/", { ...init, body })
    : new Request("http://127.0.0.1/", { ...init, body: new ReadableStream({ start: body }) });
}

async function read(reader: BodyReader, request: Request, maxBytes?: number) {
  const body = await reader.read(request, maxBytes);
  return body.ok ? new TextDecoder().decode(body.bytes) : body.status;
}

const FIVE = { "content-length": "5" };

Deno.test("BodyReader reads a body, whether its length was said or not", async () => {
  const reader = new BodyReader({ maxBytes: 5 });
  assertEquals(await read(reader, requestOf("hello", FIVE)), "hello");
  assertEquals(await read(reader, requestOf("hello")), "hello");
  assertEquals(await read(reader, requestOf("hello", { "transfer-encoding": "chunked" })), "hello");
  assertEquals(await read(reader, requestOf("", { "content-length": "0" })), "");
});

Deno.test("BodyReader refuses what is too long, by its own bound or by another", async () => {
  const reader = new BodyReader({ maxBytes: 5 });
  assertEquals(await read(reader, requestOf("hello!", { "content-length": "6" })), 413);
  assertEquals(await read(reader, requestOf("hello!")), 413);
  assertEquals(await read(reader, requestOf("hello", FIVE), 4), 413);
  assertEquals(await read(reader, requestOf("hello!", { "content-length": "6" }), 6), "hello!");
  assertEquals(await read(reader, requestOf("hello", { "content-length": "five" })), 413);
});

Deno.test("BodyReader waits for a body that comes late, and gives up those that stall", async () => {
  const reader = new BodyReader({ maxBytes: 5, timeoutMs: 50 });
  let late!: ReadableStreamDefaultController<Uint8Array>;
  const patient = new BodyReader({ maxBytes: 5 });
  const reading = read(patient, requestOf((controller) => late = controller, FIVE));
  const stalling = [1, 2].map(() => read(reader, requestOf(() => {}, FIVE)));
  assertEquals(await Promise.all(stalling), [408, 408]);
  late.enqueue(new TextEncoder().encode("hello"));
  late.close();
  assertEquals(await reading, "hello");
});

Deno.test("BodyReader gives up a body that breaks off", async () => {
  const reader = new BodyReader({ maxBytes: 5 });
  let late!: ReadableStreamDefaultController<Uint8Array>;
  const reading = read(reader, requestOf((controller) => late = controller, FIVE));
  late.error(new Error("connection reset"));
  assertEquals(await reading, 408);
});

/** @returns The value as JSON text again, or the status. */
async function readJson(reader: BodyReader, request: Request) {
  const body = await reader.readJson(request);
  return body.ok ? JSON.stringify(body.value) : body.status;
}

Deno.test("BodyReader reads JSON, whether its length was said or not", async () => {
  const reader = new BodyReader({ maxBytes: 9 });
  const NINE = { "content-length": "9" };
  assertEquals(await readJson(reader, requestOf('{"a": 1 }', NINE)), '{"a":1}');
  assertEquals(await readJson(reader, requestOf('{"a": 1 }')), '{"a":1}');
  assertEquals(await readJson(reader, requestOf('{"a": 1  ', NINE)), 400);
  assertEquals(await readJson(reader, requestOf('{"a": 1  ')), 400);
  assertEquals(await readJson(reader, requestOf("", { "content-length": "0" })), 400);
});

Deno.test("BodyReader bounds JSON as it does any body", async () => {
  const reader = new BodyReader({ maxBytes: 5, timeoutMs: 50 });
  assertEquals(await readJson(reader, requestOf("[1,2]", FIVE)), "[1,2]");
  assertEquals(await readJson(reader, requestOf("[1, 2]", { "content-length": "6" })), 413);
  assertEquals(await readJson(reader, requestOf("[1, 2]")), 413);
  assertEquals(await readJson(reader, requestOf(() => {}, FIVE)), 408);
  let late!: ReadableStreamDefaultController<Uint8Array>;
  const reading = readJson(reader, requestOf((controller) => late = controller, FIVE));
  late.error(new Error("connection reset"));
  assertEquals(await reading, 408);
});
