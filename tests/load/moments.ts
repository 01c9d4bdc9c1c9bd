/**
 * Moments of a test, counted in what happens and not in milliseconds: a slow machine lives through the same
 * ones as a fast one.
 */
export class Moments {
  isOver = false;
  #now = 0;
  readonly #waiting = new Map<number, (() => void)[]>();

  get now(): number {
    return this.#now;
  }

  /** Something happened. */
  tick(): void {
    const now = ++this.#now;
    const due = this.#waiting.get(now);
    if (due === undefined) return;
    this.#waiting.delete(now);
    for (const wake of due) wake();
  }

  /** Resolves at a moment, at once where that is past. */
  at(moment: number): Promise<void> {
    if (moment <= this.#now) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(moment);
      if (waiting === undefined) this.#waiting.set(moment, [resolve]);
      else waiting.push(resolve);
    });
  }

  /** Resolves so many moments from now. */
  after(count: number): Promise<void> {
    return this.at(this.#now + count);
  }

  /** Wakes all who wait. From now on nothing happens any more: later moments do not come. */
  end(): void {
    this.isOver = true;
    for (const due of this.#waiting.values()) for (const wake of due) wake();
    this.#waiting.clear();
  }
}
