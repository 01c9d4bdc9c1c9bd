import type { Channel } from "./channel.ts";
import { Entry } from "./entry.ts";
import { QueuedBytes } from "./queued_bytes.ts";

/** When this many entries at the front are spent, the array is cut. */
const COMPACT_AT = 32;

/**
 * What is on its way to one browser, in order: entries that its transport has taken and the browser has not
 * yet acknowledged, then entries that no transport has taken.
 *
 * ```
 *   spent | handed over, not acknowledged | not handed over
 *         head          cursor            high              end
 * ```
 *
 * The cursor is where the current transport stands. It equals `high`, except after {@linkcode rewind}, when a
 * new transport repeats what the old one may have lost.
 *
 * Frames are counted, not marked: both sides count lines, so a number never travels with a push.
 */
export class Outbox {
  #entries: Entry[] = [];
  readonly #queued: QueuedBytes;
  #head = 0;
  #cursor = 0;
  #high = 0;
  #headLines = 0;
  #cursorLines = 0;
  #highLines = 0;
  #acknowledged = 0;
  #unacknowledgedBytes = 0;
  #unwrittenBytes = 0;
  #dropped = 0;
  /** How many of the bytes that wait may be dropped, and how many of these were spared the last time. */
  #droppableBytes = 0;
  #sparedBytes = 0;

  /** @param queued Counts what all outboxes hold together. */
  constructor(queued: QueuedBytes = new QueuedBytes()) {
    this.#queued = queued;
  }

  /** How many frames precede the first that is still here: a resume from before that is not possible. */
  get base(): number {
    return this.#headLines;
  }

  /** The number before the next frame that the transport will be given. */
  get from(): number {
    return this.#cursorLines;
  }

  /** How many frames were ever handed to a transport: nobody can have taken more. */
  get handed(): number {
    return this.#highLines;
  }

  /** The most that the browser ever said it has taken: what says less was sent before that. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get unacknowledgedBytes(): number {
    return this.#unacknowledgedBytes;
  }

  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** The memory that would be free without this outbox, but for its share of what others hold too. */
  get ownBytes(): number {
    let bytes = 0;
    for (let i = this.#head; i < this.#entries.length; i++) {
      const { memory, holders } = this.#entries[i]!;
      bytes += memory / holders;
    }
    return bytes;
  }

  /** How many messages were ever taken away from what waits, each counted once. */
  get dropped(): number {
    return this.#dropped;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#queued.add(entry);
    this.#unwrittenBytes += entry.bytes;
    if (mayGo(entry)) this.#droppableBytes += entry.bytes;
  }

  /** The next entry for the transport, or `undefined` when it has been given all. */
  peek(): Entry | undefined {
    return this.#entries[this.#cursor];
  }

