import type { Command, Connect, Connected, Json, ServerFrame } from "../../src/protocol/frames.ts";
import { events, openCarrier, type TransportName } from "../support/carriers.ts";
import { ask, request } from "../support/http.ts";
import type { Random } from "../support/random.ts";
import type { Address } from "../support/server.ts";
import { within } from "../support/within.ts";
import { LeanSocket } from "./lean_socket.ts";
import type { Wish } from "./lifecycle_app.ts";

/** The transports, and two whose page reads no more once it is connected: what comes is lost by RST. */
const KINDS = ["websocket", "events", "poll", "numb socket", "numb stream"] as const;

/** Why no session may begin, or go on, without any fault of the server's. */
const FAIR_REFUSALS = ["connect_refused", "unknown_session", "app_unreachable"];

/** A way to the server that a page has, whatever it is made of. */
interface Line {
  readonly isOpen: boolean;
  send(text: string): void;
  /** Hears nothing more, but leaves it open. */
  deafen(): void;
  /** Drops it without a word. */
  cut(): void | Promise<void>;
  /** Ends it in an orderly way. */
  close(): Promise<void>;
  /** Whoever waits for this leaves nothing behind. */
  readonly over: Promise<unknown>;
}

/** How often what is to be shown did happen. */
export class Steps {
  connects = 0;
  resumes = 0;
  kills = 0;
  /** Of the kills: those at which something was left unread. */
  resets = 0;
  /** Resumes that came too late. */
  lateResumes = 0;

  get total(): number {
    return this.connects + this.resumes + this.kills;
  }
}

/** What a page is made with. */
export interface PageOptions {
  readonly address: Address;
  readonly random: Random;
  readonly steps: Steps;
  /** Channels that pages enter and leave, the app's own included. */
  readonly channels: readonly string[];
  /** Of these each page has one that it thinks of more often. */
  readonly favourites: readonly string[];
}

/** A page that comes, goes and does as it likes, one step at a time. */
export class LifecyclePage {
  /** What should never be: each is a failure of the server. */
  readonly faults: string[] = [];
  readonly #options: PageOptions;
  readonly #lines = new Set<Line>();
  #line: Line | null = null;
  #secret: string | null = null;
  #received = 0;
  #position = 0;
  #lastId = 0;
  /** What it enters and leaves again and again. */
  readonly #favourite: string;

  constructor(options: PageOptions) {
    this.#options = options;
    this.#favourite = options.random.pick(options.favourites);
  }

  /** Does one thing. */
  async step(): Promise<void> {
    const { random } = this.#options;
    try {
      if (this.#line?.isOpen !== true) return await this.#come();
      const choice = random.next();
      if (choice < 0.4) await this.#kill();
      else if (choice < 0.5) await this.#close();
      else if (choice < 0.6) await this.#come();
      else this.#talk();
    } catch (error) {
      this.faults.push(error instanceof Error ? `${error.stack}` : String(error));
    }
  }

  /** Drops all that is open, without a word. */
  async end(): Promise<void> {
    this.#line = null;
    for (const line of this.#lines) {
      await line.cut();
      await line.over;
    }
    this.#lines.clear();
  }

  /** Comes back, or as somebody new; a connection that it has is replaced. */
  async #come(): Promise<void> {
    const { random, steps } = this.#options;
    const before = this.#line;
    before?.deafen();
    this.#line = null;
    const isNew = this.#secret === null || random.chance(0.2);
    const names = new Set([1, 2, 3].map(() => random.pick(this.#options.channels)));
    const connect: Connect = {
      ...(!isNew && { resume: this.#secret!, received: this.#received }),
      subscribe: Object.fromEntries([...names].map((name) => [name, { info: { n: 1 } }])),
    };
    if (random.chance(0.1)) await this.#flash(connect);
    else await this.#open(connect);
    if (isNew) steps.connects++;
    else steps.resumes++;
    // The one that was replaced may stay for a while: the server has said goodbye to it.
    if (before !== null && random.chance(0.5)) await this.#drop(before);
  }

  async #open(connect: Connect): Promise<void> {
    const { random, steps } = this.#options;
    const kind = random.pick(KINDS);
    const answer = Promise.withResolvers<Connected | null>();
    const line = kind === "numb socket"
      ? await this.#numbSocket(connect, answer.resolve)
      : kind === "numb stream"
      ? await this.#numbStream(connect, answer.resolve)
      : await this.#carrier(kind, connect, answer.resolve);
    this.#lines.add(line);
    void line.over.then(() => this.#lines.delete(line));
    const connected = await within(answer.promise, `an answer to connect over ${kind}`);
    if (connected === null) {
      this.#secret = null;
      return;
    }
    if (connect.resume !== undefined && !connected.resumed) steps.lateResumes++;
    this.#secret = connected.resume;
    this.#lastId = connected.lastId;
    this.#line = line;
  }

  /** Connects, and is gone before anything of the answer was taken. */
  async #flash(connect: Connect): Promise<void> {
    const { random, steps, address } = this.#options;
    using socket = await LeanSocket.open(address);
    socket.send(JSON.stringify({ connect }));
    steps.kills++;
    if (random.chance(0.5) && await tastes(socket)) steps.resets++;
  }

  async #carrier(
    kind: TransportName,
    connect: Connect,
    answer: (connected: Connected | null) => void,
  ): Promise<Line> {
    let isOpen = true;
    const carrier = await openCarrier(kind, {
      address: this.#options.address,
      headers: {},
      connect: JSON.stringify({ connect }),
      received: () => this.#received,
      take: (text) => this.#take(text, answer),
    });
    const ended = carrier.ended.then(({ code, text }) => {
      isOpen = false;
      if (code >= 400 && code < 600) this.#refused(text);
      answer(null);
    });
    return {
      get isOpen() {
        return isOpen;
      },
      send: (text) => carrier.send(text),
      deafen: () => carrier.deafen(),
      cut() {
        isOpen = false;
        carrier.cut();
      },
      close() {
        isOpen = false;
        // A socket that is read all the time cannot be read to its end besides: the numb ones say goodbye.
        return kind === "websocket" ? Promise.resolve(carrier.cut()) : carrier.close();
      },
      over: ended.then(() => carrier.close()),
    };
  }

  /** A socket of which nothing is read after `connected`. */
  async #numbSocket(
    connect: Connect,
    answer: (connected: Connected | null) => void,
  ): Promise<Line> {
    const { steps } = this.#options;
    const over = Promise.withResolvers<void>();
    const socket = await LeanSocket.open(this.#options.address);
    let isOpen = true;
    socket.send(JSON.stringify({ connect }));
    const drop = () => {
      isOpen = false;
      socket.drop();
      over.resolve();
    };
    const text = await within(socket.receive(), "the answer to connect");
    for (const line of (text ?? "").split("\n")) if (line !== "") this.#take(line, answer);
    answer(null);
    return {
      get isOpen() {
        return isOpen;
      },
      send: (text) => socket.send(text),
      deafen() {},
      cut: async () => {
        if (isOpen) {
          socket.send("[]"); // what is wrong with it is left unread, at the least
          if (await tastes(socket)) steps.resets++;
        }
        drop();
      },
      close: async () => {
        isOpen = false;
        await socket.close();
        drop();
      },
      over: over.promise,
    };
  }

  /** A stream of which nothing is read after `connected`. */
  async #numbStream(
    connect: Connect,
    answer: (connected: Connected | null) => void,
  ): Promise<Line> {
    const { address } = this.#options;
    const over = Promise.withResolvers<void>();
    let isOpen = true;
    let sending = Promise.resolve();
    const stream = await request(address, "/chloe/events", {
      method: "POST",
      body: JSON.stringify({ connect }),
    });
    const drop = async () => {
      isOpen = false;
      await sending;
      stream.cut();
      over.resolve();
    };
    const { status } = await stream.head();
    if (status === 200) {
      const { value } = await within(events(stream).next(), "the answer to connect");
      for (const line of (value?.data ?? "").split("\n")) this.#take(line, answer);
    } else {
      this.#refused(await stream.text());
      await drop();
    }
    answer(null);
    return {
      get isOpen() {
        return isOpen;
      },
      send: (text) => {
        const body = `${
          JSON.stringify({ resume: this.#secret, received: this.#received })
        }\n${text}`;
        sending = sending.then(async () => {
          await ask(address, "/chloe/up", { method: "POST", body });
        });
      },
      deafen() {},
      cut: drop,
      close: drop,
      over: over.promise,
    };
  }

  async #kill(): Promise<void> {
    this.#options.steps.kills++;
    const line = this.#line!;
    this.#line = null;
    await this.#drop(line);
  }

  async #drop(line: Line): Promise<void> {
    await line.cut();
    await line.over;
  }

