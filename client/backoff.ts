import { BACKOFF_BASE_MS, BACKOFF_CAP_MS } from "./constants.ts";

/**
 * How long to wait before another try, in milliseconds: anything from nothing to a bound that doubles with
 * each failure, from 0.5 s to 20 s ("full jitter": many clients that lost one server come back spread out).
 *
 * @param failures How many tries failed before this one.
 * @param random A number from 0 up to but not 1.
 */
export function backoff(failures: number, random: number): number {
  return random * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
}

/** A time within a window that Chloe named, in milliseconds. */
export function within([from, to]: readonly [number, number], random: number): number {
  return from + random * (to - from);
}
