import { Buffer } from "node:buffer";
import type { Channel } from "./channel.ts";

const encoder = new TextEncoder();

/**
 * One or more frames that leave together, shared by every session that they are for.
 *
 * A flush makes one entry for each codec, however many sessions take it, so what is costly about a message
 * (its length in bytes, its form on an event stream) is worked out here, once.
 */
export class Entry {
  /** What this entry counts for in a session's bounds: its length in UTF-8. */
  readonly bytes: number;
  /** What its text takes: V8 keeps text that is not Latin-1 at two bytes a character. */
  readonly memory: number;
  /** Used by who counts what is queued: how many outboxes hold it. */
  holders = 0;
  /**
   * Held weakly, or an entry that waits to be acknowledged would cost twice what it counts for. Whoever is
   * given it in the same turn is given the same one.
   */
  #event: WeakRef<Uint8Array<ArrayBuffer>> | undefined;

  /**
   * @param text Frames, joined by their codec's separator.
   * @param lines How many frames these are: what a peer counts.
   * @param channel Whose messages these are; `null` for what is no message of a channel.
   * @param missed Where this tells of a gap: how many messages were dropped.
   */
  constructor(
    readonly text: string,
    readonly lines: number,
    readonly channel: Channel | null = null,
    readonly missed: number = 0,
  ) {
    this.bytes = Buffer.byteLength(text);
    this.memory = this.bytes === text.length ? this.bytes : 2 * text.length;
  }

  /** The bytes of this entry as one server-sent event, made at the first call. */
  get event(): Uint8Array<ArrayBuffer> {
    return this.#bytes(eventBytes);
  }

  /** The bytes of this entry as they are, for a codec that writes events itself. */
  get raw(): Uint8Array<ArrayBuffer> {
    return this.#bytes((text) => encoder.encode(text));
  }

  #bytes(make: (text: string) => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const made = this.#event?.deref();
    if (made !== undefined) return made;
    const bytes = make(this.text);
    this.#event = new WeakRef(bytes);
    return bytes;
  }
}

/** Lines of text as one server-sent event (WHATWG HTML, section 9.2.6). */
export function eventBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`data: ${text.replaceAll("\n", "\ndata: ")}\n\n`);
}
