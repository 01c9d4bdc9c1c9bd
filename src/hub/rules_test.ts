import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CLOSED_RULE, OPEN_RULE, type PatternRule, ruleBook } from "./rules.ts";

const RULES: readonly PatternRule[] = [
  { ...OPEN_RULE, pattern: "room:lobby", clientsPublish: true },
  { ...OPEN_RULE, pattern: "/room:*", history: { size: 100, ttlMs: 300_000 } },
  { ...CLOSED_RULE, pattern: "**:log" },
];

Deno.test("ruleBook() takes the first rule whose pattern fits", () => {
  const book = ruleBook(RULES, CLOSED_RULE);
  assertStrictEquals(book.of("room:lobby"), RULES[0]);
  assertStrictEquals(book.of("room:log"), RULES[1]);
  assertStrictEquals(book.of("room:7:log"), RULES[2]);
});

Deno.test("ruleBook() says which rule a name has, with its pattern as it was written", () => {
  const book = ruleBook(RULES, CLOSED_RULE);
  assertEquals(book.find("room:7"), { index: 1, pattern: "/room:*" });
  assertEquals(book.find("room:lobby"), { index: 0, pattern: "room:lobby" });
  assertEquals(book.find("news"), null);
});

Deno.test("ruleBook() has a rule for what no pattern fits", () => {
  assertStrictEquals(ruleBook(RULES, CLOSED_RULE).of("news"), CLOSED_RULE);
  assertStrictEquals(ruleBook([], OPEN_RULE).of("news"), OPEN_RULE);
});

Deno.test("ruleBook() takes no pattern that does not parse", () => {
  assertThrows(() => ruleBook([{ ...OPEN_RULE, pattern: "a***" }], CLOSED_RULE), TypeError, "***");
});
