import { Buffer } from "node:buffer";
import type { Position } from "../protocol/frames.ts";
import type { ChannelRule } from "./rules.ts";
import type { Timed, TimerWheel } from "./timer_wheel.ts";

/**
 * Counted for each message that is kept, beside its text, and for each channel that has any, beside its name:
 * what 200,000 of them were measured to take.
 */
const MESSAGE_OVERHEAD_BYTES = 120;
const CHANNEL_OVERHEAD_BYTES = 1400;

/** A recovery of more than this is none: the page asks the app for the whole state instead. */
const MAX_RECOVERY_BYTES = 128 * 1024;

/** When this many messages at the front are gone, the array is cut. */
const COMPACT_AT = 32;

/** What a channel keeps: its last messages by number, and none that is older. */
export interface HistoryRule {
  readonly size: number;
  readonly ttlMs: number;
}

/** One message that a channel keeps. */
export interface Kept {
  readonly offset: number;
  /** JSON text on one line. */
  readonly data: string;
  /** Who published it, as JSON text, where subscribers are told. */
  readonly by: string | null;
  /** The id of the session that was not to get it. */
  readonly except: string | null;
  /** The ids of the sessions that continued that one. */
  readonly heirs: readonly string[];
  /** When it was published, on the hub's clock. */
  readonly atMs: number;
  /** What it counts for. */
  readonly bytes: number;
}

/** What a reader missed, or that nobody can tell. */
export interface Recovery {
  readonly recovered: boolean;
  readonly messages: readonly Kept[];
}

const NONE: readonly string[] = [];

const NOT_RECOVERED: Recovery = { recovered: false, messages: [] };

/** A channel's last messages, each at its offset: 1, 2, 3, ... in an epoch. */
export class History implements Timed {
  /** The offset of the last message; 0 before the first. */
  offset = 0;
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;
  readonly #store: HistoryStore;
  /** Where somebody is in the channel, this is kept whatever room there is. */
  inUse = false;
  #messages: Kept[] = [];
  #head = 0;
  #bytes = 0;

  readonly name: string;
  rule: HistoryRule;
  readonly epoch: string;
  pool: Pool;

  constructor(
    store: HistoryStore,
    { name, rule, epoch, pool }: Pick<History, "name" | "rule" | "epoch" | "pool">,
  ) {
    this.#store = store;
    this.name = name;
    this.rule = rule;
    this.epoch = epoch;
    this.pool = pool;
  }

  /** How many messages are kept. */
  get size(): number {
    return this.#messages.length - this.#head;
  }

