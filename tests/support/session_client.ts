/**
 * A client of protocol 2 for tests, over each of its transports. It does what docs/protocol.md asks of a
 * client and no more: it never reconnects by itself, so a test says when.
 *
 * @module
 */
import type { Command, Connect, Connected, ServerFrame } from "../../src/protocol/frames.ts";
import { HandshakeRefused } from "./websocket.ts";
import { type Carrier, openCarrier, type TransportName } from "./carriers.ts";
import type { Address } from "./server.ts";
import { within } from "./within.ts";

export { HandshakeRefused };
export type { TransportName };

/** The transports of protocol 2. */
export const TRANSPORTS: readonly TransportName[] = ["websocket", "events", "poll"];

/** The answer to a command. */
export type Reply = ServerFrame & { readonly id: number };

/** How a client differs from a well-behaved browser of the server's own origin. */
export interface ClientOptions {
  /** Headers of all of its requests. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers no ping. */
  readonly mute?: boolean;
}

interface Waiter {
  matches(frame: ServerFrame): boolean;
  resolve(frame: ServerFrame): void;
}

/** A browser page, as Chloe sees it. */
export class SessionClient implements AsyncDisposable {
  /** All that came, once each, in order: pushes, replies, errors, `bye`. No pings. */
  readonly log: ServerFrame[] = [];
  /** How many numbered frames were taken. */
  received = 0;
  /** The id of the last command. */
  lastId = 0;
  /** Frames that came again, and were skipped because of their number. */
  repeated = 0;
  /** Pings that came. */
  pings = 0;
  /** The answer to the last `connect`. */
  connected: Connected | null = null;
  readonly #address: Address;
  readonly #options: ClientOptions;
  #inbox: ServerFrame[] = [];
  #waiters: Waiter[] = [];
  #carrier: Carrier | null = null;
  #position = 0;
  /** Whether frames are numbered: from the transport's `connected` on. */
  #isNumbered = false;
  readonly #unanswered = new Map<number, string>();

  constructor(address: Address, options: ClientOptions = {}) {
    this.#address = address;
    this.#options = options;
  }

  /** The public id. */
  get session(): string {
    return this.connected!.session;
  }

  /** The resume secret. */
  get secret(): string {
    return this.connected!.resume;
  }

  /** Begins a session. @throws ConnectRefused, HandshakeRefused. */
  connect(transport: TransportName, connect: Connect = {}): Promise<Connected> {
    return this.#open(transport, connect);
  }

