import { assertEquals, assertThrows } from "@std/assert";
import { addressList } from "./addresses.ts";

Deno.test("addressList() takes addresses, ranges and loopback", () => {
  const includes = addressList(["loopback", "192.0.2.1", "10.0.0.0/8", "fd00::/8", "2001:db8::1"]);
  const inside = [
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "10.255.0.1",
    "fd12::1",
    "2001:db8::1",
  ];
  for (const address of inside) assertEquals(includes(address), true, address);
  for (const address of ["192.0.2.2", "11.0.0.1", "fc00::1", "2001:db8::2", "", "localhost"]) {
    assertEquals(includes(address), false, address);
  }
});

Deno.test("addressList() holds no address that is not named", () => {
  assertEquals(addressList([])("127.0.0.1"), false);
  assertEquals(addressList(["192.0.2.0/24"])("127.0.0.1"), false);
  assertEquals(addressList(["0.0.0.0/0"])("203.0.113.9"), true);
});

Deno.test("addressList() throws on what is no address", () => {
  for (const range of ["", "localhost", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/8/8"]) {
    assertThrows(() => addressList([range]), TypeError);
  }
});
