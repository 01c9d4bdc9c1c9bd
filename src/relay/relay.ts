/**
 * The way from Chloe to the app: each event is one POST, signed, tried again while there is hope, in order
 * within its session. docs/http-api.md is its specification.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Outcome, utf8LengthExceeds } from "../hub/commands.ts";
import type { Json } from "../protocol/frames.ts";
import { webhookSigner } from "../signing/standard_webhooks.ts";
import { errorText } from "../web/error_text.ts";
import {
  type Actions,
  parseConnectAnswer,
  parseMessageAnswer,
  parseSubscribeAnswer,
} from "./actions.ts";
import { RelayCounters } from "./counters.ts";
import { Courier } from "./courier.ts";
import {
  eventBytes,
  type EventOptions,
  type EventSource,
  type Format,
  jsonFormat,
  laneOf,
  legacyFormat,
  RelayEvent,
} from "./event.ts";
import type { LaneBounds } from "./lanes.ts";
import { type Answer, isYes } from "./post.ts";
import type { Admission, ConnectRequest, SubscribeOutcome, SubscribeRequest } from "./questions.ts";
import { realTimers, type Timers } from "./timers.ts";
import { Journal } from "./_journal.ts";

const logger = getLogger(["chloe", "relay"]);

/** What may wait for the app, and how many requests to it there may be at once: each is an open file. */
export const DEFAULT_BOUNDS: LaneBounds = {
  maxItems: 100_000,
  maxBytes: 64 * 1024 * 1024,
  maxItemsInLane: 1000,
  maxBytesInLane: 1024 * 1024,
  maxRunning: 128,
};

const DEFAULT_REPLY_BYTES = 64 * 1024;

/** What of a relay can be changed while it runs, by `configure`. */
export interface RelaySettings {
  /** Where events are posted to. */
  readonly url: string;
  /** Bound of one attempt, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number;
  /** How long after it was accepted an event may be tried again, in milliseconds. Default: 60 s. */
  readonly retryForMs?: number;
  /** `whsec_` secrets; each signs. None: events go out unsigned. */
  readonly secrets?: readonly string[];
  /** Signs in format `chloe-1`. */
  readonly legacySecret?: string | undefined;
  /** The longest `reply` in an answer that is handed on, in bytes of its JSON text. Default: 64 KiB. */
  readonly maxReplyBytes?: number;
}

/** How a relay is set up. */
export interface RelayOptions<Source extends EventSource> extends RelaySettings {
  /** Default: `json`. */
  readonly format?: "json" | "chloe-1";
  /** Tells this run of the server from others. Part of every event's id: no full stop in it. */
  readonly boot: string;
  /**
   * Does what the app asked for in its answer to `source`'s message or subscribe question: first all but
   * `disconnect`, then, once the browser has its answer, `disconnect` alone.
   *
   * @returns What could not be done and why, for the log: without the data.
   */
  act(source: Source, actions: Actions): readonly string[];
  readonly bounds?: Partial<LaneBounds>;
  /** For tests. */
  readonly timers?: Timers;
  readonly random?: () => number;
  readonly fetch?: typeof fetch;
}

/** Carries events to one app. */
export class Relay<Source extends EventSource = EventSource> {
  readonly #options: RelayOptions<Source>;
  #settings: RelaySettings;
  readonly #timers: Timers;
  #format: Format;
  readonly #courier: Courier;
  readonly #counters = new RelayCounters();
  readonly #journal: Journal;
  #events = 0;

