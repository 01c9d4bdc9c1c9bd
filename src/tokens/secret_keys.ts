import { createHmac } from "node:crypto";
import { equalDigests } from "../signing/constant_time.ts";
import { MIN_TOKEN_SECRET_BYTES, SECRET_ALGORITHMS } from "../signing/token_keys.ts";

/**
 * Checks signatures by secrets that the app knows, too.
 *
 * jose would ask Web Crypto, and Deno has each of its checks done by another thread, which costs more than the
 * HMAC itself.
 */
export class SecretKeys {
  readonly #secrets: readonly Uint8Array[];
  readonly #algorithms: ReadonlySet<string>;

  /** @throws Error where a secret is too short. */
  constructor(secrets: readonly string[], algorithms: ReadonlySet<string>) {
    this.#secrets = secrets.map((secret) => new TextEncoder().encode(secret));
    if (this.#secrets.some(({ length }) => length < MIN_TOKEN_SECRET_BYTES)) {
      throw new Error(
        `Cannot use token.secret: each must have at least ${MIN_TOKEN_SECRET_BYTES} bytes ` +
          "('chloe secret' makes one)",
      );
    }
    this.#algorithms = new Set(SECRET_ALGORITHMS.filter((each) => algorithms.has(each)));
  }

  /** Whether tokens of this algorithm are checked with the secrets. */
  serve(algorithm: string): boolean {
    return this.#algorithms.has(algorithm);
  }

  /** Whether `signature`, in base64url, is that of `text` by one of the secrets (RFC 7518, section 3.2). */
  verify(algorithm: string, text: string, signature: string): boolean {
    const hash = `sha${algorithm.slice(2)}`;
    return this.#secrets.some((secret) => {
      return equalDigests(createHmac(hash, secret).update(text).digest("base64url"), signature);
    });
  }
}
