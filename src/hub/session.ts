import { type Close, CLOSES } from "../protocol/codes.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Channel, Group } from "./channel.ts";
import type { Counters } from "./counters.ts";
import { Entry } from "./entry.ts";
import type { Grant, TokenEnd } from "./grant.ts";
import { Outbox } from "./outbox.ts";
import type { QueuedBytes } from "./queued_bytes.ts";
import type { Timed, TimerWheel } from "./timer_wheel.ts";
import type { Transport } from "./transport.ts";

/** A reader for which too much waits for this long is slow. */
const SLOW_AFTER_MS = 1000;

/** A reader for which this many times too much waits is slow at once: memory has a bound at any time. */
const BURST_FACTOR = 8;

/**
 * A reader without a transport is between two polls, most often: it is behind where more than this waits for
 * it.
 */
const BEHIND_BYTES = 4096;

/** What a session needs of the hub that keeps it. */
export interface SessionHost {
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly bounds: SessionBounds;
  /** Counts what waits in the outboxes of all. */
  readonly queued: QueuedBytes;
  now(): number;
  /** The session has something to send: call its `flush` before the turn ends. */
  wantsFlush(session: Session): void;
  /** The session's transport takes no more: call its `flush` a little later. */
  isBlocked(session: Session): void;
  /**
   * The session takes no part any more, though its browser may have yet to be told: nothing is for it.
   *
   * @param close Why, where that is known; `null`: its browser has gone.
   */
  release(session: Session, close: Close | null): void;
  /** The session is over: release it, if that was not done before, and forget it. */
  forget(session: Session, close: Close | null): void;
}

/** Bounds and times that hold for every session. */
export interface SessionBounds {
  /**
   * Bytes that may wait for a transport. Who has more for a second is a slow reader, and so is who has eight
   * times as much at any time: its session ends.
   */
  readonly unwrittenBytes: number;
  /** Bytes kept until they are acknowledged; beyond, the oldest are let go. */
  readonly unacknowledgedBytes: number;
  /** How long a session outlives its transport. */
  readonly graceMs: number;
  /** Time between pings, and for how long a poll is held. */
  readonly pingMs: number;
}

/** Where a session came from, for those who look after the server. */
export interface About {
  readonly address: string;
  /** What the client says that it is. */
  readonly client: string | null;
  /** The time of day, in milliseconds since 1970. */
  readonly openedAtMs: number;
}

/** Where a page is from, by which it was let in. */
export interface Page {
  /** What its request said in one of the headers that decide on that. */
  get(name: string): string | null;
  /** What it knows Chloe by, where its headers do not say that. */
  readonly own: { readonly scheme?: "http" | "https"; readonly host?: string };
}

/** What makes a session of one kind differ from another. */
export interface SessionOptions {
  readonly id: string;
  readonly codec: Codec;
  readonly user?: string | null;
  /** Whom its token named, which may be another than the app did: its next token has to name the same. */
  readonly tokenUser?: string | null;
  readonly about?: About | null;
  /** The session that this one continues, though it is over: what was not for that one is not for this. */
  readonly formerId?: string | null;
  /** Who it counts for, where there is a limit for each address; `""`: nobody. */
  readonly addressKey?: string;
  /** Only watches: counts nowhere, and nobody is told of it. */
  readonly isWatcher?: boolean;
  /** How many of its events the relay accepted before it opened. */
  readonly seq?: number;
  /** How long it outlives its transport, in milliseconds; default: the hub's bound. */
  readonly graceMs?: number;
}

/**
 * One browser page, for as long as it is there: it outlives the sockets, streams and polls that carry it.
 *
 * It has at most one transport. What is for it waits in its outbox, in order, until a transport takes it,
 * and stays there until the browser says that it has it.
 */
export class Session implements Timed {
  readonly id: string;
  readonly codec: Codec;
  readonly user: string | null;
  readonly tokenUser: string | null;
  readonly about: About | null;
  readonly formerId: string | null;
  readonly isWatcher: boolean;
  readonly addressKey: string;
  readonly outbox: Outbox;
  /** The subscriptions, by channel name. */
  readonly groups = new Map<string, Group>();
  /** Its place in the channel of all. */
  all: Group | null = null;
  /** How many of its events the app's relay accepted. */
  seq: number;
  /** The id of the last command that was taken. */
  lastId = 0;
  // Used by who counts how fast its frames and commands come.
  framesFullAt = 0;
  commandsFullAt = 0;
  ended = false;
  /** Channels that it was let into for a time. */
  grants: Map<string, Grant> | null = null;
  /** Channels that the token by which it connected opens: it was put into them, where there was room. */
  tokenChannels: ReadonlySet<string> | null = null;
  /** Channels that the app put it into by itself, whatever their rules. */
  placed: Set<string> | null = null;
  /** Where its page is from: that of its last connection, where a browser said so. */
  page: Page | null = null;
  /** Which `connect` its page goes on by, of all that began. */
  connectOrder = 0;
  /** Time between pings, as its browser was told. */
  pingMs: number;
  /** Whether its next token is being checked. */
  isRefreshing = false;
  /** The end of the token by which it connected. */
  tokenEnd: TokenEnd | null = null;
  /** Channels about which somebody is being asked. */
  asking:
    | Set<
      { readonly channel: string; isCancelled: boolean; wasAdmitted: boolean; isOutdated: boolean }
    >
    | null = null;

