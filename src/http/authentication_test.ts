import { assertEquals, assertStringIncludes } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { legacySignature } from "../signing/legacy_signature.ts";
import { createApiKey, createWebhookSecret } from "../signing/secrets.ts";
import { Authenticator, type AuthenticatorOptions, type Verdict } from "./authentication.ts";

const NOW_MS = Date.parse("2026-01-02T03:04:05Z");
const BODY = '{"data":1}';
const LOCAL = { host: "localhost:8901" };

function setUp(options: Partial<AuthenticatorOptions> = {}): Authenticator {
  return new Authenticator({ secrets: [], apiKeys: [], now: () => NOW_MS, ...options });
}

function ask(
  authenticator: Authenticator,
  headers: Record<string, string>,
  { remoteAddress = "127.0.0.1", body = BODY, form }: {
    remoteAddress?: string;
    body?: string;
    form?: { data: string; sig: string } | null;
  } = {},
): Verdict {
  return authenticator.authenticate({ headers: new Headers(headers), remoteAddress }, {
    body: new TextEncoder().encode(body),
    ...(form !== undefined && { form }),
  });
}

function signed(secret: string, { body = BODY, atMs = NOW_MS } = {}): Record<string, string> {
  const at = new Date(atMs);
  return {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(atMs / 1000),
    "webhook-signature": new Webhook(secret).sign("msg_1", at, body),
  };
}

function help(verdict: Verdict): string {
  return verdict.ok ? "" : verdict.message;
}

Deno.test("Authenticator lets in each of its keys", () => {
  const apiKeys = [createApiKey(), createApiKey()];
  const authenticator = setUp({ apiKeys });
  for (const [place, key] of apiKeys.entries()) {
    for (const authorization of [`Bearer ${key}`, `bearer  ${key}`]) {
      const verdict = ask(authenticator, { authorization }, { remoteAddress: "192.0.2.1" });
      assertEquals(verdict, { ok: true, by: "key", key: `key ${place}`, goodUntilMs: 0 });
    }
  }
});

Deno.test("Authenticator refuses another key, and another scheme", () => {
  const key = createApiKey();
  const authenticator = setUp({ apiKeys: [key] });
  for (
    const authorization of [
      "Bearer",
      `Bearer ${key}x`,
      `Bearer ${key.slice(1)}`,
      `Basic ${key}`,
      key,
    ]
  ) {
    assertStringIncludes(help(ask(authenticator, { ...LOCAL, authorization })), "authorization: ");
  }
  assertStringIncludes(help(ask(authenticator, LOCAL)), "Bearer <api key>");
});

Deno.test("Authenticator lets in what is signed with any of its secrets", () => {
  const secrets = [createWebhookSecret(), createWebhookSecret()];
  const authenticator = setUp({ secrets, apiKeys: [createApiKey()] });
  for (const [place, secret] of secrets.entries()) {
    assertEquals(ask(authenticator, signed(secret), { remoteAddress: "192.0.2.1" }), {
      ok: true,
      by: "signature",
      key: `secret ${place}`,
      goodUntilMs: NOW_MS + 300_000,
    });
  }
});

Deno.test("Authenticator refuses a bad, a stale and half a signature", () => {
  const secret = createWebhookSecret();
  const authenticator = setUp({ secrets: [secret] });
  const ofOther = ask(authenticator, signed(createWebhookSecret()));
  assertStringIncludes(help(ofOther), "webhook-signature: ");
  const ofOtherBody = ask(authenticator, signed(secret), { body: `${BODY} ` });
  assertStringIncludes(help(ofOtherBody), "webhook-signature: ");
  for (const offset of [-301_000, 301_000]) {
    const stale = ask(authenticator, signed(secret, { atMs: NOW_MS + offset }));
    assertStringIncludes(help(stale), "webhook-timestamp: ");
  }
  const { "webhook-id": _, ...half } = signed(secret);
  assertStringIncludes(help(ask(authenticator, half)), "webhook-id");
});

Deno.test("Authenticator takes a good key beside a bad signature: one of them is enough", () => {
  const key = createApiKey();
  const authenticator = setUp({ secrets: [createWebhookSecret()], apiKeys: [key] });
  const headers = { ...signed(createWebhookSecret()), authorization: `Bearer ${key}` };
  assertEquals(ask(authenticator, headers).ok, true);
});

