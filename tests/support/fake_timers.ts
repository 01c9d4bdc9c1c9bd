import type { TimerId, Timers } from "../../src/relay/timers.ts";

/** Time that stands still until a test moves it. */
export class FakeTimers implements Timers {
  #now: number;
  #nextId = 1;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  constructor(now: number = Date.parse("2026-01-02T03:04:05.678Z")) {
    this.#now = now;
  }

  /** How many timers are set. */
  get size(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.now();
  }

  setTimeout(run: () => void, ms: number): TimerId {
    const id = this.#nextId++;
    this.#timers.set(id, { at: this.#now + ms, run });
    return id as unknown as TimerId;
  }

  clearTimeout(id: TimerId): void {
    this.#timers.delete(id as unknown as number);
  }

  /** Lets time pass until the next timer is due, and runs it. @returns How long that was. */
  advanceToNext(): number {
    const passed = Math.min(...[...this.#timers.values()].map(({ at }) => at)) - this.#now;
    if (!Number.isFinite(passed)) throw new Error("Cannot advance: no timer is set");
    this.advance(passed);
    return passed;
  }

  /** Lets `ms` pass; what is due runs in its order, at its time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let due: [number, { at: number; run: () => void }] | null = null;
      for (const entry of this.#timers) {
        if (entry[1].at <= end && (due === null || entry[1].at < due[1].at)) due = entry;
      }
      if (due === null) break;
      this.#timers.delete(due[0]);
      this.#now = due[1].at;
      due[1].run();
    }
    this.#now = end;
  }
}
