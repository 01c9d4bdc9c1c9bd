import { getLogger } from "@logtape/logtape";
import { errorText } from "../web/error_text.ts";
import { backoffMs, MAX_ATTEMPTS } from "./backoff.ts";
import type { RelayCounters, RequestResult } from "./counters.ts";
import type { Format, RelayEvent } from "./event.ts";
import type { Journal } from "./_journal.ts";
import { type LaneBounds, Lanes } from "./lanes.ts";
import { type Answer, isYes, Poster } from "./post.ts";
import type { TimerId, Timers } from "./timers.ts";

const logger = getLogger(["chloe", "relay"]);

/** What a browser sends is refused at the bounds, so what the app is told has this many times the room. */
const TOLD_ROOM = 2;

/** A session's last event is one, and the most important: there is room for it where there is none for others. */
const DISCONNECT_ROOM = 3;

/**
 * What may wait to be told of channels. Each channel has a lane of its own and browsers choose the names, so
 * that without a bound one browser could take the room of all sessions.
 */
const MAX_CHANNEL_EVENTS = 10_000;

/** How events are carried. */
export interface CourierOptions {
  readonly url: string;
  readonly format: Format;
  readonly bounds: LaneBounds;
  /** Bound of one attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** What the pauses between attempts add up to, in milliseconds. */
  readonly retryForMs: number;
  readonly timers: Timers;
  /** A number from 0 to 1. */
  readonly random: () => number;
  readonly counters: RelayCounters;
  readonly journal: Journal;
  readonly fetch?: typeof fetch;
}

/** Brings events to the app: in order within each lane, tried again while there is hope. */
export class Courier {
  #options: CourierOptions;
  readonly #poster: Poster;
  readonly #lanes: Lanes<RelayEvent>;
  readonly #pauses = new Map<RelayEvent, TimerId>();
  readonly #drained: (() => void)[] = [];
  #channelEvents = 0;
  #closed = false;

