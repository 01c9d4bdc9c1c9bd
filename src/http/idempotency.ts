/** How long an id is remembered. */
export const REMEMBER_MS = 5 * 60_000;

const MAX_IDS = 100_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** Counted for each id beside its own text and its answer. */
const OVERHEAD_BYTES = 200;

/** Bounds of what is remembered. */
export interface IdempotencyOptions {
  readonly maxIds?: number;
  readonly maxBytes?: number;
  /** Milliseconds on a clock; default: the time of day. */
  now?(): number;
}

/** What is known of an id. */
export type Known =
  | { readonly kind: "new" }
  /** It was used for the same thing, which was answered so. */
  | { readonly kind: "repeat"; readonly answer: string }
  /** It was used for another thing. */
  | { readonly kind: "conflict" };

interface Entry {
  readonly digest: string;
  readonly answer: string;
  readonly untilMs: number;
}

/**
 * Remembers for a while what was done under which id, so that it is not done again.
 *
 * It forgets nothing before its time: where there is no room, the caller has to refuse.
 */
export class IdempotencyStore {
  readonly #maxIds: number;
  readonly #maxBytes: number;
  readonly #now: () => number;
  /** In the order in which they came, which is nearly that in which they are due. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor({ maxIds = MAX_IDS, maxBytes = MAX_BYTES, now = Date.now }: IdempotencyOptions = {}) {
    this.#maxIds = maxIds;
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  /** How many ids are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** What is known of an id; `digest` tells what it is used for now. */
  find(id: string, digest: string): Known {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.untilMs <= this.#now()) return { kind: "new" };
    return entry.digest === digest
      ? { kind: "repeat", answer: entry.answer }
      : { kind: "conflict" };
  }

  /** Whether so many ids more can be remembered. */
  hasRoom(ids: number): boolean {
    this.#forgetOld();
    return this.#entries.size + ids <= this.#maxIds && this.#bytes < this.#maxBytes;
  }

  /**
   * Remembers an id, whether there is room or not.
   *
   * @param untilMs For longer than {@linkcode REMEMBER_MS}, up to this time.
   */
  put(id: string, { digest, answer, untilMs = 0 }: {
    digest: string;
    answer: string;
    untilMs?: number;
  }): void {
    this.#forget(id);
    this.#bytes += id.length + answer.length + OVERHEAD_BYTES;
    this.#entries.set(id, {
      digest,
      answer,
      untilMs: Math.max(untilMs, this.#now() + REMEMBER_MS),
    });
  }

  #forgetOld(): void {
    const now = this.#now();
    for (const [id, { untilMs }] of this.#entries) {
      if (untilMs > now) return;
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#bytes -= id.length + entry.answer.length + OVERHEAD_BYTES;
    this.#entries.delete(id);
  }
}
