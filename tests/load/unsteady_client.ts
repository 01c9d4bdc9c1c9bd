import type { ServerFrame } from "../../src/protocol/frames.ts";
import { events } from "../support/carriers.ts";
import { type Exchange, request } from "../support/http.ts";
import type { Random } from "../support/random.ts";
import type { Address } from "../support/server.ts";
import { LeanSocket } from "./lean_socket.ts";
import type { Moments } from "./moments.ts";

/** How long a transport lasts at most, in moments for each session of the test. */
const LIFETIME = 120;
/** How long a client is without one, now and then. */
const OFFLINE = 10;
/** Transports that a client leaves open and unread at a time. */
const MAX_ABANDONED = 2;

/** A transport while it is listened to. */
interface Ride {
  /** The number of the last frame that came on it. */
  position: number;
  /** Resolved when the client turns away. */
  readonly left: Promise<void>;
  deaf: boolean;
  /** How the client drops it. */
  cut(): void;
  /** Sends lines on the same connection, where it takes any. */
  send: ((lines: string) => void) | null;
}

/** What an unsteady client is made with. */
export interface UnsteadyOptions {
  readonly address: Address;
  readonly random: Random;
  /** Ticks once for each frame that any client takes. */
  readonly moments: Moments;
  /** How many clients share them. */
  readonly clients: number;
  /** Called with each frame that is taken, once, in order. */
  onFrame(frame: ServerFrame): void;
}

/**
 * A client that does what docs/protocol.md asks of one, on a network that does all it can against it: its
 * transports are cut, replaced, left unread, overtake each other, and it goes from one kind to the next.
 */
export class UnsteadyClient {
  session = "";
  /** What should never be: each is a failure of the server. */
  readonly faults: string[] = [];
  readonly #options: UnsteadyOptions;
  #secret = "";
  #received = 0;
  #acknowledged = 0;
  #lastId = 0;
  /** Up to here the server is known to have taken the commands. */
  #delivered = 0;
  readonly #unanswered = new Map<number, string>();
  #ride: Ride | null = null;
  /** The up requests that are under way, one after the other. */
  #sendingUp: Promise<void> | null = null;
  readonly #exchanges = new Set<Exchange>();
  #abandoned: (() => void)[] = [];
  #over = false;

  constructor(options: UnsteadyOptions) {
    this.#options = options;
  }

