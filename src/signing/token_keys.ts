/**
 * What users' tokens may be signed with.
 *
 * @module
 */
import { randomBytes } from "node:crypto";

/** Signed with a secret that both sides know. */
export const SECRET_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;

/** Signed with a private key, checked with the public one. */
export const KEY_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

/** A shorter secret than the output of SHA-256 could be guessed sooner than a signature (RFC 7518, section 3.2). */
export const MIN_TOKEN_SECRET_BYTES = 32;

/** As text it is longer than the 64 bytes that a key for HS512 should have. */
const NEW_SECRET_BYTES = 48;

/** A new secret for tokens: `tok_` and 64 characters that need no escaping anywhere. */
export function createTokenSecret(): string {
  return `tok_${randomBytes(NEW_SECRET_BYTES).toString("base64url")}`;
}
