import type { Connected, ServerFrame } from "../../src/protocol/frames.ts";
import { type Carrier, openCarrier, type TransportName } from "../support/carriers.ts";
import type { Random } from "../support/random.ts";
import type { Address } from "../support/server.ts";
import type { Moments } from "./moments.ts";
import { type Ledger, Reading, type Tally } from "./recovery_churn_ledger.ts";

/** Moments that a connection lasts at most. */
const LIFETIME = 600;
/** Moments without one: within the session's grace time, most often, or well beyond it. */
const SHORT_ABSENCE = 60;
const LONG_ABSENCE = { least: 600, more: 500 };
/** Connections that are left open and unread at a time. */
const MAX_ABANDONED = 2;

/** Three in four are sockets. */
const KINDS: readonly TransportName[] = [
  ...["websocket", "websocket", "websocket", "websocket", "websocket", "websocket"] as const,
  ...["events", "poll"] as const,
];

/** How a connection may end that nobody dropped: another took its place, or its session went meanwhile. */
const FAIR_ENDS = new Set([3501, 409, 404]);

/** What a page is made with. */
export interface ChurningOptions {
  readonly address: Address;
  readonly random: Random;
  /** One for each message that was published. When these are over, every page comes back and stays. */
  readonly moments: Moments;
  readonly ledger: Ledger;
  readonly tally: Tally;
  readonly channels: readonly string[];
}

/**
 * A page that keeps losing its connection, and comes back: soon, late, or as one that does not know any more
 * which session it had. Whatever it is told is held against the ledger.
 */
export class ChurningClient {
  session = "";
  /** What should never be: each is a failure of the server. */
  readonly faults: string[] = [];
  /** Resolves when the page stays, and has all that was published. */
  readonly completed: Promise<void>;
  readonly #options: ChurningOptions;
  readonly #reading: Reading;
  readonly #carriers = new Set<Carrier>();
  readonly #abandoned: Carrier[] = [];
  readonly #stopped = Promise.withResolvers<void>();
  readonly #complete: () => void;
  #over = false;
  #secret = "";
  /** The secret that the next `connect` shows: the own, one that never was, or none. */
  #shown: string | null = null;
  #received = 0;
  #position = NaN;
  /** Whether Chloe said goodbye on the connection that is in use. */
  #goesFairly = false;
  #carrier: Carrier | null = null;

  constructor(options: ChurningOptions) {
    this.#options = options;
    this.#reading = new Reading(options.ledger, options.tally);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.completed = promise;
    this.#complete = resolve;
  }

