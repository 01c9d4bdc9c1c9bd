import { assertEquals } from "@std/assert";
import { tableLines, visible } from "./table.ts";

const COLUMNS = [{ title: "ID" }, { title: "USER", mayBeCut: true }, {
  title: "CLIENT",
  mayBeCut: true,
}];

Deno.test("tableLines() sets columns below each other", () => {
  assertEquals(tableLines(COLUMNS, [["a", "ann", "x"], ["abcd", "b", "yz"]], Infinity), [
    "ID    USER  CLIENT",
    "a     ann   x",
    "abcd  b     yz",
  ]);
  assertEquals(tableLines(COLUMNS, [], 80), ["ID  USER  CLIENT"]);
});

Deno.test("tableLines() cuts the widest columns that may be, and no other", () => {
  const row = ["0123456789abcdef", "a rather long name", "chloe.js 0.1.0 on a phone 😀"];
  assertEquals(tableLines(COLUMNS, [row], 45), [
    "ID                USER          CLIENT",
    "0123456789abcdef  a rather lo…  chloe.js 0.1…",
  ]);
  const [, line] = tableLines(COLUMNS, [row], 10);
  assertEquals(line, "0123456789abcdef  a rathe…  chloe.j…");
});

Deno.test("visible() writes what would meddle with a terminal as JSON would", () => {
  assertEquals(
    visible("a\u001b[2J\n\u007f\u009b\u2028\u202e\u200f"),
    "a\\u001b[2J\\u000a\\u007f\\u009b\\u2028\\u202e\\u200f",
  );
  assertEquals(visible("grüße 😀 שלום"), "grüße 😀 שלום");
});
