/** How often something may be done. */
export interface PaceOptions {
  /** So many a second, over a while. */
  readonly perSecond: number;
  /** So many at once, by who did nothing before; 1 or more. */
  readonly burst: number;
}

/**
 * A token bucket, of which each holder keeps one number: when its bucket is full again (the generic cell rate
 * algorithm). No timer, nothing to allocate. A holder begins with 0: full.
 */
export class Pace {
  /** What one costs, and what a full bucket holds, both in milliseconds. */
  readonly #eachMs: number;
  readonly #holdsMs: number;

  constructor({ perSecond, burst }: PaceOptions) {
    this.#eachMs = 1000 / perSecond;
    this.#holdsMs = Math.max(1, burst) * this.#eachMs;
  }

  /**
   * Takes one out of a bucket.
   *
   * @param fullAt The holder's number.
   * @param now Milliseconds, on a clock that never goes back.
   * @returns The holder's new number; -1 where the bucket is empty, and the number stays as it was.
   */
  take(fullAt: number, now: number): number {
    const next = (fullAt > now ? fullAt : now) + this.#eachMs;
    // A hair more than it holds, for what is lost in fractions.
    return next - now > this.#holdsMs + 1e-6 ? -1 : next;
  }

  /** In how many milliseconds there is one in an empty bucket. */
  waitMs(fullAt: number, now: number): number {
    return Math.max(0, fullAt + this.#eachMs - now - this.#holdsMs);
  }
}
