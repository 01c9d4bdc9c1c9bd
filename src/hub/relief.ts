import type { Counters } from "./counters.ts";
import type { QueuedBytes } from "./queued_bytes.ts";
import type { Session, SessionBounds } from "./session.ts";

/** Room is made down to this share of the bound, so that it is not looked for again with each message. */
const LOW_WATER = 7 / 8;

/** Where too little room could be made, it is looked for again after this time. */
const AGAIN_MS = 100;

/** What is kept of each session for a resume, as shares of its own bound: the next where one is not enough. */
const KEPT_SHARES = [1 / 4, 1 / 16, 0];

/**
 * A reader for which more waits than this share of its own bound, or of that of all, may be ended for the sake
 * of the others.
 */
const SLOW_SHARE = 1 / 8;
const SLOW_SHARE_OF_ALL = 1 / 64;

/** What relief is made of. */
export interface ReliefOptions {
  readonly queued: QueuedBytes;
  /** What may be queued in all, in bytes. */
  maxBytes: number;
  bounds: SessionBounds;
  readonly counters: Counters;
  /** Those that hold it. */
  readonly sessions: ReadonlyMap<string, Session>;
  now(): number;
  /** Hands to the transports all that they take. */
  flush(): void;
}

/**
 * Keeps what is queued for all sessions within one bound. Past it, what was delivered and not acknowledged is
 * let go first, from those for whom most is kept; then readers that lag end, those that hold most alone first.
 * What is left then is little for each of many, and no new message is taken until they have read some of it.
 */
export class Relief {
  readonly #options: ReliefOptions;
  #nextAt = -Infinity;
  #isMaking = false;

  constructor(options: ReliefOptions) {
    this.#options = options;
  }

  /** Puts other bounds in force: what is queued is looked at with the next message. */
  configure({ maxBytes, bounds }: Pick<ReliefOptions, "maxBytes" | "bounds">): void {
    this.#options.maxBytes = maxBytes;
    this.#options.bounds = bounds;
  }

  /** Whether there is room for another message, where need be after it was made. */
  hasRoom(): boolean {
    const { queued, maxBytes } = this.#options;
    return queued.bytes <= maxBytes || this.#makeRoom();
  }

  #makeRoom(): boolean {
    const { queued, maxBytes, now, flush } = this.#options;
    if (this.#isMaking || now() < this.#nextAt) return false;
    this.#isMaking = true;
    try {
      flush();
      if (!this.#isEased && !this.#trim()) this.#endSlow();
    } finally {
      this.#isMaking = false;
      if (!this.#isEased) this.#nextAt = now() + AGAIN_MS;
    }
    return queued.bytes <= maxBytes;
  }

  get #isEased(): boolean {
    const { queued, maxBytes } = this.#options;
    return queued.bytes <= maxBytes * LOW_WATER;
  }

  /** @returns Whether that is enough. */
  #trim(): boolean {
    const { sessions, bounds, counters } = this.#options;
    for (const share of KEPT_SHARES) {
      for (const { outbox } of sessions.values()) {
        counters.limitsHit.queuedBytesTrimmed += outbox.trim(bounds.unacknowledgedBytes * share);
        if (this.#isEased) return true;
      }
    }
    return false;
  }

  #endSlow(): void {
    const { sessions, bounds, maxBytes } = this.#options;
    const mayWait = Math.min(bounds.unwrittenBytes * SLOW_SHARE, maxBytes * SLOW_SHARE_OF_ALL);
    const slow: { readonly session: Session; readonly bytes: number }[] = [];
    for (const session of sessions.values()) {
      const { outbox } = session;
      if (outbox.unwrittenBytes > mayWait) slow.push({ session, bytes: outbox.ownBytes });
    }
    slow.sort((a, b) => b.bytes - a.bytes);
    for (const { session } of slow) {
      if (this.#isEased) return;
      session.relieve(mayWait);
    }
  }
}
