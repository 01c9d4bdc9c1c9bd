import { Histogram } from "./histogram.ts";

/** What no other part of any message holds. */
const MARK = 0x7e; // ~

/** A mark is followed by so many digits: the microseconds at which its message was sent. */
const DIGITS = 12;

/** Room that a mark takes. */
export const MARK_BYTES = 1 + DIGITS;

/** The text of a message that is sent now, `bytes` long, with its time in it. */
export function marked(now: number, bytes: number): string {
  const digits = String(Math.round(now * 1000)).padStart(DIGITS, "0");
  return `~${digits}`.padEnd(bytes, "x");
}

/** Finds marks in what arrives, and notes how long each message took. */
export class Marks {
  /** How many messages arrived since the last {@linkcode begin}. */
  count = 0;
  /** How many marks were found in the last {@linkcode scan}. */
  found = 0;
  readonly latencies = new Histogram();
  /** How far behind a mark the next one is at least. */
  readonly #stride: number;

  /** @param bytes How long each message's text is. */
  constructor(bytes: number) {
    this.#stride = Math.max(MARK_BYTES, bytes);
  }

  /** Counts from here on. */
  begin(): void {
    this.count = 0;
    this.latencies.clear();
  }

  /**
   * Takes the marks of `buffer` from `start` to `end`, that arrived at `now`, in milliseconds.
   *
   * @returns Where the search has to go on when more is there: `end`, before it where a mark was cut, or beyond
   * it where the rest of a message needs no search.
   */
  scan(buffer: Uint8Array, start: number, end: number, now: number): number {
    let at = start;
    this.found = 0;
    while (at < end) {
      if (buffer[at] !== MARK) {
        at++;
        continue;
      }
      if (at + MARK_BYTES > end) break;
      let micros = 0;
      for (let digit = at + 1; digit <= at + DIGITS; digit++) {
        micros = micros * 10 + buffer[digit]! - 48;
      }
      this.latencies.add(now - micros / 1000);
      this.found++;
      at += this.#stride;
    }
    this.count += this.found;
    return at;
  }
}
