import { Pace } from "../hub/pace.ts";

/** How a limit of requests is set up. */
export interface SendLimitOptions {
  /** Requests that each key may make a second, and as many at once. */
  readonly perSecond: number;
  /** Counts the requests that were refused. */
  readonly hits: { sendPerSecond: number };
  /** Milliseconds on a clock that never goes back; default: the program's. */
  now?(): number;
}

/**
 * How often each key may be used. It keeps a number for each that was: keys are configured, so these are few.
 */
export class SendLimit {
  readonly #pace: Pace;
  readonly #hits: { sendPerSecond: number };
  readonly #now: () => number;
  readonly #fullAt = new Map<string, number>();

  constructor({ perSecond, hits, now = () => performance.now() }: SendLimitOptions) {
    this.#pace = new Pace({ perSecond, burst: perSecond });
    this.#hits = hits;
    this.#now = now;
  }

  /**
   * Counts a request.
   *
   * @param key Which key lets it in, as {@linkcode Verdict.key} names it.
   * @returns 0 where it may be done; else in how many whole seconds the next one may.
   */
  take(key: string): number {
    const now = this.#now();
    const before = this.#fullAt.get(key) ?? 0;
    const fullAt = this.#pace.take(before, now);
    if (fullAt >= 0) {
      this.#fullAt.set(key, fullAt);
      return 0;
    }
    this.#hits.sendPerSecond++;
    return Math.max(1, Math.ceil(this.#pace.waitMs(before, now) / 1000));
  }
}
