/**
 * The JSON text of a value that came as JSON, on one line; `null` where it is nested so deeply that it can be
 * read but not written again: V8 reads without a stack, and writes with one.
 */
export function toJson(value: unknown): string | null {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
