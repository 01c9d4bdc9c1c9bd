import { createHash, timingSafeEqual } from "node:crypto";

/**
 * Whether two texts are the same, in a time that tells nothing about either: not where they differ, and, as
 * digests are compared, not how long the secret one is.
 */
export function equalInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

/** A set of secret texts that can be asked for one and tells nothing more than yes or no. */
export class SecretSet {
  readonly #digests: readonly Uint8Array[];

  constructor(secrets: readonly string[]) {
    this.#digests = secrets.map(digest);
  }

  get size(): number {
    return this.#digests.length;
  }

  /** Whether `text` is one of the secrets; as slow for the first of them as for none. */
  has(text: string): boolean {
    return this.find(text) >= 0;
  }

  /** Which of the secrets `text` is, by its place among them; -1 where it is none. As slow for each. */
  find(text: string): number {
    const given = digest(text);
    let found = -1;
    for (let i = 0; i < this.#digests.length; i++) {
      const isThis = timingSafeEqual(this.#digests[i]!, given);
      found = isThis ? i : found;
    }
    return found;
  }
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