  constructor(options: RelayOptions<Source>) {
    this.#options = options;
    this.#settings = options;
    this.#timers = options.timers ?? realTimers;
    this.#format = this.#makeFormat();
    this.#journal = new Journal(() => this.#timers.now());
    this.#courier = new Courier({
      url: options.url,
      format: this.#format,
      bounds: { ...DEFAULT_BOUNDS, ...options.bounds },
      timeoutMs: this.#timeoutMs,
      retryForMs: this.#retryForMs,
      timers: this.#timers,
      random: options.random ?? Math.random,
      counters: this.#counters,
      journal: this.#journal,
      ...(options.fetch && { fetch: options.fetch }),
    });
  }

  /**
   * Puts other settings in force: for each attempt from now on, those of events that wait included; how long
   * one is tried again was settled when it came.
   */
  configure(settings: RelaySettings): void {
    this.#settings = settings;
    this.#format = this.#makeFormat();
    this.#courier.configure({
      url: settings.url,
      format: this.#format,
      timeoutMs: this.#timeoutMs,
      retryForMs: this.#retryForMs,
    });
  }

  #makeFormat(): Format {
    const { format = "json", boot } = this.#options;
    const { secrets = [], legacySecret } = this.#settings;
    return format === "json"
      ? jsonFormat(boot, secrets.length === 0 ? null : webhookSigner(secrets))
      : legacyFormat(legacySecret);
  }

  get #timeoutMs(): number {
    return this.#settings.timeoutMs ?? 10_000;
  }

  get #retryForMs(): number {
    return this.#settings.retryForMs ?? 60_000;
  }

  /** What was counted until now. */
  get counters(): Readonly<RelayCounters> {
    const { items, bytes, running } = this.#courier.load;
    return Object.assign(new RelayCounters(), this.#counters, {
      queued: items - running,
      queuedBytes: bytes,
      inFlight: running,
    });
  }

  /**
   * Queues a `message` event behind the session's earlier ones. `done` is called once, after this returns:
   * at the latest when the time for retries is over and the last attempt has ended.
   *
   * @param data JSON text on one line.
   */
  message(source: Source, data: string, done: (outcome: Outcome) => void): void {
    const refusal = this.#push(source, {
      type: "message",
      aim: "message",
      payload: data,
      retryForMs: this.#retryForMs,
      done: (answer) => this.#messageDone(source, answer, done),
    });
    if (refusal !== null) queueMicrotask(() => done({ ok: false, code: refusal }));
  }

  /**
   * Asks the app whether a session may open, as the first of its events. As a browser waits for it, the
   * question is tried again for no longer than one attempt may take. Never rejects.
   *
   * Format `chloe-1` cannot ask: the answer is then no.
   */
  connect(source: Source, request: ConnectRequest): Promise<Admission> {
    if (!this.#format.isTyped) return Promise.resolve({ ok: false, code: "connect_refused" });
    return new Promise((resolve) => {
      const { origin, address, client, headers } = request;
      const refusal = this.#push(source, {
        type: "connect",
        aim: "question",
        payload: members({ origin, address, client, headers }),
        retryForMs: this.#questionMs,
        done: (answer) => resolve(this.#admission(answer)),
      });
      if (refusal !== null) resolve({ ok: false, code: refusal });
    });
  }

  /**
   * Asks the app whether a session may be in a channel, behind the session's earlier events. `done` is called
   * once, after this returns; what else the answer asks for is done after a yes, so that the session has to
   * be in the channel when `done` returns. Tried again for no longer than {@linkcode connect}'s question.
   *
   * Format `chloe-1` cannot ask: the answer is then no.
   */
  subscribe(
    source: Source,
    { channel, info }: SubscribeRequest,
    done: (outcome: SubscribeOutcome) => void,
  ): void {
    const refusal = !this.#format.isTyped ? "forbidden" : this.#push(source, {
      type: "subscribe",
      aim: "question",
      payload: `${members({ channel })}${info === undefined ? "" : `,"info":${info}`},"ask":true`,
      retryForMs: this.#questionMs,
      done: (answer) => this.#subscribeDone(source, answer, done),
    });
    if (refusal !== null) queueMicrotask(() => done({ ok: false, code: refusal }));
  }

  /**
   * Tells the app what became of a session, behind the session's earlier events. Nobody waits for the answer,
   * and what it asks for is not done. A `subscribe` that is told bears `"ask":false`.
   *
   * There is twice the room for it that there is for what can be refused; a `disconnect` may be beyond its
   * lane's bounds. Where there is none, or after {@linkcode close}, it is given up at once: `seq` is raised
   * all the same, and `givenUp` counts it.
   *
   * In format `chloe-1` nothing can be told, and nothing happens.
   */
  tell(
    source: Source,
    type: "subscribe" | "unsubscribe" | "disconnect",
    more: Readonly<Record<string, Json>>,
  ): void {
    this.#tell(source, { type, more: type === "subscribe" ? { ...more, ask: false } : more });
  }

  /**
   * Tells the app that somebody came into a channel that was empty, or that nobody is left: each behind what
   * was told of that channel before. Bounded and given up as by {@linkcode tell}, but that no `seq` shows it.
   */
  tellOfChannel(type: "channel_occupied" | "channel_vacated", channel: string): void {
    this.#tell(laneOf("channel", channel), { type, more: { channel } });
  }

  /**
   * Tells the app that the server ran before, as `previousBoot`, and that all sessions of that run are over.
   * Never rejects.
   *
   * @returns Whether that is settled: `false` where it was given up, for the time being. An app that refuses it
   * for good does not want to know, and one of format `chloe-1` cannot be told: that is settled, too.
   */
  restarted(previousBoot: string): Promise<boolean> {
    return new Promise((resolve) => {
      const more = { previous_boot: previousBoot };
      this.#tell(laneOf("boot", ""), { type: "restarted", more }, (answer) => {
        resolve(answer !== null);
      });
      if (!this.#format.isTyped) resolve(true);
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  drain(): Promise<void> {
    return this.#courier.drain();
  }

  /** Gives up what is left, each event with its answer, and takes nothing more. */
  close(): void {
    this.#courier.close();
  }

  /** For how long a question is tried again, in milliseconds. */
  get #questionMs(): number {
    return Math.min(this.#retryForMs, this.#timeoutMs);
  }

  /** Takes an event, or says why its sender has to be refused. */
  #push(source: Source, { retryForMs, ...event }: {
    type: EventOptions["type"];
    aim: "message" | "question";
    payload: string;
    retryForMs: number;
    done: (answer: Answer | null) => void;
  }): "busy" | "shutting_down" | null {
    if (this.#courier.closed) return "shutting_down";
    if (!this.#courier.hasRoom(source.id, eventBytes(event.payload))) {
      this.#counters.busy++;
      this.#journal.busy(this.#courier.load.items);
      return "busy";
    }
    this.#courier.carry(this.#event(source, event, retryForMs));
    return null;
  }

  #tell(
    from: Source | string,
    { type, more }: { type: EventOptions["type"]; more: Readonly<Record<string, Json>> },
    done: (answer: Answer | null) => void = () => {},
  ): void {
    if (!this.#format.isTyped) return;
    this.#counters.told++;
    this.#courier.carryIfPossible(
      this.#event(from, { type, aim: "told", payload: members(more), done }, this.#retryForMs),
    );
  }

  #event(
    from: Source | string,
    options: Pick<EventOptions, "type" | "aim" | "payload" | "done">,
    retryForMs: number,
  ): RelayEvent {
    const atMs = this.#timers.now();
    this.#counters.accepted++;
    return new RelayEvent(from, {
      ...options,
      id: `evt_${this.#options.boot}_${(++this.#events).toString(36)}`,
      atMs,
      untilMs: atMs + retryForMs,
    });
  }

  #messageDone(source: Source, answer: Answer | null, done: (outcome: Outcome) => void): void {
    if (answer === null) return done({ ok: false, code: this.#givenUpCode() });
    if (!isYes(answer)) return done({ ok: false, code: "app_refused" });
    this.#noteCut(answer);
    if (answer.json === undefined || !this.#format.isTyped) return done({ ok: true });

    const { reply, actions: { disconnect, ...actions }, problems } = parseMessageAnswer(
      answer.json,
    );
    this.#noteBad(problems);
    this.#act(source, actions);
    const { maxReplyBytes = DEFAULT_REPLY_BYTES } = this.#settings;
    if (reply === undefined) done({ ok: true });
    else if (!utf8LengthExceeds(reply, maxReplyBytes)) done({ ok: true, data: reply });
    else {
      this.#noteBad([`reply: is over ${maxReplyBytes} bytes`]);
      done({ ok: true });
    }
    // After the reply: nothing reaches a session that has ended.
    if (disconnect !== undefined) this.#act(source, { disconnect });
  }

  #subscribeDone(
    source: Source,
    answer: Answer | null,
    done: (outcome: SubscribeOutcome) => void,
  ): void {
    if (answer === null) return done({ ok: false, code: this.#givenUpCode() });
    if (!isYes(answer)) return done({ ok: false, code: "forbidden" });
    this.#noteCut(answer);
    // Half an answer may have been cut before it said what is to be shown.
    if (answer.cut !== undefined) return done({ ok: false, code: "forbidden" });
    if (answer.json === undefined) return done({ ok: true });
    const understood = parseSubscribeAnswer(answer.json);
    if (typeof understood === "string") {
      this.#noteBad([understood]);
      return done({ ok: false, code: "forbidden" });
    }
    const { info, actions: { disconnect, ...actions }, problems } = understood;
    this.#noteBad(problems);
    // First the yes: who subscribes hears what the same answer sends to the channel.
    done({ ok: true, ...(info !== undefined && { info }) });
    this.#act(source, actions);
    if (disconnect !== undefined) this.#act(source, { disconnect });
  }

  #act(source: Source, actions: Actions): void {
    if (Object.keys(actions).length === 0) return;
    try {
      this.#noteBad(this.#options.act(source, actions));
    } catch (error) {
      logger.error("Cannot do what the app's answer asks for: {error}", {
        error: errorText(error),
      });
    }
  }

  #admission(answer: Answer | null): Admission {
    if (answer === null) return { ok: false, code: this.#givenUpCode() };
    if (!isYes(answer)) return { ok: false, code: "connect_refused" };
    this.#noteCut(answer);
    // Half an answer may have been cut before it said who this is.
    if (answer.cut !== undefined) return { ok: false, code: "connect_refused" };
    if (answer.json === undefined) return { ok: true };
    const admission = parseConnectAnswer(answer.json);
    if (typeof admission !== "string") return { ok: true, ...admission };
    this.#noteBad([admission]);
    return { ok: false, code: "connect_refused" };
  }

  #givenUpCode(): "shutting_down" | "app_unreachable" {
    return this.#courier.closed ? "shutting_down" : "app_unreachable";
  }

  #noteBad(problems: readonly string[]): void {
    if (problems.length === 0) return;
    this.#counters.actionsBad += problems.length;
    this.#journal.bad(problems);
  }

  #noteCut({ cut }: Answer): void {
    if (cut === undefined) return;
    this.#counters.answersCut++;
    this.#journal.cut(cut);
  }
}

/** The members of an object as JSON text, without its braces. */
function members(object: Readonly<Record<string, Json>>): string {
  return JSON.stringify(object).slice(1, -1);
}
