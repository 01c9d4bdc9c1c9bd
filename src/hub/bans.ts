import { RecentAddresses } from "./recent_addresses.ts";

/** Addresses that sent far more than anybody needs to: for a while nobody from there begins anew. */
export class Bans {
  #ms: number;
  /** When each last sent too much. */
  readonly #sinceMs = new RecentAddresses();

  /** @param ms How long one takes, in milliseconds; 0: there is none. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** From now on one takes so long, those that began before included; 0: they are over. */
  set ms(ms: number) {
    this.#ms = ms;
    if (ms === 0) this.#sinceMs.clear();
  }

  /** How many addresses are remembered; some of their bans may be over. */
  get size(): number {
    return this.#sinceMs.size;
  }

  /** Bans an address from now on. */
  add(address: string, nowMs: number): void {
    if (this.#ms > 0) this.#sinceMs.note(address, nowMs);
  }

  /** For how many more milliseconds an address is banned; 0: it is not. */
  leftMs(address: string, nowMs: number): number {
    const since = this.#sinceMs.of(address);
    return since === undefined ? 0 : Math.max(0, since + this.#ms - nowMs);
  }
}
