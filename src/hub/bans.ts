/** Addresses that are remembered at once: beyond, the one whose ban ends first is let go. */
const MAX_BANS = 10_000;

/**
 * Addresses that sent far more than anybody needs to, and until when nobody from there begins anew. The address
 * `""` is nobody's: it is never banned.
 */
export class Bans {
  /** How long one takes, in milliseconds; 0: there is none. */
  ms: number;
  /** As all take the same time, they are in the order in which they end. */
  readonly #untilMs = new Map<string, number>();

  constructor(ms: number) {
    this.ms = ms;
  }

  /** How many addresses are remembered; some of their bans may be over. */
  get size(): number {
    return this.#untilMs.size;
  }

  /** Bans an address from now on. */
  add(address: string, nowMs: number): void {
    if (address === "" || this.ms === 0) return;
    this.#untilMs.delete(address);
    for (const [each, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size < MAX_BANS) break;
      this.#untilMs.delete(each);
    }
    this.#untilMs.set(address, nowMs + this.ms);
  }

  /** For how many more milliseconds an address is banned; 0: it is not. */
  leftMs(address: string, nowMs: number): number {
    if (this.ms === 0) return 0;
    return Math.max(0, (this.#untilMs.get(address) ?? 0) - nowMs);
  }
}
