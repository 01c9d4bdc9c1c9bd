import { assertEquals } from "@std/assert";
import { hostName, isLoopbackAddress, isLoopbackHost } from "./loopback.ts";

for (const address of ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::FFFF:127.0.0.1"]) {
  Deno.test(`isLoopbackAddress() knows ${address} for one of this machine's own`, () => {
    assertEquals(isLoopbackAddress(address), true);
    assertEquals(isLoopbackHost(address), true);
  });
}

for (
  const address of [
    "",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.1.127",
    "127.0.0.1.example.com",
    "x127.0.0.1",
    "1127.0.0.1",
    "::2",
    "::",
    "fe80::1",
    "::ffff:10.0.0.1",
  ]
) {
  Deno.test(`isLoopbackAddress() takes ${address || "nothing"} for somebody else's`, () => {
    assertEquals(isLoopbackAddress(address), false);
    assertEquals(isLoopbackHost(address), false);
  });
}

for (const host of ["localhost", "LOCALHOST", "app.localhost", "[::1]"]) {
  Deno.test(`isLoopbackHost() knows ${host} for this machine`, () => {
    assertEquals(isLoopbackHost(host), true);
  });
}

for (const host of ["localhost.example.com", "notlocalhost", "example.com", "127.0.0.1.nip.io"]) {
  Deno.test(`isLoopbackHost() takes ${host} for another machine`, () => {
    assertEquals(isLoopbackHost(host), false);
  });
}

for (
  const [header, name] of [
    ["localhost:8901", "localhost"],
    ["LocalHost", "localhost"],
    ["[::1]:8901", "[::1]"],
    ["example.com", "example.com"],
    ["127.1:80", "127.0.0.1"],
    ["", null],
    ["a b", null],
    ["example.com:port", null],
    [null, null],
  ] as const
) {
  Deno.test(`hostName() reads ${JSON.stringify(header)} as ${JSON.stringify(name)}`, () => {
    assertEquals(hostName(header), name);
  });
}
