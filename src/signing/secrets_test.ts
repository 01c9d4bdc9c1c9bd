import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { createApiKey, createWebhookSecret, parseWebhookSecret } from "./secrets.ts";

function secretOf(bytes: number): string {
  return `whsec_${btoa("k".repeat(bytes))}`;
}

Deno.test("parseWebhookSecret() takes 24 to 64 bytes", () => {
  assertEquals(parseWebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?.length, 24);
  assertEquals(parseWebhookSecret(secretOf(64))?.length, 64);
  assertEquals(parseWebhookSecret(secretOf(23)), null);
  assertEquals(parseWebhookSecret(secretOf(65)), null);
});

Deno.test("parseWebhookSecret() takes base64 without its padding", () => {
  assertEquals(parseWebhookSecret(secretOf(32).replaceAll("=", ""))?.length, 32);
});

Deno.test("parseWebhookSecret() refuses what is no such secret", () => {
  const texts = [
    "",
    "whsec_",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwX",
    "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  ];
  for (const text of texts) assertEquals(parseWebhookSecret(text), null, text);
});

Deno.test("createWebhookSecret() makes another secret each time", () => {
  const secret = createWebhookSecret();
  assertEquals(parseWebhookSecret(secret)?.length, 32);
  assertNotEquals(secret, createWebhookSecret());
});

Deno.test("createApiKey() makes another key each time", () => {
  assertMatch(createApiKey(), /^chk_[A-Za-z0-9_-]{43}$/);
  assertNotEquals(createApiKey(), createApiKey());
});
