import { type LimitClock, platformClock } from "../web/time_limit.ts";

/** Time, as the relay needs it: the platform's own, or a test's. */
export interface Timers extends LimitClock {
  /** The time of day, in milliseconds since 1970. */
  now(): number;
}

/** What a timer is cleared by. */
export type TimerId = ReturnType<typeof setTimeout>;

/** The platform's time. */
export const realTimers: Timers = { ...platformClock, now: () => Date.now() };
