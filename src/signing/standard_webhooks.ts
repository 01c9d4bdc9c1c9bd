/**
 * Signatures by the Standard Webhooks scheme (https://www.standardwebhooks.com/): HMAC-SHA256 over
 * `id.timestamp.body`. The libraries that exist for it verify what is signed here and sign what is verified
 * here.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { equalInConstantTime } from "./constant_time.ts";
import { parseWebhookSecret } from "./secrets.ts";

/** How far a signature's time may be from ours, to either side. */
export const TOLERANCE_S = 300;

/** Signatures that are looked at in one header; a sender that rotates its secret has two. */
const MAX_CANDIDATES = 8;

/**
 * What goes into the header `webhook-signature`.
 *
 * @param id The message's id, the same each time that it is sent.
 * @param timestampS The time of this attempt, in whole seconds.
 */
export type Signer = (id: string, timestampS: number, body: string | Uint8Array) => string;

/** What is to be verified: three headers, as they came, and the body, byte for byte. */
export interface SignedRequest {
  readonly headers: Headers;
  readonly body: string | Uint8Array;
}

/** Whether a request was signed with one of the secrets, lately. */
export type Verification =
  /** `key`: the place of the secret among all, the last where several fit. */
  | {
    readonly ok: true;
    readonly id: string;
    readonly timestampS: number;
    readonly key: number;
  }
  | { readonly ok: false; readonly reason: "unsigned" | "stale" | "bad_signature" };

/** Verifies requests; `nowMs` is the time of day. */
export type Verifier = (request: SignedRequest, nowMs?: number) => Verification;

/**
 * A signer with one secret, or with several while one replaces the other: each gives a signature of its own.
 *
 * @throws TypeError where a text is no secret.
 */
export function webhookSigner(secrets: readonly string[]): Signer {
  const keys = keysOf(secrets);
  return function sign(id, timestampS, body) {
    if (keys.length === 1) return `v1,${hmac(keys[0]!, id, timestampS, body)}`;
    return keys.map((key) => `v1,${hmac(key, id, timestampS, body)}`).join(" ");
  };
}

/**
 * A verifier that accepts a signature by any of `secrets`, of a time within {@linkcode TOLERANCE_S}.
 *
 * It does not remember ids: whether a request came before is for the caller to know.
 *
 * @throws TypeError where a text is no secret.
 */
export function webhookVerifier(secrets: readonly string[]): Verifier {
  const keys = keysOf(secrets);
  return function verify({ headers, body }, nowMs = Date.now()) {
    const id = headers.get("webhook-id");
    const timestamp = headers.get("webhook-timestamp");
    const signature = headers.get("webhook-signature");
    if (!id || timestamp === null || signature === null) return { ok: false, reason: "unsigned" };

    if (!/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: "stale" };
    const timestampS = Number(timestamp);
    if (Math.abs(nowMs / 1000 - timestampS) > TOLERANCE_S) return { ok: false, reason: "stale" };

    const candidates = signature.split(" ", MAX_CANDIDATES);
    let key = -1;
    for (let i = 0; i < keys.length; i++) {
      const expected = `v1,${hmac(keys[i]!, id, timestamp, body)}`;
      for (const candidate of candidates) {
        const matches = equalInConstantTime(candidate, expected);
        key = matches ? i : key;
      }
    }
    return key < 0 ? { ok: false, reason: "bad_signature" } : { ok: true, id, timestampS, key };
  };
}

function keysOf(secrets: readonly string[]): Uint8Array[] {
  return secrets.map((secret) => {
    const key = parseWebhookSecret(secret);
    if (key === null) {
      throw new TypeError("Cannot sign: a secret is not whsec_ and the base64 of 24 to 64 bytes");
    }
    return key;
  });
}

function hmac(
  key: Uint8Array,
  id: string,
  timestamp: string | number,
  body: string | Uint8Array,
): string {
  const digest = createHmac("sha256", key);
  if (typeof body === "string") digest.update(`${id}.${timestamp}.${body}`);
  else digest.update(`${id}.${timestamp}.`).update(body);
  return digest.digest("base64");
}
