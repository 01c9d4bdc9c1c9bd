import { assertEquals } from "@std/assert";
import { Bans } from "./bans.ts";

Deno.test("Bans hold an address for a time, and nobody else", () => {
  const bans = new Bans(30_000);
  bans.add("192.0.2.1", 1000);
  assertEquals(bans.leftMs("192.0.2.1", 1000), 30_000);
  assertEquals(bans.leftMs("192.0.2.1", 30_999), 1);
  assertEquals(bans.leftMs("192.0.2.1", 31_000), 0);
  assertEquals(bans.leftMs("192.0.2.2", 1000), 0);
});

Deno.test("Bans begin anew with each offence", () => {
  const bans = new Bans(30_000);
  bans.add("192.0.2.1", 0);
  bans.add("192.0.2.1", 20_000);
  assertEquals(bans.leftMs("192.0.2.1", 40_000), 10_000);
});

Deno.test("Bans pass over nobody's address, and are none where they take no time", () => {
  const bans = new Bans(30_000);
  bans.add("", 0);
  assertEquals([bans.leftMs("", 0), bans.size], [0, 0]);
  bans.add("192.0.2.1", 0);
  bans.ms = 0;
  assertEquals(bans.leftMs("192.0.2.1", 0), 0);
  bans.add("192.0.2.2", 0);
  assertEquals(bans.size, 1);
});

Deno.test("Bans remember 10,000 addresses, and forget those whose time is over", () => {
  const bans = new Bans(30_000);
  for (let n = 0; n < 10_001; n++) bans.add(`address ${n}`, n);
  assertEquals(bans.size, 10_000);
  assertEquals([bans.leftMs("address 0", 10_001), bans.leftMs("address 1", 10_001)], [0, 20_000]);
  bans.add("another", 40_000);
  assertEquals(bans.size, 1);
});