Deno.test("Authenticator takes a form of 2011 from its addresses, where the route does", () => {
  const secret = "ThisIsSecret";
  const authenticator = setUp({ legacy: { secret, from: ["loopback", "10.0.0.0/8"] } });
  const form = { data: "größe", sig: legacySignature("größe", secret) };
  for (const remoteAddress of ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"]) {
    const verdict = ask(authenticator, {}, { form, remoteAddress });
    assertEquals(verdict, { ok: true, by: "legacy", key: "legacy", goodUntilMs: 0 }, remoteAddress);
  }
  assertEquals(ask(authenticator, {}, { form, remoteAddress: "192.0.2.1" }).ok, false);
  const upperCase = { ...form, sig: form.sig.toUpperCase() };
  assertEquals(ask(authenticator, {}, { form: upperCase }).ok, true);
  const wrong = ask(authenticator, LOCAL, { form: { ...form, data: "other" } });
  assertStringIncludes(help(wrong), "sig: ");
  assertEquals(ask(authenticator, LOCAL, { form: null }).ok, false);
  // Without `form`, as for /api, it is not looked at.
  assertEquals(ask(setUp({ apiKeys: ["k"], legacy: { secret, from: ["loopback"] } }), LOCAL), {
    ok: false,
    reason: "no_key",
    message: help(ask(setUp({ apiKeys: ["k"] }), LOCAL)),
  });
});

Deno.test("Authenticator.byHeaders() refuses strangers before their body is read", () => {
  const authenticator = setUp({ secrets: [createWebhookSecret()], apiKeys: [createApiKey()] });
  const byHeaders = (headers: Record<string, string>) =>
    authenticator.byHeaders({ headers: new Headers(headers), remoteAddress: "192.0.2.1" });
  assertEquals(byHeaders({})?.ok, false);
  assertEquals(byHeaders({ authorization: "Bearer wrong" })?.ok, false);
  assertEquals(byHeaders({ "webhook-signature": "v1,AAAA" }), null);
});

Deno.test("Authenticator without secret and key lets in this machine's own programs", () => {
  const authenticator = setUp();
  const hosts = ["localhost", "localhost:8901", "127.0.0.1:8901", "[::1]:8901", "LOCALHOST"];
  for (const host of hosts) {
    const verdict = ask(authenticator, { host });
    assertEquals(verdict, { ok: true, by: "loopback", key: "loopback", goodUntilMs: 0 }, host);
  }
  assertEquals(ask(authenticator, LOCAL, { remoteAddress: "::ffff:127.0.0.1" }).ok, true);
  // The server's own page, and an address typed into a browser.
  const page = { ...LOCAL, origin: "http://localhost:8901", "sec-fetch-site": "same-origin" };
  assertEquals(ask(authenticator, page).ok, true);
  assertEquals(ask(authenticator, { ...LOCAL, "sec-fetch-site": "none" }).ok, true);
});

Deno.test("Authenticator without secret and key lets in nobody who speaks for a stranger", () => {
  const authenticator = setUp();
  const strangers: [string, Record<string, string>][] = [
    ["Host", {}],
    ["Host", { host: "rebound.example.com:8901" }],
    ["Host", { host: "127.0.0.1.example.com" }],
    ["Host", { host: "192.0.2.1:8901" }],
    ["Host", { host: "local host" }],
    ["Origin", { ...LOCAL, origin: "https://example.com" }],
    ["Origin", { ...LOCAL, origin: "null" }],
    ["Origin", { ...LOCAL, origin: "http://localhost:3000" }],
    ["Origin", { ...LOCAL, origin: "https://localhost:8901" }],
    ["Sec-Fetch-Site", { ...LOCAL, "sec-fetch-site": "cross-site" }],
    ["Sec-Fetch-Site", { ...LOCAL, "sec-fetch-site": "same-site" }],
    ["forwarded", { ...LOCAL, forwarded: "for=192.0.2.1" }],
    ["x-forwarded-for", { ...LOCAL, "x-forwarded-for": "192.0.2.1" }],
    ["x-forwarded-anything", { ...LOCAL, "X-Forwarded-Anything": "1" }],
    ["via", { ...LOCAL, via: "1.1 proxy" }],
  ];
  for (const [member, headers] of strangers) {
    const message = help(ask(authenticator, headers));
    assertStringIncludes(message, `${member}: `);
    assertStringIncludes(message, "chloe secret");
  }
  const far = ask(authenticator, LOCAL, { remoteAddress: "192.0.2.1" });
  assertStringIncludes(help(far), "other machines");
});

Deno.test("Authenticator with any secret or key no longer lets in this machine unasked", () => {
  for (const options of [{ secrets: [createWebhookSecret()] }, { apiKeys: [createApiKey()] }]) {
    const authenticator = setUp(options);
    assertEquals([authenticator.guarded, ask(authenticator, LOCAL).ok], [true, false]);
  }
  const legacy = { secret: "s", from: ["loopback"] };
  assertEquals(setUp({ legacy }).guarded, false);
  assertEquals(ask(setUp({ legacy }), LOCAL, { form: null }).ok, false);
  assertEquals(ask(setUp({ legacy }), LOCAL).ok, true);
});
