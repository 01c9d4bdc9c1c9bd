import { assertEquals } from "@std/assert";
import { localUrl } from "./local_url.ts";

for (
  const [hostname, secure, url] of [
    ["127.0.0.1", false, "http://127.0.0.1:80"],
    ["0.0.0.0", false, "http://127.0.0.1:80"],
    ["::", false, "http://[::1]:80"],
    ["::1", false, "http://[::1]:80"],
    ["[::1]", false, "http://[::1]:80"],
    ["chloe.example", false, "http://chloe.example:80"],
    ["0.0.0.0", true, "https://127.0.0.1:80"],
    ["unix:/run/chloe/chloe.sock", false, "unix:/run/chloe/chloe.sock"],
  ] as const
) {
  Deno.test(`localUrl() is where this machine reaches what listens on ${hostname}, ${url}`, () => {
    assertEquals(localUrl({ hostname, port: 80, secure }), url);
  });
}
