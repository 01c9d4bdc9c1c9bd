import { assertEquals } from "@std/assert";
import { parseDuration, parseSize } from "./units.ts";

Deno.test("parseDuration() reads a number and a unit", () => {
  assertEquals(parseDuration("500ms"), 500);
  assertEquals(parseDuration("10s"), 10_000);
  assertEquals(parseDuration("1.5s"), 1500);
  assertEquals(parseDuration("2 m"), 120_000);
  assertEquals(parseDuration("1h"), 3_600_000);
  assertEquals(parseDuration("1d"), 86_400_000);
  assertEquals(parseDuration("0s"), 0);
});

Deno.test("parseDuration() refuses what has no unit, an unknown one, or a sign", () => {
  for (const text of ["", "10", "s", "10x", "-1s", "1s2", "1 000s", "1e3s", "10S", "toString"]) {
    assertEquals(parseDuration(text), null, text);
  }
});

Deno.test("parseSize() tells 1024 from 1000", () => {
  assertEquals(parseSize("64KiB"), 65_536);
  assertEquals(parseSize("64KB"), 64_000);
  assertEquals(parseSize("64kB"), 64_000);
  assertEquals(parseSize("1MB"), 1_000_000);
  assertEquals(parseSize("1MiB"), 1_048_576);
  assertEquals(parseSize("1GiB"), 1_073_741_824);
  assertEquals(parseSize("10B"), 10);
});

Deno.test("parseSize() refuses what is not a size", () => {
  for (const text of ["", "64", "64K", "64kib", "-1B", "1 TB"]) {
    assertEquals(parseSize(text), null, text);
  }
});
