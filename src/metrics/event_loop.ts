import { Histogram } from "../hub/histogram.ts";

/** How often it is looked how late the event loop is. */
const SAMPLE_MS = 100;

/** For how long the worst sample counts, at least; twice as long at most. */
const WORST_WITHIN_MS = 30_000;

/**
 * How late the event loop runs what is due: for so long nothing else was done either. A timer of our own, as
 * Deno's `monitorEventLoopDelay` says nothing true: it tells of 25 ms after a loop stood still for 150.
 */
export class EventLoopLag {
  /** Samples in seconds, ten a second. */
  readonly seconds = new Histogram(LAG_SECONDS);
  readonly #now: () => number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #dueAt = 0;
  #windowEnd = 0;
  /** The worst of this window and of the one before it. */
  #worst = 0;
  #worstBefore = 0;

  /** @param now Milliseconds on a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The longest of the last half to whole minute, in seconds. */
  get worstSeconds(): number {
    return Math.max(this.#worst, this.#worstBefore);
  }

  start(): void {
    const now = this.#now();
    this.#dueAt = now + SAMPLE_MS;
    this.#windowEnd = now + WORST_WITHIN_MS;
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Called by the timer. */
  sample(): void {
    const now = this.#now();
    const lag = Math.max(now - this.#dueAt, 0) / 1000;
    this.#dueAt = now + SAMPLE_MS;
    this.seconds.add(lag);
    if (now >= this.#windowEnd) {
      this.#worstBefore = this.#worst;
      this.#worst = 0;
      this.#windowEnd = now + WORST_WITHIN_MS;
    }
    this.#worst = Math.max(this.#worst, lag);
  }
}

const LAG_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
