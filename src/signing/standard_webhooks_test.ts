import { assert, assertEquals, assertThrows } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { createWebhookSecret } from "./secrets.ts";
import { TOLERANCE_S, webhookSigner, webhookVerifier } from "./standard_webhooks.ts";

// The vector of docs/http-api.md.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP_S = 1_614_265_330;
const BODY = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

function signedHeaders(signature: string, timestamp: string = String(TIMESTAMP_S)): Headers {
  return new Headers({
    "webhook-id": ID,
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  });
}

Deno.test("webhookSigner() gives the published vector", () => {
  const sign = webhookSigner([SECRET]);
  assertEquals(sign(ID, TIMESTAMP_S, BODY), SIGNATURE);
  assertEquals(sign(ID, TIMESTAMP_S, new TextEncoder().encode(BODY)), SIGNATURE);
});

Deno.test("webhookSigner() signs what the standardwebhooks package verifies, with each secret", () => {
  const secrets = [createWebhookSecret(), createWebhookSecret()];
  const timestampS = Math.floor(Date.now() / 1000);
  const body = '{"data":"größe ☃ \u{1F600}"}';
  const headers = {
    "webhook-id": ID,
    "webhook-timestamp": String(timestampS),
    "webhook-signature": webhookSigner(secrets)(ID, timestampS, body),
  };
  assertEquals(headers["webhook-signature"].split(" ").length, 2);
  for (const secret of secrets) {
    assertEquals(new Webhook(secret).verify(body, headers), JSON.parse(body));
  }
  assertThrows(() => new Webhook(createWebhookSecret()).verify(body, headers));
});

Deno.test("webhookVerifier() verifies what the standardwebhooks package signs", () => {
  const secret = createWebhookSecret();
  const verify = webhookVerifier([createWebhookSecret(), secret]);
  const now = new Date(TIMESTAMP_S * 1000);
  const signature = new Webhook(secret).sign(ID, now, BODY);
  assertEquals(
    verify({ headers: signedHeaders(signature), body: BODY }, now.getTime()),
    { ok: true, id: ID, timestampS: TIMESTAMP_S, key: 1 },
  );
});

Deno.test("webhookVerifier() takes one good signature among others", () => {
  const verify = webhookVerifier([SECRET]);
  const headers = signedHeaders(`v1a,abc v1,AAAA ${SIGNATURE}`);
  assert(verify({ headers, body: BODY }, TIMESTAMP_S * 1000).ok);
});

Deno.test("webhookVerifier() refuses another body, id, time, secret or version", () => {
  const nowMs = TIMESTAMP_S * 1000;
  const headers = signedHeaders(SIGNATURE);
  const refused = { ok: false, reason: "bad_signature" } as const;
  const verify = webhookVerifier([SECRET]);
  assertEquals(verify({ headers, body: BODY + " " }, nowMs), refused);
  const otherId = signedHeaders(SIGNATURE);
  otherId.set("webhook-id", "msg_other");
  assertEquals(verify({ headers: otherId, body: BODY }, nowMs), refused);
  const otherTime = signedHeaders(SIGNATURE, String(TIMESTAMP_S + 1));
  assertEquals(verify({ headers: otherTime, body: BODY }, nowMs), refused);
  assertEquals(webhookVerifier([createWebhookSecret()])({ headers, body: BODY }, nowMs), refused);
  assertEquals(webhookVerifier([])({ headers, body: BODY }, nowMs), refused);
  const otherVersion = signedHeaders(SIGNATURE.replace("v1,", "v2,"));
  assertEquals(verify({ headers: otherVersion, body: BODY }, nowMs), refused);
  const noVersion = signedHeaders(SIGNATURE.replace("v1,", ""));
  assertEquals(verify({ headers: noVersion, body: BODY }, nowMs), refused);
});

Deno.test("webhookVerifier() takes times within the tolerance, to either side", () => {
  const verify = webhookVerifier([SECRET]);
  const request = { headers: signedHeaders(SIGNATURE), body: BODY };
  for (const offset of [-TOLERANCE_S, 0, TOLERANCE_S]) {
    assert(verify(request, (TIMESTAMP_S + offset) * 1000).ok);
  }
  for (const offset of [-TOLERANCE_S - 1, TOLERANCE_S + 1]) {
    const nowMs = (TIMESTAMP_S + offset) * 1000;
    assertEquals(verify(request, nowMs), { ok: false, reason: "stale" });
  }
  for (const timestamp of ["", "now", "1614265330.5", "-1", "1e9", "99999999999999999999"]) {
    const headers = signedHeaders(SIGNATURE, timestamp);
    assertEquals(verify({ headers, body: BODY }, TIMESTAMP_S * 1000), {
      ok: false,
      reason: "stale",
    });
  }
});

Deno.test("webhookVerifier() says when there is nothing to verify", () => {
  for (const missing of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    const headers = signedHeaders(SIGNATURE);
    headers.delete(missing);
    assertEquals(webhookVerifier([SECRET])({ headers, body: BODY }, TIMESTAMP_S * 1000), {
      ok: false,
      reason: "unsigned",
    });
  }
});

Deno.test("webhookSigner() throws on a secret that is none, without repeating it", () => {
  const error = assertThrows(() => webhookSigner(["not-a-secret"]), TypeError);
  assert(!error.message.includes("not-a-secret"));
});
