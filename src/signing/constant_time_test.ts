import { assertEquals } from "@std/assert";
import { equalInConstantTime, SecretSet } from "./constant_time.ts";

Deno.test("equalInConstantTime() takes texts of any length", () => {
  assertEquals(equalInConstantTime("", ""), true);
  assertEquals(equalInConstantTime("größe", "größe"), true);
  assertEquals(equalInConstantTime("a", "b"), false);
  assertEquals(equalInConstantTime("a", "a longer text than the other"), false);
});

Deno.test("SecretSet.has() knows each of its secrets and nothing else", () => {
  const secrets = new SecretSet(["chk_first", "chk_second"]);
  assertEquals(secrets.size, 2);
  assertEquals(secrets.has("chk_first"), true);
  assertEquals(secrets.has("chk_second"), true);
  assertEquals(secrets.has("chk_third"), false);
  assertEquals(secrets.has(""), false);
  assertEquals(new SecretSet([]).has(""), false);
});

Deno.test("SecretSet.find() tells which secret it is, however long", () => {
  const long = "x".repeat(127);
  const known = ["chk_first", long, `${long}y`, "größe", "y".repeat(1000)];
  const secrets = new SecretSet(known);
  known.forEach((secret, place) => assertEquals(secrets.find(secret), place, secret));
  const others = ["x".repeat(126), `${long}z`, `${long}yy`, "größ", "chk_first\0", "y".repeat(999)];
  for (const other of others) assertEquals(secrets.find(other), -1, other);
});

Deno.test("SecretSet.find() remembers nothing of what it was asked before", () => {
  const secrets = new SecretSet(["ab"]);
  assertEquals(["abc", "ab", "a", "", "ab"].map((text) => secrets.find(text)), [-1, 0, -1, -1, 0]);
});