  /** The transport took what {@linkcode peek} gave. */
  advance(): void {
    const entry = this.#entries[this.#cursor]!;
    this.#cursorLines += entry.lines;
    if (this.#cursor++ < this.#high) return;
    this.#high = this.#cursor;
    this.#highLines = this.#cursorLines;
    this.#unwrittenBytes -= entry.bytes;
    if (mayGo(entry)) this.#isGone(entry.bytes);
    this.#unacknowledgedBytes += entry.bytes;
  }

  /**
   * The browser has taken `received` frames: what they were in is let go. An entry that was taken in part is
   * kept whole; the browser skips what it has when that is repeated.
   *
   * @returns Whether that can be: false where more was received than was ever handed over.
   */
  acknowledge(received: number): boolean {
    if (received > this.#highLines) return false;
    this.#acknowledged = Math.max(this.#acknowledged, received);
    while (this.#head < this.#high) {
      const end = this.#headLines + this.#entries[this.#head]!.lines;
      if (end > received) break;
      this.#dropHead(end);
    }
    this.#compact();
    return true;
  }

  /**
   * Lets go of the oldest entries that were handed over, until at most `bytes` of them are kept. What the
   * current transport has yet to repeat is not touched.
   *
   * @returns How many were let go.
   */
  trim(bytes: number): number {
    let count = 0;
    while (
      this.#unacknowledgedBytes > bytes && this.#head < this.#cursor && this.#head < this.#high
    ) {
      this.#dropHead(this.#headLines + this.#entries[this.#head]!.lines);
      count++;
    }
    this.#compact();
    return count;
  }

  /** A new transport starts from the first frame that is not acknowledged. */
  rewind(): void {
    this.#cursor = this.#head;
    this.#cursorLines = this.#headLines;
  }

  /**
   * Takes away the messages of a channel that were not handed over.
   *
   * @returns How many messages these were, or stood for.
   */
  removeWaiting(channel: Channel): number {
    let missed = 0;
    let kept = this.#high;
    for (let i = this.#high; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.channel !== channel) {
        this.#entries[kept++] = entry;
      } else {
        missed += this.#takeAway(entry);
      }
    }
    this.#entries.length = kept;
    return missed;
  }

  /**
   * Has what waits of a channel stay, whatever that channel's rule: of what its reader is sent from now on, after
   * it came back, no gap is to be told before it came.
   */
  keepWaiting(channel: string): void {
    for (let i = this.#high; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.channel?.name !== channel || !mayGo(entry)) continue;
      const kept = new Entry(entry.text, entry.lines);
      this.#entries[i] = kept;
      this.#queued.add(kept);
      this.#queued.remove(entry);
      this.#isGone(entry.bytes);
    }
  }

  /**
   * Takes away messages whose channel's rule lets them be dropped, and that were not handed over, the oldest first, until at most `bytes`
   * wait. In the place of each channel's first stands what `gap` makes of their number.
   */
  dropWaiting(bytes: number, gap: (channel: Channel, missed: number) => Entry | null): void {
    if (this.#unwrittenBytes <= bytes) return;
    // With nothing new that may go this would look through all in vain, each time that something is added.
    if (this.#droppableBytes <= this.#sparedBytes) return;
    const latest = new Map<Channel, Entry>();
    for (let i = this.#high; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.channel?.rule.slow === "keep_latest") latest.set(entry.channel, entry);
    }
    const gaps = new Map<Channel, { readonly at: number; missed: number }>();
    const waiting = this.#entries.splice(this.#high);
    for (const entry of waiting) {
      const { channel } = entry;
      const isKept = channel === null || !mayGo(entry) || latest.get(channel) === entry;
      if (isKept || this.#unwrittenBytes <= bytes) {
        this.#entries.push(entry);
        continue;
      }
      const missed = this.#takeAway(entry);
      const known = gaps.get(channel);
      if (known !== undefined) known.missed += missed;
      else gaps.set(channel, { at: this.#entries.push(SPENT) - 1, missed });
    }
    for (const [channel, { at, missed }] of gaps) {
      const entry = gap(channel, missed);
      if (entry === null) continue;
      this.#entries[at] = entry;
      this.#queued.add(entry);
      this.#unwrittenBytes += entry.bytes;
      this.#droppableBytes += entry.bytes;
    }
    this.#sparedBytes = this.#unwrittenBytes > bytes ? this.#droppableBytes : 0;
    if (gaps.size === 0) return;
    let kept = this.#high;
    for (let i = this.#high; i < this.#entries.length; i++) {
      if (this.#entries[i] !== SPENT) this.#entries[kept++] = this.#entries[i]!;
    }
    this.#entries.length = kept;
  }

  /** @returns How many messages the entry is or stands for. */
  #takeAway(entry: Entry): number {
    const { bytes, lines, missed } = entry;
    this.#queued.remove(entry);
    this.#unwrittenBytes -= bytes;
    if (mayGo(entry)) this.#isGone(bytes);
    if (missed === 0) this.#dropped += lines;
    return missed || lines;
  }

  /** So much less waits that may be dropped. */
  #isGone(bytes: number): void {
    this.#droppableBytes -= bytes;
    this.#sparedBytes = Math.min(this.#sparedBytes, this.#droppableBytes);
  }

  /** Channels may have other rules by now: what waits is looked at anew, whether it may be dropped. */
  recount(): void {
    this.#droppableBytes = 0;
    this.#sparedBytes = 0;
    for (let i = this.#high; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (mayGo(entry)) this.#droppableBytes += entry.bytes;
    }
  }

  /** Lets go of everything. */
  clear(): void {
    for (let i = this.#head; i < this.#entries.length; i++) this.#queued.remove(this.#entries[i]!);
    this.#entries = [];
    this.#head = this.#cursor = this.#high = 0;
    this.#unacknowledgedBytes = this.#unwrittenBytes = 0;
    this.#droppableBytes = this.#sparedBytes = 0;
  }

  #dropHead(headLines: number): void {
    const entry = this.#entries[this.#head]!;
    this.#queued.remove(entry);
    this.#unacknowledgedBytes -= entry.bytes;
    // The slot is emptied at once: a large entry should not wait for the array to be cut.
    this.#entries[this.#head++] = SPENT;
    this.#headLines = headLines;
    if (this.#cursor < this.#head) {
      this.#cursor = this.#head;
      this.#cursorLines = headLines;
    }
  }

  #compact(): void {
    if (this.#head < COMPACT_AT && this.#head < this.#entries.length) return;
    if (this.#head * 2 < this.#entries.length) return;
    if (this.#head === this.#entries.length) this.#entries.length = 0;
    else this.#entries.splice(0, this.#head);
    this.#cursor -= this.#head;
    this.#high -= this.#head;
    this.#head = 0;
  }
}

/** Whether an entry may be dropped for a slow reader. */
function mayGo({ channel }: Entry): boolean {
  return channel !== null && channel.rule.slow !== "close";
}

const SPENT = undefined as unknown as Entry;
