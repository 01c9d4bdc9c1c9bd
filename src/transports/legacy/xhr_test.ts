import { assertEquals } from "@std/assert";
import { legacyCodec } from "../../protocol/legacy.ts";
import { xhrFormat } from "./xhr.ts";

const message = (data: string) => legacyCodec.push("/x", JSON.stringify(data));

Deno.test("xhrFormat() lists the messages in order", () => {
  const { messages } = JSON.parse(
    xhrFormat([`${message("1")}\n${message("two\nlines")}`, message("3")], false)!,
  );
  assertEquals(messages.map(({ data }: { data: string }) => data), ["1", "two\nlines", "3"]);
});

Deno.test("xhrFormat() has the page ask again, by a channel that has no callback of the page's", () => {
  const { messages } = JSON.parse(xhrFormat([], false)!);
  assertEquals(messages.length, 1);
  const subscriptions: Record<string, unknown> = {};
  assertEquals(typeof subscriptions[messages[0].channel], "function");
  assertEquals(messages[0].version, 1);
});

Deno.test("xhrFormat() has no words for the end of a session", () => {
  assertEquals(xhrFormat([], true), null);
});
