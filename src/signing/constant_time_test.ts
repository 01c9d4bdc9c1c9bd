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
