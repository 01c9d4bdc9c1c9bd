import { assertEquals } from "@std/assert";
import { AddressCounts } from "./address_counts.ts";

Deno.test("AddressCounts holds the addresses that have any, and no other", () => {
  const counts = new AddressCounts();
  for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.1", ""]) counts.add(address);
  assertEquals(["192.0.2.1", "192.0.2.2", "192.0.2.3", ""].map((each) => counts.of(each)), [
    ...[2, 1, 0, 0],
  ]);
  counts.remove("192.0.2.1");
  assertEquals([counts.of("192.0.2.1"), counts.size], [1, 2]);
  for (const address of ["192.0.2.1", "192.0.2.2", ""]) counts.remove(address);
  assertEquals([counts.of("192.0.2.1"), counts.size], [0, 0]);
});
