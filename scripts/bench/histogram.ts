/** Values are told apart to within this share of themselves. */
const PRECISION = 0.01;

/** The least value that is told apart from 0. */
const LEAST = 0.001;

const STEP = Math.log1p(PRECISION);

/** How many buckets reach from a microsecond to over an hour, in milliseconds. */
const BUCKETS = Math.ceil(Math.log(4e6 / LEAST) / STEP);

/** Counts of durations, in milliseconds, of which quantiles can be told to within 1 %. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #max = 0;

  /** Takes one in. */
  add(ms: number): void {
    const bucket = ms <= LEAST ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log(ms / LEAST) / STEP));
    this.#counts[bucket]!++;
    this.#count++;
    if (ms > this.#max) this.#max = ms;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** The longest; 0 where there is none. */
  get max(): number {
    return this.#max;
  }

  /** The duration that a share of all stays within, `share` from 0 to 1; 0 where there is none. */
  quantile(share: number): number {
    const rank = share * this.#count;
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank && seen > 0) {
        return Math.min(this.#max, LEAST * Math.exp((bucket + 1) * STEP));
      }
    }
    return this.#max;
  }

  /** Forgets all. */
  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#max = 0;
  }
}
