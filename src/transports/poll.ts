import type { Close } from "../protocol/codes.ts";
import { CLOSES } from "../protocol/codes.ts";
import type { Entry } from "../hub/entry.ts";
import type { Counters } from "../hub/counters.ts";
import type { Session } from "../hub/session.ts";
import type { Transport } from "../hub/transport.ts";

/** An answer takes entries up to this size; what is left is there for the next poll. */
const MAX_ANSWER_BYTES = 128 * 1024;

/**
 * Makes the body of a poll's answer.
 *
 * @param frames What it is to hold, in order; one or more frames in each.
 * @param closing Whether the session ends with it.
 * @returns `null` where its protocol has no words for that.
 */
export type PollFormat = (frames: readonly string[], closing: boolean) => string | null;

/** How a poll is answered. */
export interface PollOptions {
  readonly kind: string;
  readonly counters: Counters;
  /** Who it counts for, where there is a limit for each address. */
  readonly addressKey?: string;
  /** Aborts when the browser goes. */
  readonly signal: AbortSignal;
  readonly format: PollFormat;
}

/** A request that is held until there is something to answer: a transport that is spent by one flush. */
export class Poll implements Transport {
  readonly kind: string;
  readonly oneShot = true;
  /** The body of the answer; `null` when there is none to give, or nobody to give it to. */
  readonly answer: Promise<string | null>;
  /** Whose it is; set by who attaches it. */
  session: Session | null = null;
  readonly #frames: string[] = [];
  readonly #counters: Counters;
  readonly #addressKey: string;
  readonly #format: PollFormat;
  readonly #signal: AbortSignal;
  #bytes = 0;
  #resolve!: (body: string | null) => void;
  #held = true;

  constructor({ kind, counters, addressKey = "", signal, format }: PollOptions) {
    this.kind = kind;
    this.#counters = counters;
    this.#addressKey = addressKey;
    this.#format = format;
    this.#signal = signal;
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    counters.enter(addressKey);
    if (signal.aborted) this.#finish(null);
    else signal.addEventListener("abort", this.#onAbort);
  }

  /** Whether it waits for its answer still. */
  get isHeld(): boolean {
    return this.#held;
  }

  get writable(): boolean {
    return this.#held && this.#bytes < MAX_ANSWER_BYTES;
  }

  write(entry: Entry): void {
    this.#bytes += entry.bytes;
    this.#frames.push(entry.text);
  }

  control(frame: string): void {
    this.#frames.push(frame);
  }

  flush(): void {
    this.#finish(this.#format(this.#frames, false));
  }

  close(close: Close, farewell: string | null): void {
    // A poll that a newer one replaced ends empty: its browser does not listen to it any more.
    if (close.code === CLOSES.replaced.code) return this.#finish("");
    if (farewell !== null) this.#frames.push(farewell);
    this.#finish(this.#format(this.#frames, true));
  }

  readonly #onAbort = () => {
    const session = this.session;
    this.#finish(null);
    session?.detach(this);
  };

  #finish(body: string | null): void {
    if (!this.#held) return;
    this.#held = false;
    this.#counters.leave(this.#addressKey);
    this.session = null;
    // Deno aborts the signal of every request in the end, those that were answered too.
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#resolve(body);
  }
}
