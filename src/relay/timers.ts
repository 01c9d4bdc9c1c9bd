/** Time, as the relay needs it: the platform's own, or a test's. */
export interface Timers {
  /** The time of day, in milliseconds since 1970. */
  now(): number;
  /** Milliseconds on a clock that never goes back. */
  monotonic(): number;
  setTimeout(run: () => void, ms: number): TimerId;
  clearTimeout(id: TimerId): void;
}

/** What a timer is cleared by. */
export type TimerId = ReturnType<typeof setTimeout>;

/** The platform's time. */
export const realTimers: Timers = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (id) => clearTimeout(id),
};
