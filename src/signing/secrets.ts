import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";

const WEBHOOK_PREFIX = "whsec_";
const API_KEY_PREFIX = "chk_";
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const NEW_BYTES = 32;

/**
 * The key in a Standard Webhooks secret: `whsec_` and the base64 of 24 to 64 bytes.
 *
 * @returns `null` where `text` is no such secret.
 */
export function parseWebhookSecret(text: string): Uint8Array | null {
  if (!text.startsWith(WEBHOOK_PREFIX)) return null;
  const base64 = text.slice(WEBHOOK_PREFIX.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  const key = Buffer.from(base64, "base64");
  // Node's decoder passes over what it cannot read: only what it writes in the same way was read whole.
  if (key.toString("base64").replaceAll("=", "") !== base64.replaceAll("=", "")) return null;
  return key.length >= MIN_BYTES && key.length <= MAX_BYTES ? key : null;
}

/** A new secret to sign with: `whsec_` and the base64 of 32 random bytes. */
export function createWebhookSecret(): string {
  return WEBHOOK_PREFIX + randomBytes(NEW_BYTES).toString("base64");
}

/** A new bearer key: `chk_` and 43 characters that need no escaping anywhere. */
export function createApiKey(): string {
  return API_KEY_PREFIX + randomBytes(NEW_BYTES).toString("base64url");
}