  /** How many commands have no answer yet. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** Begins the session. */
  async begin(channel: string): Promise<void> {
    const socket = await LeanSocket.open(this.#options.address);
    socket.send(JSON.stringify({ connect: { subscribe: { [channel]: {} } } }));
    const { connected } = JSON.parse(await socket.receive() ?? "{}");
    this.session = connected.session;
    this.#secret = connected.resume;
    socket.drop();
  }

  /** Goes from transport to transport until {@linkcode stop}. */
  async run(): Promise<void> {
    const { random, moments, clients } = this.#options;
    while (!this.#over && this.faults.length === 0) {
      const ride = random.pick([this.#overWebSocket, this.#overEvents, this.#overPolls]);
      await ride.call(this).catch((error) => this.#fault(error));
      if (random.chance(0.1) && !moments.isOver) {
        await moments.after(random.below(OFFLINE * clients));
      }
    }
    await this.#sendingUp;
  }

  /** Lets go of all connections. */
  stop(): void {
    this.#over = true;
    this.#ride?.cut();
    for (const cut of this.#abandoned) cut();
    for (const exchange of this.#exchanges) exchange.cut();
  }

  /** Sends a command, as often as is needed. @returns Its id. */
  command(command: Readonly<Record<string, unknown>>): number {
    const id = ++this.#lastId;
    this.#unanswered.set(id, JSON.stringify({ id, ...command }));
    this.#deliver();
    return id;
  }

  get #resume(): string {
    this.#acknowledged = this.#received;
    return JSON.stringify({ resume: this.#secret, received: this.#received });
  }

  get #connect(): string {
    return `{"connect":${this.#resume}}`;
  }

  #begin(cut: () => void): Ride {
    const { random, moments, clients } = this.#options;
    const lifetime = random.chance(0.1) ? random.below(clients) : random.below(LIFETIME * clients);
    const ride: Ride = {
      position: NaN,
      deaf: false,
      left: moments.after(this.#over ? 0 : lifetime).then(() => this.#leave(ride)),
      cut,
      send: null,
    };
    return this.#ride = ride;
  }

  #leave(ride: Ride): void {
    if (ride.deaf) return;
    ride.deaf = true;
    // After the end nobody is left to let go of what was abandoned.
    if (this.#over || this.#options.random.chance(0.7)) return ride.cut();
    // Left open and unread; the server finds out by itself.
    this.#abandoned.push(ride.cut);
    if (this.#abandoned.length > MAX_ABANDONED) this.#abandoned.shift()!();
  }

  async #overWebSocket(): Promise<void> {
    const socket = await LeanSocket.open(this.#options.address);
    const ride = this.#begin(() => socket.drop());
    socket.send(this.#connect);
    ride.send = (lines) => socket.send(lines);
    const listen = async () => {
      for (;;) {
        const message = await socket.receive();
        if (message === null || ride.deaf) return;
        for (const line of message.split("\n")) this.#take(line, ride);
        this.#acknowledge();
      }
    };
    await Promise.race([listen(), ride.left]);
    this.#leave(ride);
  }

  async #overEvents(): Promise<void> {
    const stream = await this.#post("/chloe/events", this.#connect);
    const ride = this.#begin(() => stream.cut());
    const listen = async () => {
      await this.#expect(stream, 200);
      for await (const { data } of events(stream)) {
        if (ride.deaf) return;
        for (const line of data.split("\n")) this.#take(line, ride);
        this.#acknowledge();
      }
    };
    await Promise.race([this.#listening(listen, ride), ride.left]);
    this.#leave(ride);
  }

  async #overPolls(): Promise<void> {
    const { random } = this.#options;
    const polls = new Set<Exchange>();
    let isTaken = true;
    const ride = this.#begin(() => {
      for (const poll of polls) poll.cut();
    });
    const poll = async (body: string) => {
      const exchange = await this.#post("/chloe/poll", body);
      if (ride.deaf) return exchange.cut();
      polls.add(exchange);
      // Each answer counts for itself: one that crosses a later poll does no harm.
      const answer: Ride = { ...ride, position: NaN };
      // A transport that was given up has come late and taken the session: `connect` takes it back.
      const { status } = await exchange.head();
      isTaken = status === 409;
      if (isTaken) return exchange.cut();
      await this.#expect(exchange, 200);
      const text = await exchange.text();
      polls.delete(exchange);
      if (ride.deaf || text === "") return;
      for (const line of text.split("\n")) this.#take(line, answer);
    };
    const listen = async () => {
      while (!ride.deaf) {
        if (isTaken) await poll(this.#connect);
        else if (random.chance(0.1)) await Promise.all([poll(this.#resume), poll(this.#resume)]);
        else await poll(this.#resume);
        this.#acknowledge();
      }
    };
    this.#deliver();
    await Promise.race([this.#listening(listen, ride), ride.left]);
    this.#leave(ride);
  }

  /** What goes wrong on a transport that was left is nothing to wonder at. */
  async #listening(listen: () => Promise<void>, ride: Ride): Promise<void> {
    try {
      await listen();
    } catch (error) {
      if (!ride.deaf && !this.#over) throw error;
    }
  }

  #take(line: string, ride: Ride): void {
    const frame: ServerFrame = JSON.parse(line);
    if ("connected" in frame) {
      const { resumed, from, lastId } = frame.connected;
      if (!resumed) this.#fault("a session could not be brought back");
      this.#startAt(from, ride);
      this.#delivered = Math.max(this.#delivered, lastId);
      this.#deliver();
    } else if ("from" in frame) {
      this.#startAt(frame.from, ride);
    } else if ("bye" in frame) {
      // Its close follows. 3501 where a poll that was given up came after its successor.
      if (frame.bye.code !== 3501) this.#fault(line);
    } else if (line === "{}") {
      this.#acknowledge({ now: true });
    } else {
      ride.position++;
      if (ride.position <= this.#received) return;
      this.#received = ride.position;
      if ("id" in frame && frame.id !== undefined) this.#unanswered.delete(frame.id);
      this.#options.onFrame(frame);
      this.#options.moments.tick();
    }
  }

  #startAt(from: number, ride: Ride): void {
    if (from > this.#received) this.#fault(`frames lost: ${this.#received} to ${from}`);
    ride.position = from;
  }

  /** Says what was received, every now and then. */
  #acknowledge({ now = false } = {}): void {
    const isDue = now || this.#received - this.#acknowledged >= 100;
    if (!isDue && this.#options.random.chance(0.9)) return;
    if (this.#ride?.send) {
      this.#acknowledged = this.#received;
      this.#ride.send(JSON.stringify({ received: this.#received }));
    } else {
      void this.#sendUp();
    }
  }

  /** Sends the commands that the server does not have. */
  #deliver(): void {
    const ride = this.#ride;
    if (ride === null || !ride.send) return void this.#sendUp();
    // Before `connected` it is not known which.
    if (Number.isNaN(ride.position) || ride.deaf) return;
    const lines = this.#undelivered();
    if (lines.length > 0) ride.send(lines.join("\n"));
  }

  #undelivered(): string[] {
    return [...this.#unanswered].filter(([id]) => id > this.#delivered).map(([, line]) => line);
  }

  /** One request at a time; one that failed is sent again. */
  #sendUp(): Promise<void> | null {
    if (this.#over) return null;
    return this.#sendingUp ??= this.#sendAllUp().finally(() => {
      this.#sendingUp = null;
    });
  }

  async #sendAllUp(): Promise<void> {
    try {
      do {
        const lines = this.#undelivered();
        const last = this.#lastId;
        if (await this.#up(lines)) this.#delivered = Math.max(this.#delivered, last);
      } while (!this.#over && this.#undelivered().length > 0);
    } catch (error) {
      if (!this.#over) this.#fault(error);
    }
  }

  /** @returns Whether it is known to have arrived. */
  async #up(lines: readonly string[]): Promise<boolean> {
    const { random } = this.#options;
    const exchange = await this.#post("/chloe/up", [this.#resume, ...lines].join("\n"));
    if (random.chance(0.2)) {
      exchange.cut();
      return false;
    }
    if (random.chance(0.1)) {
      this.#abandoned.push(() => exchange.cut());
      return false;
    }
    await this.#expect(exchange, 204);
    exchange.cut();
    return true;
  }

  async #post(path: string, body: string): Promise<Exchange> {
    const exchange = await request(this.#options.address, path, { method: "POST", body });
    this.#exchanges.add(exchange);
    if (this.#over) exchange.cut(); // whoever waits for an answer finds that there is none
    return exchange;
  }

  async #expect(exchange: Exchange, status: number): Promise<void> {
    const head = await exchange.head();
    if (head.status === status) return;
    throw new Error(`${head.status} in place of ${status}: ${await exchange.text()}`);
  }

  #fault(what: unknown): void {
    this.faults.push(String(what));
  }
}
