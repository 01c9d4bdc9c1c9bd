import { assertEquals } from "@std/assert";
import { legacySignature } from "./legacy_signature.ts";

Deno.test("legacySignature() is the MD5 of data and secret", () => {
  // printf 'hello%s' ThisIsSecret | md5sum
  assertEquals(legacySignature("hello", "ThisIsSecret"), "05083d4c639e9c7a98b99025651272ab");
  assertEquals(legacySignature("größe ☃", "s"), "f510e1c344c34ee2c26bb736495f4bec");
});
