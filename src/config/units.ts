/**
 * Durations and sizes as people write them in a config: a number and a unit.
 *
 * @module
 */

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const QUANTITY = /^(\d{1,15}(?:\.\d{1,15})?) ?([A-Za-z]{1,3})$/;

function quantity(text: string, units: Record<string, number>): number | null {
  const [, number, unit = ""] = QUANTITY.exec(text.trim()) ?? [];
  if (number === undefined || !Object.hasOwn(units, unit)) return null;
  return Math.round(Number(number) * units[unit]!);
}

/**
 * Milliseconds in a duration, or `null` where `text` is not one.
 *
 * @example
 * ```ts
 * parseDuration("1.5s"); // 1500
 * parseDuration("10"); // null
 * ```
 */
export function parseDuration(text: string): number | null {
  return quantity(text, MILLISECONDS);
}

/**
 * Bytes in a size, or `null` where `text` is not one. `KiB` is 1024 bytes and `KB` 1000.
 *
 * @example
 * ```ts
 * parseSize("64KiB"); // 65536
 * parseSize("1MB"); // 1000000
 * ```
 */
export function parseSize(text: string): number | null {
  return quantity(text, BYTES);
}
