import { assertEquals, assertThrows } from "@std/assert";
import { Chloe } from "./chloe.ts";
import { addressOf, type ChloeOptions, homeOf, type TransportName } from "./options.ts";

Deno.test("addressOf() takes an address, or host and port as in 2011", () => {
  const cases: [ChloeOptions, string][] = [
    [{}, "http://localhost:8901"],
    [{ host: "example.com" }, "http://example.com:8901"],
    [{ port: 9000 }, "http://localhost:9000"],
    [{ host: "example.com", port: "80" }, "http://example.com"],
    [{ host: "[::1]" }, "http://[::1]:8901"],
    [{ url: "https://example.com/" }, "https://example.com"],
    [{ url: "https://example.com/live/?x#y" }, "https://example.com/live"],
    [{ url: "wss://example.com:444" }, "https://example.com:444"],
    [{ url: new URL("ws://example.com") }, "http://example.com"],
  ];
  for (const [options, address] of cases) assertEquals(addressOf(options, null), address);
});

Deno.test("addressOf() goes home where the options name no address", () => {
  assertEquals(addressOf({ token: "t" }, "https://chloe.test"), "https://chloe.test");
  assertEquals(addressOf({ port: 9000 }, "https://chloe.test"), "http://localhost:9000");
});

Deno.test("addressOf() refuses what is no address of http", () => {
  assertThrows(() => addressOf({ url: "localhost:8901" }, null), TypeError, "localhost:8901");
  assertThrows(() => addressOf({ url: "/live" }, null), TypeError);
});

Deno.test("homeOf() knows Chloe's own scripts", () => {
  for (const name of ["chloe.js", "chloe.min.js", "chloe-min.js", "chloe.mjs"]) {
    assertEquals(homeOf(`https://chloe.test:8901/${name}?v=1`), "https://chloe.test:8901");
  }
  assertEquals(homeOf("https://app.test/live/chloe.min.js"), "https://app.test/live");
  for (
    const url of [
      "file:///chloe.js",
      "https://app.test/x.js",
      undefined,
    ]
  ) {
    assertEquals(homeOf(url), null);
  }
});

Deno.test("new Chloe() takes an address with options, or all in one", () => {
  assertEquals(new Chloe("https://example.com", { token: "t" }).url, "https://example.com");
  assertEquals(new Chloe({ host: "example.com", port: 9000 }).url, "http://example.com:9000");
  assertEquals(new Chloe().url, "http://localhost:8901");
});

Deno.test("new Chloe() refuses a transport that it does not know, and passes over those of 2011", () => {
  const transports = ["pigeon"] as unknown as TransportName[];
  assertThrows(() => new Chloe({ transports }), TypeError, "pigeon");
  new Chloe({ transports: [undefined] as unknown as TransportName[] });
});

Deno.test("addressOf() refuses an address without a scheme, and new Chloe() transports that are not there", () => {
  for (const url of ["127.0.0.1:8901", "localhost:8901", "example.com", "ftp://example.com"]) {
    assertThrows(() => addressOf({ url }, null), TypeError, url);
  }
  const environment = { WebSocket: undefined };
  assertThrows(() => new Chloe({ transports: ["websocket"], environment }), TypeError, "transport");
});