  constructor(options: CourierOptions) {
    this.#options = options;
    const { url, timeoutMs, bounds, timers } = options;
    this.#poster = new Poster({
      url,
      timeoutMs,
      maxConnections: bounds.maxRunning,
      timers,
      ...(options.fetch && { fetch: options.fetch }),
    });
    this.#lanes = new Lanes(bounds, (event) => void this.#attempt(event));
  }

  /** Carries what is attempted from now on in another way. */
  configure(
    settings: Pick<CourierOptions, "url" | "format" | "timeoutMs" | "retryForMs">,
  ): void {
    this.#options = { ...this.#options, ...settings };
    this.#poster.configure(settings);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How much there is to carry, the requests under way included. */
  get load(): { readonly items: number; readonly bytes: number; readonly running: number } {
    return this.#lanes;
  }

  /** Whether there is room in a lane for `bytes` that can be refused. */
  hasRoom(lane: string, bytes: number): boolean {
    return this.#lanes.hasRoom(lane, bytes);
  }

  /** Takes an event, whether there is room or not. */
  carry(event: RelayEvent): void {
    this.#lanes.push(event);
  }

  /** Takes an event that nobody can be refused; gives it up where too much waits, or after `close`. */
  carryIfPossible(event: RelayEvent): void {
    // A browser can make its own lane long, by subscribing and unsubscribing: the bound of a lane keeps the
    // room of the others.
    const hasRoom = event.type === "disconnect"
      ? this.#lanes.hasRoomInAll(event.bytes, DISCONNECT_ROOM)
      : this.#lanes.hasRoom(event.lane, event.bytes, TOLD_ROOM) &&
        !(isOfChannel(event) && this.#channelEvents >= MAX_CHANNEL_EVENTS);
    if (!hasRoom) return this.#report(event, null);
    if (isOfChannel(event)) this.#channelEvents++;
    this.#lanes.push(event);
  }

  /** Resolves when nothing waits and nothing is under way. */
  drain(): Promise<void> {
    if (this.#lanes.items === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Gives up what is left, each event with its answer, and whatever comes later. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const [event, pause] of this.#pauses) {
      this.#options.timers.clearTimeout(pause);
      this.#lanes.unpark(event);
    }
    this.#pauses.clear();
    this.#poster.close();
  }

  /** Runs an event whose turn it is. */
  async #attempt(event: RelayEvent): Promise<void> {
    const { format, timers, timeoutMs, retryForMs, random, counters, journal } = this.#options;
    const startMs = timers.now();
    // Where an app is slow or gone, what waited for too long is not tried any more: each attempt could take
    // as long as the last. Without retries an event may wait for its first attempt all the same.
    const lastStartMs = event.attempts === 0
      ? Math.max(event.untilMs, event.atMs + timeoutMs)
      : event.untilMs;
    if (this.#closed || startMs > lastStartMs) return this.#finish(event, null);

    if (event.attempts++ > 0) counters.retried++;
    const body = format.body(event);
    const answer = await this.#poster.post(format.headers(event, body, startMs), body);
    if (logger.isEnabledFor("debug")) {
      logger.debug("The app answered {status} to {id}", { status: answer.status, id: event.id });
    }
    const nowMs = timers.now();
    counters.requests[resultOf(answer)]++;
    // By the time of day, which may be set back.
    counters.requestSeconds.add(Math.max(nowMs - startMs, 0) / 1000);
    if (!isWorthRetrying(event, answer)) return this.#finish(event, answer);

    if (!this.#closed) journal.trouble(answer, this.#lanes.items);
    const pauseMs = event.attempts < MAX_ATTEMPTS
      ? Math.max(backoffMs(event.attempts, retryForMs, random()), answer.retryAfterMs ?? 0)
      : Infinity;
    if (this.#closed || nowMs + pauseMs > event.untilMs) return this.#finish(event, null);
    this.#pauses.set(
      event,
      timers.setTimeout(() => {
        this.#pauses.delete(event);
        this.#lanes.unpark(event);
      }, pauseMs),
    );
    this.#lanes.park(event);
  }

  /** Ends an event that stood in its lane: the next one's turn comes. */
  #finish(event: RelayEvent, answer: Answer | null): void {
    if (isOfChannel(event)) this.#channelEvents--;
    this.#report(event, answer);
    this.#lanes.finish(event);
    if (this.#lanes.items > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Says how an event ended. Whatever its listener does, this returns. */
  #report(event: RelayEvent, answer: Answer | null): void {
    const { counters, journal } = this.#options;
    if (answer === null) {
      counters.givenUp++;
      if (!this.#closed) journal.gaveUp(event);
    } else {
      if (isYes(answer)) counters.answered++;
      else counters.refused++;
      journal.answer(event, answer);
    }
    try {
      event.done(answer);
    } catch (error) {
      logger.error("Cannot act on the app's answer: {error}", { error: errorText(error) });
    }
  }
}

/** No answer, or one that says that another time may be better. */
function isWorthRetrying({ type, aim }: RelayEvent, { status, cut }: Answer): boolean {
  // An app without a handler for it says so by 501, and is told of every boot: no other time is better.
  if (status === 501 && type === "restarted") return false;
  if (isTrouble(status)) return true;
  // A question may be asked twice; a message that the app took must not be sent again.
  return aim === "question" && cut === "broken_off";
}

/** Whether an answer, or none, says that another time may be better. */
function isTrouble(status: number): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

/** How a request ended, for those who count. */
function resultOf({ status, isLate }: Answer): RequestResult {
  if (status === 0) return isLate ? "timeout" : "unreachable";
  if (isTrouble(status)) return "failed";
  return isYes({ status }) ? "ok" : "refused";
}

function isOfChannel({ type }: RelayEvent): boolean {
  return type === "channel_occupied" || type === "channel_vacated";
}