  /** Begins the first session. */
  async begin(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<Connected>();
    const subscribe = Object.fromEntries(this.#options.channels.map((channel) => [channel, {}]));
    const carrier = await openCarrier("websocket", {
      address: this.#options.address,
      headers: {},
      connect: JSON.stringify({ connect: { subscribe } }),
      received: () => 0,
      take: (line) => resolve((JSON.parse(line) as { connected: Connected }).connected),
    });
    const { session, resume, subscribed } = await promise;
    carrier.cut();
    await carrier.ended;
    this.session = session;
    this.#shown = this.#secret = resume;
    this.#reading.start(session, subscribed);
  }

  /** Loses its connection again and again, until {@linkcode stop}. */
  async run(): Promise<void> {
    try {
      while (!this.#over) {
        await this.#ride();
        if (!this.#options.moments.isOver) await this.#stayAway();
      }
    } catch (error) {
      this.#fault(error);
    }
    for (const carrier of this.#carriers) {
      carrier.cut();
      await carrier.ended;
      await carrier.close();
    }
  }

  /** Lets go of all connections. */
  stop(): void {
    this.#over = true;
    this.#stopped.resolve();
  }

  /** No more is going to be published. */
  look(): void {
    if (this.#options.moments.isOver && this.#reading.isComplete) this.#complete();
  }

  async #ride(): Promise<void> {
    const { random, moments } = this.#options;
    this.#position = NaN;
    this.#goesFairly = false;
    const isShort = random.chance(0.1);
    const shown = this.#shown;
    const carrier: Carrier = await openCarrier(random.pick(KINDS), {
      address: this.#options.address,
      headers: {},
      connect: JSON.stringify({
        connect: {
          ...(shown !== null && { resume: shown, received: this.#received }),
          subscribe: this.#reading.positions,
        },
      }),
      received: () => this.#received,
      take: (line) => this.#take(line, shown),
    });
    this.#carriers.add(carrier);
    this.#carrier = carrier;
    const ended = carrier.ended.then(({ code, text }) => {
      if (this.#carrier !== carrier) return;
      this.#carrier = null;
      if (this.#goesFairly || FAIR_ENDS.has(code)) return;
      this.#fault(`a connection ended by itself: ${code} ${text}`);
    });
    const lifetime = isShort ? 0 : random.below(LIFETIME);
    await Promise.race([ended, moments.after(lifetime)]);
    if (moments.isOver) await Promise.race([ended, this.#stopped.promise]);
    this.#leave(carrier);
  }

  #leave(carrier: Carrier): void {
    this.#carrier = null;
    carrier.deafen();
    if (this.#over || this.#options.random.chance(0.8)) return carrier.cut();
    // Left open and unread; the server finds out by itself.
    this.#abandoned.push(carrier);
    if (this.#abandoned.length > MAX_ABANDONED) this.#abandoned.shift()!.cut();
  }

  async #stayAway(): Promise<void> {
    const { random, moments } = this.#options;
    this.#shown = this.#secret;
    const choice = random.next();
    if (choice < 0.4) return await moments.after(random.below(SHORT_ABSENCE));
    if (choice < 0.65) {
      this.#shown = choice < 0.6 ? null : `${this.#secret.slice(0, -1)}~`;
      return await moments.after(random.below(SHORT_ABSENCE * 3));
    }
    await moments.after(LONG_ABSENCE.least + random.below(LONG_ABSENCE.more));
  }

  #take(line: string, shown: string | null): void {
    try {
      this.#takeFrame(JSON.parse(line) as ServerFrame, shown);
    } catch (error) {
      this.#fault(error);
    }
    this.look();
  }

  #takeFrame(frame: ServerFrame, shown: string | null): void {
    if ("connected" in frame) return this.#connected(frame.connected, shown);
    if ("from" in frame) {
      if (frame.from > this.#received) this.#fault(`lost: ${this.#received} to ${frame.from}`);
      this.#position = frame.from;
      return;
    }
    if ("bye" in frame) {
      if (frame.bye.code !== 3501) this.#fault(JSON.stringify(frame));
      // One that was given up came late: the end that follows is fair, of a stream too, which has no code.
      this.#goesFairly = true;
      return;
    }
    if (Object.keys(frame).length === 0) return this.#acknowledge();
    this.#position++;
    if (this.#position <= this.#received) return;
    this.#received = this.#position;
    if (!("data" in frame) || frame.channel === undefined || frame.offset === undefined) {
      return this.#fault(`unasked: ${JSON.stringify(frame)}`);
    }
    this.#reading.take(frame.channel, frame.offset, frame.data);
    if (this.#options.random.chance(0.02)) this.#acknowledge();
  }

  #connected(
    { session, resume, resumed, from, subscribed }: Connected,
    shown: string | null,
  ): void {
    if (resumed) {
      this.#options.tally.resumes++;
      if (session !== this.session) this.#fault(`resumed ${session} in place of ${this.session}`);
      if (from > this.#received) this.#fault(`lost: ${this.#received} to ${from}`);
    } else {
      this.#received = from;
      const former = shown === this.#secret ? this.session : null;
      this.#reading.startAnew(session, former, subscribed);
      this.session = session;
      this.#secret = resume;
    }
    this.#shown = this.#secret;
    this.#position = from;
  }

  #acknowledge(): void {
    this.#carrier?.send(JSON.stringify({ received: this.#received }));
  }

  #fault(what: unknown): void {
    this.faults.push(what instanceof Error ? what.message : String(what));
    this.#complete(); // there is nothing more to wait for
  }
}