  /** Used by the hub: the secret by which it was found the last time. */
  provenSecret: string | null = null;
  /** Used by the hub: whether it takes part still. */
  released = false;
  /** Used by the hub: whether it waits for this turn's flush, and whether it waits for room. */
  dirty = false;
  blocked = false;
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;

  readonly #host: SessionHost;
  readonly #ownGraceMs: number | null;
  #transport: Transport | null = null;
  #heardAt: number;
  #pingedAt = 0;
  /** Since when more waits than may. */
  #overSince: number | null = null;
  /** What its browser is told when it comes back, in place of going on. */
  #leaving: Close | null = null;

  constructor(host: SessionHost, options: SessionOptions) {
    this.#host = host;
    this.id = options.id;
    this.codec = options.codec;
    this.user = options.user ?? null;
    this.tokenUser = options.tokenUser ?? null;
    this.about = options.about ?? null;
    this.formerId = options.formerId ?? null;
    this.addressKey = options.addressKey ?? "";
    this.isWatcher = options.isWatcher ?? false;
    this.outbox = new Outbox(host.queued);
    this.seq = options.seq ?? 0;
    this.#ownGraceMs = options.graceMs ?? null;
    this.pingMs = host.bounds.pingMs;
    this.#heardAt = host.now();
    host.wheel.schedule(this, this.#heardAt + this.#graceMs);
  }

  get #graceMs(): number {
    return this.#ownGraceMs ?? this.#host.bounds.graceMs;
  }

  get transport(): Transport | null {
    return this.#transport;
  }

  /**
   * Gives the session a way out, in place of the one it had, and starts it at the first frame that is not
   * acknowledged. The caller writes what belongs before the frames (`connected`, `from`) and then calls
   * {@linkcode flush}.
   */
  attach(transport: Transport): void {
    this.#dropTransport(CLOSES.replaced);
    this.#transport = transport;
    this.outbox.rewind();
    // What gathered while there was none says nothing of how fast the new one is.
    this.#overSince = null;
    const now = this.#host.now();
    this.#heardAt = now;
    this.#pingedAt = 0;
    this.#host.wheel.schedule(this, now + this.pingMs);
  }

  /**
   * The transport is gone. Nothing happens where another has taken its place.
   *
   * @param graceMs Bound of the session's own grace time, in milliseconds.
   */
  detach(transport: Transport, graceMs: number = Infinity): void {
    if (this.#transport !== transport) return;
    this.#transport = null;
    const ms = Math.min(this.#graceMs, graceMs);
    if (ms === 0) this.end(null);
    else if (!this.ended) this.#host.wheel.schedule(this, this.#host.now() + ms);
  }

  /** Puts a frame of this session's own behind all that is queued. */
  send(frame: string): void {
    this.enqueue(new Entry(frame, 1));
  }

  /** Queues an entry; it leaves with this turn's flush. */
  enqueue(entry: Entry): void {
    if (this.ended) return;
    this.outbox.add(entry);
    if (!this.dirty) {
      this.dirty = true;
      this.#host.wantsFlush(this);
    }
    const bound = this.#host.bounds.unwrittenBytes;
    if (this.outbox.unwrittenBytes <= bound) return;
    this.flush();
    if (this.outbox.unwrittenBytes > bound) this.#drop(bound / 2);
    this.#judge();
  }

  /** Whether messages gather here because its browser does not take them. */
  get isBehind(): boolean {
    if (this.blocked) return true;
    return this.#transport === null && this.outbox.unwrittenBytes > BEHIND_BYTES;
  }

  /**
   * Queues the latest message of a channel in place of those that wait still.
   *
   * @param skipped How many before it were not queued at all.
   */
  replaceWaiting(group: Group, latest: Entry, skipped: number): void {
    const { dropped } = this.outbox;
    const missed = this.outbox.removeWaiting(group.channel) + skipped;
    this.#noteDropped(this.outbox.dropped - dropped + skipped);
    const gap = missed === 0 ? null : group.gap(missed);
    if (gap !== null) this.enqueue(gap);
    this.enqueue(latest);
  }

  /** Drops messages of channels whose rule allows that, until at most so many bytes wait. */
  #drop(bytes: number): void {
    const { dropped } = this.outbox;
    this.outbox.dropWaiting(bytes, (channel: Channel, missed: number) => {
      const group = this.all?.channel === channel ? this.all : this.groups.get(channel.name);
      return group?.gap(missed) ?? null;
    });
    this.#noteDropped(this.outbox.dropped - dropped);
  }

  #noteDropped(messages: number): void {
    const { counters } = this.#host;
    counters.messagesDropped += messages;
    counters.limitsHit.unwrittenBytesDropped += messages;
  }

