/** Something that wants to be woken. Its two fields belong to the wheel. */
export interface Timed {
  /** When it wants to be woken, in milliseconds of the wheel's clock. */
  dueAt: number;
  /** The slot it is in, or -1. */
  slot: number;
  onTimer(now: number): void;
}

const SLOT_MS = 1000;
const SLOTS = 64;

/**
 * One timer for everybody: thousands of sessions each wait for a ping or an end, and none needs it to the
 * millisecond. Items are woken at or up to a second after they are due. Adding, moving and removing cost one
 * operation on a set each; {@linkcode advance} costs what is due.
 */
export class TimerWheel {
  readonly #slots: Set<Timed>[] = Array.from({ length: SLOTS }, () => new Set());
  #tick: number;

  /** @param now The time, in milliseconds; only differences matter. */
  constructor(now: number) {
    this.#tick = Math.floor(now / SLOT_MS);
  }

  /** How many items wait. */
  get size(): number {
    let size = 0;
    for (const slot of this.#slots) size += slot.size;
    return size;
  }

  /** Wakes `item` at `dueAt`; an item that waits already is moved. */
  schedule(item: Timed, dueAt: number): void {
    this.cancel(item);
    item.dueAt = dueAt;
    // Beyond the horizon an item waits in the furthest slot and is placed again from there.
    const tick = Math.min(
      Math.max(Math.ceil(dueAt / SLOT_MS), this.#tick + 1),
      this.#tick + SLOTS - 1,
    );
    item.slot = tick % SLOTS;
    this.#slots[item.slot]!.add(item);
  }

  cancel(item: Timed): void {
    if (item.slot < 0) return;
    this.#slots[item.slot]!.delete(item);
    item.slot = -1;
  }

  /** Wakes all that is due at `now`. An item may schedule itself again from `onTimer`. */
  advance(now: number): void {
    const last = Math.floor(now / SLOT_MS);
    // After a long stop (a suspended machine) one round over all slots is enough.
    const first = Math.max(this.#tick + 1, last - SLOTS + 1);
    this.#tick = Math.max(this.#tick, last);
    for (let tick = first; tick <= last; tick++) {
      const slot = this.#slots[tick % SLOTS]!;
      if (slot.size === 0) continue;
      const items = [...slot];
      for (const item of items) {
        if (item.slot !== tick % SLOTS) continue; // cancelled or moved by an earlier one
        slot.delete(item);
        item.slot = -1;
        if (item.dueAt > now) this.schedule(item, item.dueAt);
        else item.onTimer(now);
      }
    }
  }
}
