/** How often an event is tried in all. */
export const MAX_ATTEMPTS = 6;

/** Each pause is this many times as long as the one before it. */
const GROWTH = 3;

/** What the pauses before the second to the last attempt add up to, in units of the first. */
const UNITS = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, n) => GROWTH ** n)
  .reduce((sum, units) => sum + units);

/**
 * How long to wait before the next attempt, in milliseconds.
 *
 * The pauses grow so that the last attempt still begins within `retryForMs`. Each is cut by up to a half at
 * random: what failed together does not come back together.
 *
 * @param attempts How many were made, from 1 to {@linkcode MAX_ATTEMPTS} - 1.
 * @param random A number from 0 to 1.
 */
export function backoffMs(attempts: number, retryForMs: number, random: number): number {
  return (retryForMs / UNITS) * GROWTH ** (attempts - 1) * (0.5 + random / 2);
}

/**
 * The pause that a `Retry-After` header asks for, in milliseconds; 0 where it asks for none or cannot be
 * read. It is a number of seconds or a date (RFC 9110, section 10.2.3).
 */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(0, date - nowMs);
}