  /**
   * Too much waits for all sessions together: drops what the rules of its channels let go, and ends where more
   * than so many bytes wait all the same.
   */
  relieve(bytes: number): void {
    if (this.ended) return;
    this.#drop(bytes);
    if (this.outbox.unwrittenBytes <= bytes) return;
    const { counters } = this.#host;
    counters.slowReaders++;
    counters.limitsHit.queuedBytesClosed++;
    this.end(CLOSES.slowReader);
  }

  /** The token by which it connected has ended: its browser may come back with another. */
  expire(): void {
    if (this.#transport === null) return;
    if (this.#graceMs === 0) return this.end(CLOSES.tokenExpired);
    this.#dropTransport(CLOSES.tokenExpired);
    this.#host.wheel.schedule(this, this.#host.now() + this.#graceMs);
  }

  /**
   * Ends the session of a slow reader. A burst makes nobody slow: within a turn no socket takes more than it
   * is handed at once, however fast its reader is.
   */
  #judge(): void {
    const { unwrittenBytes } = this.outbox;
    const bound = this.#host.bounds.unwrittenBytes;
    if (unwrittenBytes <= bound) {
      this.#overSince = null;
      return;
    }
    const now = this.#host.now();
    this.#overSince ??= now;
    if (now - this.#overSince < SLOW_AFTER_MS && unwrittenBytes <= bound * BURST_FACTOR) return;
    const { counters } = this.#host;
    counters.slowReaders++;
    counters.limitsHit.unwrittenBytesClosed++;
    this.end(CLOSES.slowReader);
  }

  /** Hands the transport what it takes now. */
  flush(): void {
    if (this.#transport === null) return;
    if (this.#leaving !== null) return this.end(this.#leaving);
    const transport = this.#transport;
    if (this.#handOver(transport) > 0) {
      transport.flush();
      if (transport.oneShot) this.detach(transport);
    }
    if (this.#overSince !== null) this.#judge();
  }

  /** Gives a transport all that it takes. @returns How many frames that was. */
  #handOver(transport: Transport): number {
    const outbox = this.outbox;
    let entry = outbox.peek();
    let written = 0;
    let bytes = 0;
    while (entry !== undefined) {
      if (!transport.writable) {
        // A poll that is full is spent: the next one takes the rest.
        if (!transport.oneShot && !this.blocked) {
          this.blocked = true;
          this.#host.isBlocked(this);
        }
        break;
      }
      written += entry.lines;
      bytes += entry.bytes;
      // First, because a write that finds the browser gone may end the session.
      outbox.advance();
      transport.write(entry);
      entry = outbox.peek();
    }
    if (written === 0) return 0;
    this.#host.counters.framesOut += written;
    this.#host.counters.bytesOut += bytes;
    if (!this.codec.acknowledged) outbox.acknowledge(outbox.handed);
    else if (outbox.unacknowledgedBytes > this.#host.bounds.unacknowledgedBytes) {
      const { counters, bounds } = this.#host;
      const trimmed = outbox.trim(bounds.unacknowledgedBytes);
      counters.limitsHit.unacknowledgedBytesTrimmed += trimmed;
    }
    return written;
  }

  /** Something came from the browser. */
  heard(): void {
    this.#heardAt = this.#host.now();
  }

  /**
   * The browser has taken `received` frames in all.
   *
   * @returns Whether that can be.
   */
  acknowledge(received: number): boolean {
    return this.outbox.acknowledge(received);
  }

  /**
   * Ends the session for good and lets go of all that it held. With `close`, its browser is told: where it is
   * between two polls, and is not to come back, that is when it does so within the grace time.
   */
  end(close: Close | null): void {
    if (this.ended) return;
    const transport = this.#transport;
    if (close !== null && !close.reconnect && transport === null && this.#graceMs > 0) {
      this.#leaving = close;
      return this.#host.release(this, close);
    }
    // A poll has one answer: what waits goes into the one that says goodbye.
    if (close !== null && transport !== null && this.#handOver(transport) > 0) {
      if (!transport.oneShot) transport.flush();
    }
    if (this.ended) return; // its browser was found gone
    this.ended = true;
    this.outbox.clear();
    this.#host.wheel.cancel(this);
    if (close !== null) this.#dropTransport(close);
    this.#transport = null;
    this.#host.forget(this, close);
  }

  /** Called by the timer wheel: ping, give up on a silent peer, end a hold, or end what nobody came back to. */
  onTimer(now: number): void {
    const transport = this.#transport;
    if (transport === null) {
      this.end(null);
    } else if (transport.oneShot) {
      transport.flush();
      this.detach(transport);
    } else if (this.codec.answersPing && this.#pingedAt > this.#heardAt) {
      this.#dropTransport(CLOSES.noAnswer);
      this.#host.wheel.schedule(this, now + this.#graceMs);
    } else {
      this.#pingedAt = now;
      this.#host.wheel.schedule(this, now + this.pingMs);
      if (this.codec.ping !== null) transport.control(this.codec.ping);
    }
  }

  #dropTransport(close: Close): void {
    const transport = this.#transport;
    if (transport === null) return;
    this.#transport = null;
    this.#host.counters.countClose(close.code);
    transport.close(close, this.codec.bye(close));
  }
}