  /**
   * Brings the session back over another transport, or the same anew, and repeats the commands that Chloe did
   * not take. It stops listening to the old transport first, which is left open where it is.
   */
  async resume(transport: TransportName, connect: Connect = {}): Promise<Connected> {
    const connected = await this.#open(transport, {
      ...connect,
      resume: this.secret,
      received: this.received,
    });
    if (!connected.resumed) {
      this.#unanswered.clear();
      this.lastId = 0;
      return connected;
    }
    for (const [id, line] of this.#unanswered) {
      if (id > connected.lastId) this.#carrier!.send(line);
    }
    return connected;
  }

  async #open(transport: TransportName, connect: Connect): Promise<Connected> {
    this.#carrier?.deafen();
    this.#isNumbered = false;
    const first = Promise.withResolvers<Connected>();
    // A carrier that fails says so to whoever waits, and to nobody where nobody does.
    first.promise.catch(() => {});
    const carrier = await openCarrier(transport, {
      address: this.#address,
      headers: this.#options.headers ?? {},
      connect: JSON.stringify({ connect }),
      received: () => this.received,
      take: (line) => this.#take(JSON.parse(line) as ServerFrame, first.resolve),
    });
    this.#carrier = carrier;
    carrier.ended.then((end) => first.reject(new ConnectRefused(end.code, end.text)));
    return await within(first.promise, `connected over ${transport}`);
  }

  /** Sends a command. @returns Its id. */
  command(command: Command): number {
    const id = ++this.lastId;
    const line = JSON.stringify({ id, ...command });
    this.#unanswered.set(id, line);
    this.#carrier?.send(line);
    return id;
  }

  /** Sends lines just as they are; they are not repeated. */
  raw(text: string): void {
    this.#carrier!.send(text);
  }

  /** The answer to a command. */
  async reply(id: number): Promise<Reply> {
    return await this.next((frame) => "id" in frame && frame.id === id) as Reply;
  }

  /** Subscribes. @returns The answer. */
  subscribe(channel: string): Promise<Reply> {
    return this.reply(this.command({ subscribe: { channel } }));
  }

  /** Unsubscribes. @returns The answer. */
  unsubscribe(channel: string): Promise<Reply> {
    return this.reply(this.command({ unsubscribe: { channel } }));
  }

  /** Sends to the app. @returns The answer. */
  send(data: unknown): Promise<Reply> {
    return this.reply(this.command({ send: { data } } as Command));
  }

  /** Publishes to a channel. @returns The answer. */
  publish(channel: string, data: unknown): Promise<Reply> {
    return this.reply(this.command({ publish: { channel, data } } as Command));
  }

  /** Tells Chloe how many frames were taken. */
  acknowledge(): void {
    this.#carrier!.send(JSON.stringify({ received: this.received }));
  }

  /** The next frame that matches, out of those that no earlier call gave; the others stay. */
  next(matches: (frame: ServerFrame) => boolean = () => true): Promise<ServerFrame> {
    const at = this.#inbox.findIndex(matches);
    if (at !== -1) return Promise.resolve(this.#inbox.splice(at, 1)[0]!);
    const { promise, resolve } = Promise.withResolvers<ServerFrame>();
    this.#waiters.push({ matches, resolve });
    return within(promise, `a frame; came so far: ${JSON.stringify(this.log.slice(-5))}`);
  }

  /** The data of the next message. */
  async nextData(): Promise<unknown> {
    return (await this.next((frame) => "data" in frame) as { data: unknown }).data;
  }

  /** What came and was not asked for yet. */
  get waiting(): readonly ServerFrame[] {
    return this.#inbox;
  }

  /** Closes the transport's connections without a word, and listens no more. */
  dropTransport(): void {
    this.#carrier?.cut();
    this.#carrier = null;
  }

  /** The end of the current transport, when it comes; HTTP status or close code. */
  get ended(): Promise<{ readonly code: number; readonly text: string }> {
    return within(this.#carrier!.ended, "the end of a transport");
  }

  /** Hears nothing more of the current transport, which stays open: what comes now is lost on the way. */
  deafen(): void {
    this.#carrier?.deafen();
  }

  /** Ends the transport in an orderly way, and waits until its requests are over. */
  async close(): Promise<void> {
    await this.#carrier?.close();
    this.#carrier = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.dropTransport();
    return Promise.resolve();
  }

  #take(frame: ServerFrame, onConnected: (connected: Connected) => void): void {
    if ("connected" in frame) {
      this.connected = frame.connected;
      this.#isNumbered = true;
      if (!frame.connected.resumed) this.received = 0;
      this.#position = frame.connected.from;
      return onConnected(frame.connected);
    }
    if ("from" in frame) {
      this.#position = frame.from;
      return;
    }
    if (Object.keys(frame).length === 0) {
      this.pings++;
      if (!this.#options.mute) this.acknowledge();
      return;
    }
    // A goodbye has no number, and neither has an error in place of `connected`.
    if (!("bye" in frame) && this.#isNumbered) {
      this.#position++;
      if (this.#position <= this.received) {
        this.repeated++;
        return;
      }
      this.received = this.#position;
    }
    if ("id" in frame && frame.id !== undefined) this.#unanswered.delete(frame.id);
    this.log.push(frame);
    const at = this.#waiters.findIndex((waiter) => waiter.matches(frame));
    if (at === -1) this.#inbox.push(frame);
    else this.#waiters.splice(at, 1)[0]!.resolve(frame);
  }
}

/** The transport ended before it said `connected`. */
export class ConnectRefused extends Error {
  override name = "ConnectRefused";

  /** @param code HTTP status or WebSocket close code. */
  constructor(readonly code: number, readonly text: string) {
    super(`Cannot connect: ${code} ${text}`);
  }
}
