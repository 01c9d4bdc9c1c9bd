import { assertEquals, assertStrictEquals } from "@std/assert";
import { Entry, eventBytes } from "./entry.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("Entry counts its bytes in UTF-8", () => {
  assertEquals(new Entry("a€🎃", 1).bytes, 1 + 3 + 4);
});

Deno.test("Entry is one event on a stream, its lines each with their field", () => {
  const entry = new Entry('{"a":1}\n{"b":2}', 2);
  assertEquals(text(entry.event), 'data: {"a":1}\ndata: {"b":2}\n\n');
});

Deno.test("Entry makes its bytes once, for all streams", () => {
  const entry = new Entry("{}", 1);
  assertStrictEquals(entry.event, entry.event);
  const raw = new Entry("data: x\n\n", 1);
  assertEquals(text(raw.raw), "data: x\n\n");
  assertStrictEquals(raw.raw, raw.raw);
});

Deno.test("eventBytes() writes a frame that stands alone", () => {
  assertEquals(text(eventBytes("{}")), "data: {}\n\n");
});
