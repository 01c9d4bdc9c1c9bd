import type { PushDetails } from "../protocol/codec.ts";
import type { Channel } from "./channel.ts";
import type { Counters } from "./counters.ts";
import type { Session } from "./session.ts";

/** When things happen; the caller's, so that tests own time. */
export interface TurnOptions {
  /** Runs `flush` once, at the end of this turn of the event loop. */
  onTurnEnd(flush: () => void): void;
  /** Runs `retry` once, some 20 ms from now. */
  onRetry(retry: () => void): void;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
}

/**
 * What leaves at the end of this turn of the event loop.
 *
 * What is published to a channel within a turn is one batch: one string, one entry in each subscriber's
 * outbox. One batch is open at a time. It ends before anything else joins the outbox of one of its readers:
 * that keeps every session's frames in the order in which they were accepted.
 */
export class Turn {
  readonly #options: TurnOptions;
  readonly #counters: Counters;
  #open: Channel | null = null;
  #dirty: Session[] = [];
  #blocked: Session[] = [];
  /** Channels that have something to tell of who is there. */
  #presence: Channel[] = [];
  #isScheduled = false;
  /** How many messages were published in this turn, and when the first was. */
  #messages = 0;
  #publishedAt = 0;
  readonly #flush = () => this.flush();
  readonly #retry = () => this.#flushBlocked();

  constructor(options: TurnOptions, counters: Counters) {
    this.#options = options;
    this.#counters = counters;
  }

  /** The channel whose batch is open. */
  get open(): Channel | null {
    return this.#open;
  }

  /** Notes that there is a message for somebody: this turn's flush is measured. */
  noteMessage(): void {
    if (this.#messages++ === 0) this.#publishedAt = this.#options.now();
  }

  /** Adds a message to a channel's batch, which is open or begins; no other is open. */
  add(channel: Channel, data: string, more: PushDetails): void {
    this.#open = channel;
    if (channel.add(data, more)) this.endBatch();
    else this.#schedule();
  }

  /** Queues what the open batch holds. Slow readers may end by that, and channels with the last of them. */
  endBatch(): void {
    const open = this.#open;
    this.#open = null;
    open?.endBatch();
  }

  /** Ends the batch of that channel, where it is open. */
  endBatchOf(channel: Channel | undefined): void {
    if (this.#open !== null && this.#open === channel) this.endBatch();
  }

  /** Ends the batch of any other channel. */
  endBatchUnlessOf(channel: Channel): void {
    if (this.#open !== channel) this.endBatch();
  }

  /** A session has something to send. */
  wantsFlush(session: Session): void {
    this.#dirty.push(session);
    this.#schedule();
  }

  /** A session's transport takes no more: it is tried again a little later. */
  isBlocked(session: Session): void {
    if (this.#blocked.length === 0) this.#options.onRetry(this.#retry);
    this.#blocked.push(session);
  }

  /** Somebody came into a channel that tells who is there, or went. */
  wantsPresence(channel: Channel): void {
    if (channel.isPresenceDirty) return;
    channel.isPresenceDirty = true;
    this.#presence.push(channel);
    this.#schedule();
  }

  /** Tells of those who came and went, behind what was published before. */
  tellPresence(channel: Channel): void {
    const changes = channel.presence?.take() ?? [];
    if (changes.length === 0) return;
    this.endBatch();
    channel.tell(changes);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.onTurnEnd(this.#flush);
  }

  /** Ends the turn: hands to the transports all that was queued since the last. */
  flush(): void {
    this.#isScheduled = true; // what the batch's end makes dirty is part of this flush
    try {
      this.endBatch();
      const channels = this.#presence;
      this.#presence = [];
      for (const channel of channels) {
        channel.isPresenceDirty = false;
        this.tellPresence(channel);
      }
    } finally {
      this.#isScheduled = false;
    }
    // A slow reader that ended here has left its channels.
    if (this.#presence.length > 0) this.#schedule();
    const messages = this.#messages;
    this.#messages = 0;
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const session of dirty) {
      session.dirty = false;
      session.flush();
    }
    if (messages === 0) return;
    const { fanOutSeconds, flushMessages, flushSessions } = this.#counters;
    fanOutSeconds.add((this.#options.now() - this.#publishedAt) / 1000);
    flushMessages.add(messages);
    flushSessions.add(dirty.length);
  }

  #flushBlocked(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const session of blocked) {
      session.blocked = false;
      session.flush();
    }
  }
}
