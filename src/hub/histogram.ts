/** How often values fell into each of some ranges: plain numbers, so that counting one makes nothing. */
export class Histogram {
  /** The upper ends of the ranges, ascending: each is part of its range. */
  readonly bounds: readonly number[];
  /** How many values fell into each range; the last is of those above all bounds. */
  readonly counts: number[];
  /** What all values add up to. */
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
    this.counts.push(0);
  }

  add(value: number): void {
    const { bounds } = this;
    let range = 0;
    while (range < bounds.length && value > bounds[range]!) range++;
    this.counts[range]!++;
    this.sum += value;
  }
}
