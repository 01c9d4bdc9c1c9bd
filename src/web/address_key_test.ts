import { assertEquals } from "@std/assert";
import { addressKey, isLocalAddress } from "./address_key.ts";

for (
  const [address, key] of [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002:ffff::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:1::", "2001:db8:1:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4::/64"],
    ["1:2:3:4:5::192.0.2.1", "1:2:3:4::/64"],
    ["a.socket", "a.socket"],
  ] as const
) {
  Deno.test(`addressKey() counts ${address} as ${key}`, () => {
    assertEquals(addressKey(address), key);
  });
}

Deno.test("isLocalAddress() knows this machine and private networks, and nobody else", () => {
  const local = [
    ...["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
    ...["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1"],
    ...["::ffff:10.1.2.3", "fd12:3456::1", "fc00::1", "fe80::1", "fe80::1%eth0"],
  ];
  const others = [
    ...["192.0.2.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "11.0.0.1", "::ffff:8.8.8.8"],
    ...["2001:db8::1", "fec0::1", "", "a.socket"],
  ];
  assertEquals(local.filter((address) => !isLocalAddress(address)), []);
  assertEquals(others.filter((address) => isLocalAddress(address)), []);
});
