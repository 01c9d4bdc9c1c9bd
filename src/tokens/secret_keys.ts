import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { MIN_TOKEN_SECRET_BYTES } from "../signing/token_keys.ts";

/**
 * Secrets as the bytes that one signs with.
 *
 * @throws Error where one is too short.
 */
export function secretKeys(secrets: readonly string[]): readonly Uint8Array[] {
  const keys = secrets.map((secret) => new TextEncoder().encode(secret));
  if (keys.some(({ length }) => length < MIN_TOKEN_SECRET_BYTES)) {
    throw new Error(
      `Cannot use token.secret: each must have at least ${MIN_TOKEN_SECRET_BYTES} bytes ` +
        "('chloe secret' makes one)",
    );
  }
  return keys;
}

/**
 * Whether `signature`, in base64url, is that of `text` by one of the keys (RFC 7518, section 3.2).
 *
 * jose would ask Web Crypto, and Deno has each of its checks done by another thread, which costs more than the
 * HMAC itself.
 *
 * @param algorithm HS256, HS384 or HS512.
 */
export function isSigned(
  { algorithm, text, signature }: {
    readonly algorithm: string;
    readonly text: string;
    readonly signature: string;
  },
  keys: readonly Uint8Array[],
): boolean {
  const given = Buffer.from(signature);
  return keys.some((key) => {
    const digest = createHmac(`sha${algorithm.slice(2)}`, key).update(text).digest("base64url");
    // As text, which has one form alone, where decoders take several for the same bytes.
    const expected = Buffer.from(digest);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
