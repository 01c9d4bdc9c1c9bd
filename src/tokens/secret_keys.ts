import type { CryptoKey } from "jose";
import { MIN_TOKEN_SECRET_BYTES, SECRET_ALGORITHMS } from "../signing/token_keys.ts";

/**
 * The keys of each of `algorithms` that takes a secret. A check with a key that was imported before takes 37
 * us, one with the secret itself 59.
 *
 * @throws Error where a secret is too short.
 */
export async function importSecrets(
  secrets: readonly string[],
  algorithms: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly CryptoKey[]>> {
  const bytes = secrets.map((secret) => new TextEncoder().encode(secret));
  if (bytes.some(({ length }) => length < MIN_TOKEN_SECRET_BYTES)) {
    throw new Error(
      `Cannot use token.secret: each must have at least ${MIN_TOKEN_SECRET_BYTES} bytes ` +
        "('chloe secret' makes one)",
    );
  }
  const keys = new Map<string, readonly CryptoKey[]>();
  for (const algorithm of SECRET_ALGORITHMS.filter((each) => algorithms.has(each))) {
    const hmac = { name: "HMAC", hash: `SHA-${algorithm.slice(2)}` };
    keys.set(
      algorithm,
      await Promise.all(
        bytes.map((each) => crypto.subtle.importKey("raw", each, hmac, false, ["verify"])),
      ),
    );
  }
  return keys;
}