  /** What these count for. */
  get bytes(): number {
    return this.#bytes;
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset };
  }

  /**
   * What followed `since`, all of it or nothing.
   *
   * @param isExcepted Whether a message that was not for this session is not for the reader.
   * @param maxBytes A bound of the messages' text below that of 128 KiB.
   */
  recover(
    since: Position,
    isExcepted: (session: string) => boolean,
    maxBytes: number = MAX_RECOVERY_BYTES,
  ): Recovery {
    this.#store.expire(this);
    if (since.epoch !== this.epoch || since.offset > this.offset) return NOT_RECOVERED;
    if (since.offset < this.offset - this.size) return NOT_RECOVERED;
    const messages: Kept[] = [];
    let bytes = 0;
    for (let i = this.#indexAfter(since.offset); i < this.#messages.length; i++) {
      const message = this.#messages[i]!;
      const { except, heirs } = message;
      if (except !== null && isExcepted(except) || heirs.some(isExcepted)) continue;
      bytes += message.bytes - MESSAGE_OVERHEAD_BYTES;
      if (bytes > Math.min(maxBytes, MAX_RECOVERY_BYTES)) return NOT_RECOVERED;
      messages.push(message);
    }
    return { recovered: true, messages };
  }

  /** Up to `limit` of the messages after `offset`, the oldest first. */
  after(offset: number, limit: number): readonly Kept[] {
    this.#store.expire(this);
    const from = this.#indexAfter(offset);
    return this.#messages.slice(from, from + limit);
  }

  /** Offsets have no holes, so a message's place follows from its offset. */
  #indexAfter(offset: number): number {
    const first = this.offset - this.size;
    return this.#head + Math.min(Math.max(offset - first, 0), this.size);
  }

  // For the store, which counts.

  get oldest(): Kept | undefined {
    return this.#messages[this.#head];
  }

  push(message: Kept): void {
    this.#messages.push(message);
    this.#bytes += message.bytes;
    this.offset = message.offset;
  }

  shift(): void {
    this.#bytes -= this.#messages[this.#head]!.bytes;
    this.#messages[this.#head++] = GONE;
    if (this.#head < COMPACT_AT && this.#head < this.#messages.length) return;
    if (this.#head * 2 < this.#messages.length) return;
    this.#messages = this.#messages.slice(this.#head);
    this.#head = 0;
  }

  /** Called by the timer wheel: the oldest message has had its time. */
  onTimer(): void {
    this.#store.expire(this);
  }
}

const GONE = undefined as unknown as Kept;

/** How a store is set up. */
export interface HistoryStoreOptions {
  /** What all that is kept may count for, in bytes. */
  readonly maxBytes: number;
  /** Tells this run of the server from others: no offset of another run means anything here. */
  readonly boot: string;
  readonly wheel: TimerWheel;
  now(): number;
}

/** Histories that make room for each other. */
export interface Pool {
  /** Those with messages, or of which the offset alone is kept; published to longest ago first. */
  readonly stored: Map<string, History>;
  /** What these count for. */
  bytes: number;
}

function overheadOf({ name }: History): number {
  return CHANNEL_OVERHEAD_BYTES + 2 * name.length;
}

/**
 * The histories of all channels, within one bound: past it the channel that was published to longest ago
 * loses its oldest messages first. Channels to which browsers may publish have half of it among them at most.
 *
 * A channel of which all was dropped is forgotten with the last of its subscribers, its offset included. What
 * it is then given anew has another epoch, so that no old position is taken for one of it.
 */
export class HistoryStore {
  /** Messages that were dropped because of the bound: not those that had had their time. */
  dropped = 0;
  readonly #options: HistoryStoreOptions;
  readonly #byApp: Pool = { stored: new Map(), bytes: 0 };
  /** Of channels to which browsers may publish: what they do there may not cost the others more than half. */
  readonly #byClients: Pool = { stored: new Map(), bytes: 0 };
  #generation = 0;
  #maxBytes: number;

  constructor(options: HistoryStoreOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes;
  }

  /** Sets another bound of what all that is kept may count for, in bytes. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#makeRoom();
  }

  /** How many channels have one. */
  get size(): number {
    return this.#byApp.stored.size + this.#byClients.stored.size;
  }

  /** What is kept counts for. */
  get bytes(): number {
    return this.#byApp.bytes + this.#byClients.bytes;
  }

  /** A channel's history, where it was published to. */
  get(name: string): History | undefined {
    return this.#byApp.stored.get(name) ?? this.#byClients.stored.get(name);
  }

  /** The channels that have one. */
  *names(): Iterable<string> {
    yield* this.#byApp.stored.keys();
    yield* this.#byClients.stored.keys();
  }

  /**
   * A channel's history, or a new one. It is kept from its first message on.
   *
   * @param options.byClients Whether browsers may publish to the channel.
   */
  open(
    name: string,
    rule: HistoryRule,
    { byClients = false }: { readonly byClients?: boolean } = {},
  ): History {
    const epoch = `${this.#options.boot}.${this.#generation.toString(36)}`;
    const pool = byClients ? this.#byClients : this.#byApp;
    return this.get(name) ?? new History(this, { name, rule, epoch, pool });
  }

  /** Adds a message. @returns Where it stands. */
  add(
    history: History,
    data: string,
    { except, heirs = NONE, by = null }: {
      except: string | null;
      heirs?: readonly string[];
      by?: string | null;
    },
  ): Position {
    const utf8Length = Buffer.byteLength(data);
    // V8 keeps text that is not Latin-1 at two bytes a character.
    const textBytes = utf8Length === data.length ? utf8Length : data.length * 2;
    let names = (by?.length ?? 0) + 2 * (except?.length ?? 0);
    for (const heir of heirs) names += 2 * heir.length;
    const bytes = textBytes + names + MESSAGE_OVERHEAD_BYTES;
    const atMs = this.#options.now();
    const { pool } = history;
    if (pool.stored.delete(history.name)) pool.bytes -= history.bytes;
    else pool.bytes += overheadOf(history);
    history.push({ offset: history.offset + 1, data, by, except, heirs, atMs, bytes });
    while (history.size > history.rule.size) history.shift();
    pool.stored.set(history.name, history);
    pool.bytes += history.bytes;
    if (history.slot < 0) this.#schedule(history);
    this.#makeRoom();
    return history.position;
  }

  /** Lets go of what has had its time. */
  expire(history: History): void {
    const now = this.#options.now();
    const { ttlMs } = history.rule;
    for (;;) {
      const { oldest } = history;
      if (oldest === undefined || oldest.atMs + ttlMs > now) break;
      this.#drop(history);
    }
    this.#schedule(history);
  }

  /** Lets go of all of a channel's messages; its offset goes on. @returns How many there were. */
  clear(history: History): number {
    const { size } = history;
    while (history.size > 0) this.#drop(history);
    return size;
  }

  /**
   * What begins from now on has another epoch than all before: a channel that kept nothing for a while is not
   * taken for one that had nothing to keep.
   */
  endEpoch(): void {
    this.#generation++;
  }

  /**
   * Gives a history its channel's new rule: what is beyond that is let go.
   *
   * @returns `null` where the channel keeps none any more. Call {@linkcode endEpoch} before.
   */
  change(history: History, { history: rule, clientsPublish }: ChannelRule): History | null {
    if (rule === null) {
      this.#move(history, null);
      this.#options.wheel.cancel(history);
      return null;
    }
    history.rule = rule;
    this.#move(history, clientsPublish ? this.#byClients : this.#byApp);
    while (history.size > rule.size) this.#drop(history);
    this.expire(history);
    return history;
  }

  /** Takes what a history counts for out of its pool, and into another where one is given. */
  #move(history: History, pool: Pool | null): void {
    if (history.pool === pool) return;
    const { name, pool: former } = history;
    const bytes = history.bytes + overheadOf(history);
    const isStored = former.stored.delete(name);
    if (isStored) former.bytes -= bytes;
    if (pool === null) return;
    history.pool = pool;
    if (!isStored) return;
    pool.stored.set(name, history);
    pool.bytes += bytes;
  }

  /** Nobody is in the channel any more. */
  release(history: History): void {
    history.inUse = false;
    // Its offset is lost here: who knows an older one must not take it for one of its successor's.
    if (history.offset > 0 && this.get(history.name) !== history) this.#generation++;
  }

  #drop(history: History): void {
    const { bytes } = history.oldest!;
    history.shift();
    if (this.get(history.name) === history) history.pool.bytes -= bytes;
    if (history.size === 0) this.#options.wheel.cancel(history);
  }

  #schedule(history: History): void {
    const { oldest } = history;
    if (oldest === undefined) this.#options.wheel.cancel(history);
    else this.#options.wheel.schedule(history, oldest.atMs + history.rule.ttlMs);
  }

  #makeRoom(): void {
    this.#trim(this.#byClients, this.#maxBytes / 2);
    this.#trim(this.#byApp, this.#maxBytes - this.#byClients.bytes);
  }

  #trim(pool: Pool, maxBytes: number): void {
    if (pool.bytes <= maxBytes) return;
    for (const history of pool.stored.values()) {
      while (history.size > 0 && pool.bytes > maxBytes) {
        this.#drop(history);
        this.dropped++;
      }
      if (pool.bytes <= maxBytes) return;
      pool.stored.delete(history.name);
      pool.bytes -= overheadOf(history);
      if (!history.inUse) this.#generation++;
    }
  }
}
