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
  bans.add("192.0.2.1", 1000);
  bans.add("192.0.2.1", 21_000);
  assertEquals(bans.leftMs("192.0.2.1", 41_000), 10_000);
});

Deno.test("Bans pass over nobody's address, and are none where they take no time", () => {
  const bans = new Bans(30_000);
  bans.add("", 1);
  assertEquals([bans.leftMs("", 1), bans.size], [0, 0]);
  const none = new Bans(0);
  none.add("192.0.2.1", 1);
  assertEquals([none.leftMs("192.0.2.1", 1), none.size], [0, 0]);
});

Deno.test("Bans that began before take the time of now, and end where there is none", () => {
  const bans = new Bans(600_000);
  bans.add("192.0.2.1", 1000);
  bans.ms = 30_000;
  assertEquals(bans.leftMs("192.0.2.1", 1000), 30_000);
  bans.ms = 0;
  assertEquals(bans.leftMs("192.0.2.1", 1000), 0);
  bans.ms = 30_000;
  assertEquals(bans.leftMs("192.0.2.1", 1000), 0);
});

Deno.test("Bans remember 10,000 addresses: beyond, the first is let go", () => {
  const bans = new Bans(30_000);
  for (let n = 0; n < 10_001; n++) bans.add(`address ${n}`, n + 1);
  assertEquals(bans.size, 10_000);
  assertEquals([bans.leftMs("address 0", 10_001), bans.leftMs("address 1", 10_001)], [0, 20_001]);
});
