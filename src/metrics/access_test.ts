import { assertEquals, assertStringIncludes } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { Authenticator } from "../http/authentication.ts";
import { createApiKey, createWebhookSecret } from "../signing/secrets.ts";
import { metricsAccess } from "./access.ts";

const KEY = createApiKey();
const SECRET = createWebhookSecret();
const LOCAL = { host: "localhost:8901" };
const PROXIED = [
  { "x-forwarded-for": "192.0.2.7" },
  { "x-forwarded-host": "chloe.example.com" },
  { forwarded: "for=192.0.2.7" },
  { via: "1.1 proxy" },
];

function setUp(
  { from = ["loopback"], secrets = [], apiKeys = [] }: {
    from?: string[];
    secrets?: string[];
    apiKeys?: string[];
  } = {},
) {
  const authenticator = new Authenticator({ secrets, apiKeys });
  const decide = metricsAccess({ authenticator, from });
  return {
    counters: authenticator.counters,
    /** Who lets it in, or why nobody does. */
    ask(headers: Record<string, string>, remoteAddress = "127.0.0.1") {
      const verdict = decide({ headers: new Headers(headers), remoteAddress });
      return verdict.ok ? verdict.by : verdict.reason;
    },
    message(headers: Record<string, string>, remoteAddress = "127.0.0.1") {
      const verdict = decide({ headers: new Headers(headers), remoteAddress });
      return verdict.ok ? "" : verdict.message;
    },
  };
}

function signed(body: string): Record<string, string> {
  const at = new Date();
  return {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
    "webhook-signature": new Webhook(SECRET).sign("msg_1", at, body),
  };
}

Deno.test("metricsAccess() lets this machine's programs in without a key, by default", () => {
  for (const apiKeys of [[], [KEY]]) {
    const { ask } = setUp({ apiKeys });
    for (const host of ["localhost:8901", "127.0.0.1", "[::1]:8901", "chloe.localhost"]) {
      assertEquals(ask({ host }), "address", host);
      assertEquals(ask({ host }, "::1"), "address", host);
    }
  }
});

Deno.test("metricsAccess() lets nobody in who speaks for strangers, keys configured or not", () => {
  for (const apiKeys of [[], [KEY]]) {
    const { ask } = setUp({ apiKeys, from: ["loopback", "10.0.0.0/8"] });
    for (const address of ["127.0.0.1", "10.1.2.3"]) {
      for (const proxied of PROXIED) {
        assertEquals(ask({ ...LOCAL, ...proxied }, address), "proxied");
      }
      assertEquals(ask({ ...LOCAL, origin: "https://evil.example" }, address), "cross_site");
      assertEquals(ask({ ...LOCAL, "sec-fetch-site": "cross-site" }, address), "cross_site");
    }
    // A name that was rebound to this machine. Of other machines nobody knows the names.
    assertEquals(ask({ host: "evil.example" }), "host");
    assertEquals(ask({}), "host");
    assertEquals(ask({ host: "chloe.internal" }, "10.1.2.3"), "address");
  }
});

Deno.test("metricsAccess() takes other addresses only where they are listed", () => {
  const { ask, message, counters } = setUp({ from: ["10.0.0.0/8", "2001:db8::/32"] });
  for (const address of ["10.255.0.1", "::ffff:10.0.0.1", "2001:db8::9"]) {
    assertEquals(ask({ host: "chloe.internal" }, address), "address");
  }
  for (const address of ["127.0.0.1", "192.0.2.1", "2001:db9::9", ""]) {
    assertStringIncludes(message(LOCAL, address), "metrics.from");
  }
  assertEquals(counters.refused, { address: 4 });
});

Deno.test("metricsAccess() lets a key or a signature in from everywhere, by a proxy too", () => {
  const { ask } = setUp({ from: [], apiKeys: [KEY], secrets: [SECRET] });
  const anywhere = { host: "chloe.example.com", "x-forwarded-for": "192.0.2.7" };
  assertEquals(ask({ ...anywhere, authorization: `Bearer ${KEY}` }, "192.0.2.1"), "key");
  assertEquals(ask({ ...anywhere, ...signed("") }, "192.0.2.1"), "signature");
  assertEquals(ask({ ...anywhere, ...signed("{}") }, "192.0.2.1"), "bad_signature");
});

Deno.test("metricsAccess() says of a wrong key that it is wrong, even where none is needed", () => {
  const { ask, message, counters } = setUp({ apiKeys: [KEY] });
  assertEquals(ask({ ...LOCAL, authorization: `Bearer ${KEY}x` }), "bad_key");
  assertStringIncludes(message({ ...LOCAL, authorization: "Basic eDp5" }), "authorization: ");
  assertEquals(counters.refused, { bad_key: 2 });
  // With no keys there is no wrong one.
  assertEquals(setUp().ask({ ...LOCAL, authorization: "Bearer some" }), "address");
});

Deno.test("metricsAccess() says what would let one in", () => {
  const stranger = { host: "chloe.example.com" };
  assertStringIncludes(
    setUp({ apiKeys: [KEY] }).message(stranger, "192.0.2.1"),
    "Bearer <api key>",
  );
  assertStringIncludes(setUp().message(stranger, "192.0.2.1"), "chloe secret");
});