  async #close(): Promise<void> {
    const line = this.#line!;
    this.#line = null;
    await within(line.close(), "the end of a connection");
    await line.over;
  }

  /** Sends some commands at once. */
  #talk(): void {
    const { random } = this.#options;
    const commands: Command[] = [];
    do commands.push(...this.#anything()); while (random.chance(0.6));
    const lines = commands.map((command) => JSON.stringify({ id: ++this.#lastId, ...command }));
    this.#line!.send(lines.join("\n"));
  }

  #anything(): readonly Command[] {
    const { random, channels } = this.#options;
    const channel = random.chance(0.7) ? this.#favourite : random.pick(channels);
    const choice = random.next();
    const enter = { subscribe: { channel, info: { n: random.below(10) } } };
    const leave = { unsubscribe: { channel } };
    if (choice < 0.3) return [enter];
    if (choice < 0.5) return [leave];
    if (choice < 0.7) return random.chance(0.5) ? [enter, leave] : [enter, leave, enter];
    if (choice < 0.75) return [{ presence: { channel } }];
    const wish: Wish = choice < 0.83
      ? { join: channel }
      : choice < 0.9
      ? { leave: channel }
      : choice < 0.95
      ? { end: true }
      : {};
    return [{ send: { data: wish as Json } }];
  }

  #take(text: string, answer: (connected: Connected | null) => void): void {
    const frame: ServerFrame = JSON.parse(text);
    if ("connected" in frame) {
      const { connected } = frame;
      if (!connected.resumed) this.#received = 0;
      this.#position = connected.from;
      this.#received = Math.max(this.#received, connected.from);
      return answer(connected);
    }
    if ("from" in frame) {
      this.#position = frame.from;
    } else if ("error" in frame && frame.id === undefined && frame.error.code !== "bad_frame") {
      if (!FAIR_REFUSALS.includes(frame.error.code)) this.faults.push(text);
    } else if (!("bye" in frame) && text !== "{}") {
      this.#position++;
      this.#received = Math.max(this.#received, this.#position);
    }
  }

  #refused(text: string): void {
    const fair = [...FAIR_REFUSALS, "taken_over"];
    if (!fair.some((code) => text.includes(`"${code}"`))) this.faults.push(`refused: ${text}`);
  }
}

/** Reads one byte. @returns Whether more is left unread, so that closing resets the connection. */
async function tastes(socket: LeanSocket): Promise<boolean> {
  try {
    return await within(socket.taste(), "a byte");
  } catch {
    return false; // closed by the server
  }
}
