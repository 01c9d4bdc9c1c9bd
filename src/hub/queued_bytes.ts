import type { Entry } from "./entry.ts";

/** What an entry takes beside its text, and what each outbox takes that holds it: its slot in an array. */
const ENTRY_BYTES = 150;
const SLOT_BYTES = 16;

/**
 * What waits in all outboxes together, in bytes of memory: an entry's text counts once, however many sessions
 * share it, until the last of them has let it go.
 */
export class QueuedBytes {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** An outbox took an entry. */
  add(entry: Entry): void {
    if (entry.holders++ === 0) this.#bytes += entry.memory + ENTRY_BYTES;
    this.#bytes += SLOT_BYTES;
  }

  /** An outbox let an entry go. */
  remove(entry: Entry): void {
    if (--entry.holders === 0) this.#bytes -= entry.memory + ENTRY_BYTES;
    this.#bytes -= SLOT_BYTES;
  }
}
