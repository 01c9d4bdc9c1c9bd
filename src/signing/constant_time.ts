import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";

/**
 * Whether two texts are the same, in a time that tells nothing about either: not where they differ, and, as
 * digests are compared, not how long the secret one is.
 */
export function equalInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

/** Texts are compared in a field of this size: their length in UTF-8, the bytes, and zeros up to its end. */
const FIELD_BYTES = 128;

/** Stands in place of the length where a text that is longer than a field is compared by its digest. */
const BY_DIGEST = 255;

/**
 * A set of secret texts that can be asked for one and tells nothing more than yes or no.
 *
 * Every request to `/send` is asked here. To hash what it presents and to compare digests by `timingSafeEqual`
 * was an eighth of all that it cost; fields of one size need no hash to hide a length. That they are compared in
 * constant time is plain to see: one loop over all words of each, with no branch in it.
 */
export class SecretSet {
  readonly #known: readonly Uint32Array[];
  /** The field of what is asked for. */
  readonly #given = new Uint8Array(FIELD_BYTES);
  readonly #givenWords = new Uint32Array(this.#given.buffer);

  constructor(secrets: readonly string[]) {
    this.#known = secrets.map((secret) => {
      const field = new Uint8Array(FIELD_BYTES);
      fill(field, secret);
      return new Uint32Array(field.buffer);
    });
  }

  get size(): number {
    return this.#known.length;
  }

  /** Whether `text` is one of the secrets; as slow for the first of them as for none. */
  has(text: string): boolean {
    return this.find(text) >= 0;
  }

  /** Which of the secrets `text` is, by its place among them; -1 where it is none. As slow for each. */
  find(text: string): number {
    fill(this.#given, text);
    let found = -1;
    for (let i = 0; i < this.#known.length; i++) {
      const isThis = differences(this.#known[i]!, this.#givenWords) === 0;
      found = isThis ? i : found;
    }
    return found;
  }
}

/** The bits in which two fields differ, over all of their words. */
function differences(a: Uint32Array, b: Uint32Array): number {
  let bits = 0;
  for (let i = 0; i < FIELD_BYTES / 4; i++) bits |= a[i]! ^ b[i]!;
  return bits;
}

/** Puts a text into a field. How long that takes depends on that text alone. */
function fill(field: Uint8Array, text: string): void {
  field.fill(0);
  if (fillAscii(field, text)) return;
  field.fill(0);
  const bytes = Buffer.from(text);
  const isLong = bytes.length >= FIELD_BYTES;
  field[0] = isLong ? BY_DIGEST : bytes.length;
  field.set(isLong ? digest(text) : bytes, 1);
}

/** @returns Whether it was short enough and all ASCII, as keys are. */
function fillAscii(field: Uint8Array, text: string): boolean {
  if (text.length >= FIELD_BYTES) return false;
  field[0] = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    field[i + 1] = code;
  }
  return true;
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
