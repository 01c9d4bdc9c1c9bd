/**
 * How many of something each address has. It holds the addresses that have any, and so no more of them than
 * there are things. The address `""` is nobody's: it is not counted.
 */
export class AddressCounts {
  readonly #counts = new Map<string, number>();

  /** How many addresses have any. */
  get size(): number {
    return this.#counts.size;
  }

  /** How many an address has. */
  of(address: string): number {
    return this.#counts.get(address) ?? 0;
  }

  /** One more. */
  add(address: string): void {
    if (address !== "") this.#counts.set(address, this.of(address) + 1);
  }

  /** One less. */
  remove(address: string): void {
    if (address === "") return;
    const left = this.of(address) - 1;
    if (left > 0) this.#counts.set(address, left);
    else this.#counts.delete(address);
  }
}
