/** Addresses that are remembered at once: beyond, the one that was noted first is let go. */
const MAX_ADDRESSES = 10_000;

/** A number for each of the addresses that it was noted for lately. The address `""` is nobody's. */
export class RecentAddresses {
  readonly #numbers = new Map<string, number>();

  /** How many addresses there are. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The number of an address, where there is one. */
  of(address: string): number | undefined {
    return this.#numbers.get(address);
  }

  /** Notes a number in place of the one before. */
  note(address: string, number: number): void {
    if (address === "") return;
    this.#numbers.delete(address);
    this.#numbers.set(address, number);
    if (this.#numbers.size <= MAX_ADDRESSES) return;
    for (const first of this.#numbers.keys()) {
      this.#numbers.delete(first);
      return;
    }
  }

  clear(): void {
    this.#numbers.clear();
  }
}
