/**
 * Clients of protocol 1 for tests: what a page with the library of 2011 does on the wire, written anew.
 *
 * @module
 */
import { ask, type Exchange, type Head, request } from "./http.ts";
import type { Address } from "./server.ts";
import { RawWebSocket } from "./websocket.ts";
import { within } from "./within.ts";

/** A message as it stands on the wire. */
export interface WireMessage {
  readonly type: string;
  readonly channel: string | null;
  readonly data: unknown;
  readonly version: number;
  readonly id: number | null;
  readonly sessionId: string | null;
}

/** How a client differs from a page of the server's own origin. */
export interface LegacyOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** The page's number for its connection, where its transport has one. */
  readonly id?: number;
  /**
   * Whether it asks again once for each message of an answer, as the client of 2011 does; otherwise once for
   * each answer.
   */
  readonly eager?: boolean;
}

/** What the clients have in common. */
export abstract class LegacyClient implements Disposable {
  sessionId: string | null = null;
  /** How its connection ended: by an HTTP status, a WebSocket close code, or 0 where it broke. */
  readonly ended: Promise<number>;
  protected readonly end: (code: number) => void;
  #inbox: WireMessage[] = [];
  #waiters: ((message: WireMessage) => void)[] = [];

  constructor(
    protected readonly address: Address,
    protected readonly options: LegacyOptions = {},
  ) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    this.end = resolve;
  }

  /** Begins a session. */
  abstract connect(): Promise<void>;
  /** Sends a message; its session is filled in. @returns When it was answered, where it is. */
  abstract post(message: Partial<WireMessage>): Promise<void>;
  /** Closes all connections without a word. */
  abstract cut(): void;

  /** Asks for a channel. Over a WebSocket nothing says when it is done. */
  subscribe(channel: string): Promise<void> {
    return this.post({ type: "channel-subscribe", channel });
  }

  /** Sends data to the app. */
  send(data: string): Promise<void> {
    return this.post({ type: "message", data });
  }

  /** The next message. */
  next(): Promise<WireMessage> {
    const first = this.#inbox.shift();
    if (first !== undefined) return Promise.resolve(first);
    const { promise, resolve } = Promise.withResolvers<WireMessage>();
    this.#waiters.push(resolve);
    return within(promise, "a message of protocol 1");
  }

  protected take(message: WireMessage): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#inbox.push(message);
    else waiter(message);
  }

  [Symbol.dispose](): void {
    this.cut();
  }
}

/** Over `/chloe/websocket`. */
export class LegacyWebSocketClient extends LegacyClient {
  socket: RawWebSocket | null = null;

  async connect(): Promise<void> {
    this.socket = await RawWebSocket.open(this.address, "/chloe/websocket", this.options.headers);
    this.#listen(this.socket);
  }

  async #listen(socket: RawWebSocket): Promise<void> {
    for (;;) {
      const received = await socket.next();
      if (received.kind === "closed") return this.end(received.code);
      this.take(JSON.parse(received.text));
    }
  }

  post(message: Partial<WireMessage>): Promise<void> {
    return this.socket!.send(JSON.stringify({ ...message, version: 1 }));
  }

  cut(): void {
    this.socket?.cut();
  }
}

/** What the polling clients have in common: requests that a test's end must not leave open. */
abstract class PollingClient extends LegacyClient {
  /** Polls that are held now. */
  readonly held = new Set<Exchange>();
  /** The bodies of all answers to polls. */
  readonly answers: string[] = [];
  protected stopped = false;

  /** Asks, and reads the whole answer; `null` where the connection ended before. */
  protected async hold(path: string): Promise<Head & { readonly text: string } | null> {
    let exchange: Exchange | undefined;
    try {
      exchange = await request(this.address, path, { headers: this.options.headers ?? {} });
      this.held.add(exchange);
      if (this.stopped) return null;
      const head = await exchange.head();
      const text = await exchange.text();
      this.answers.push(text);
      return { ...head, text };
    } catch {
      if (!this.stopped) this.end(0);
      return null;
    } finally {
      exchange?.cut();
      if (exchange !== undefined) this.held.delete(exchange);
    }
  }

  cut(): void {
    this.stopped = true;
    for (const exchange of this.held) exchange.cut();
  }
}

/** Over `/chloe/jsonp.js`: each answer is a script, run with a `Chloe` that is all it can reach. */
export class JsonpClient extends PollingClient {
  /** How often it was given a session: more than once where it had lost one. */
  connects = 0;
  /** Delays after which a script wanted to ask again. */
  readonly delays: number[] = [];
  readonly #id = this.options.id ?? 1700000000000;
  readonly #connected = Promise.withResolvers<void>();

  async connect(): Promise<void> {
    await this.#load({ type: "connect" });
    await within(this.#connected.promise, "the answer to connect");
  }

  async post(message: Partial<WireMessage>): Promise<void> {
    const { status, text } = await ask(this.address, this.#path(message), {
      headers: this.options.headers ?? {},
    });
    if (status !== 200 || text !== "") throw new Error(`Cannot send: ${status} ${text}`);
  }

  #path(message: Partial<WireMessage>): string {
    const whole = { ...message, version: 1, id: this.#id, sessionId: this.sessionId };
    return `/chloe/jsonp.js?data=${escape(JSON.stringify(whole))}ts=${Date.now()}`;
  }

  async #load(message: Partial<WireMessage>): Promise<void> {
    const answer = await this.hold(this.#path(message));
    if (answer === null) return;
    // A script that cannot be loaded calls nothing.
    if (answer.status !== 200) return this.end(answer.status);
    this.run(answer.text);
  }

  /** Runs a script as the page would. */
  run(script: string): void {
    const listen = () => void this.#load({ type: "poll" });
    const onmessage = (text: string) => {
      if (typeof text !== "string") throw new Error("onmessage takes JSON text");
      this.take(JSON.parse(text));
    };
    const transport = {
      connections: { [this.#id]: { listenForMessages: listen, callbacks: { onmessage } } },
      response: (message: WireMessage) => {
        if (message.id !== this.#id) throw new Error(`No connection ${message.id} on this page`);
        if (message.type === "connect") {
          this.sessionId = message.sessionId;
          this.connects++;
          this.#connected.resolve();
        } else if (message.type === "poll") this.take(message);
        else throw new Error(`Unknown type ${message.type}`);
        listen();
      },
    };
    const later = (_run: () => void, delay: number) => {
      this.delays.push(delay);
      this.end(200);
    };
    new Function("Chloe", "setTimeout", `"use strict";${script}`)(
      { JsonpTransport: transport },
      later,
    );
  }
}

/** Over `/chloe/xhr`. */
export class XhrClient extends PollingClient {
  /** Channels with a callback of the page's, as the object that the library keeps them in. */
  readonly subscriptions: Record<string, unknown> = {};

  async connect(): Promise<void> {
    const text = await this.#post({ type: "connect" });
    this.sessionId = (JSON.parse(text) as WireMessage).sessionId;
    this.#poll();
  }

  async post(message: Partial<WireMessage>): Promise<void> {
    const text = await this.#post(message);
    if (text !== "") throw new Error(`Cannot send: ${text}`);
  }

  override subscribe(channel: string): Promise<void> {
    this.subscriptions[channel] = () => {};
    return super.subscribe(channel);
  }

  async #post(message: Partial<WireMessage>): Promise<string> {
    const whole = { ...message, version: 1, sessionId: this.sessionId };
    const { status, text } = await ask(this.address, "/chloe/xhr", {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        ...this.options.headers,
      },
      body: `data=${escape(JSON.stringify(whole))}`,
    });
    if (status !== 200) {
      this.end(status);
      throw new Error(`Cannot send: ${status} ${text}`);
    }
    return text;
  }

  async #poll(): Promise<void> {
    const message = { type: "poll", version: 1, sessionId: this.sessionId };
    const answer = await this.hold(
      `/chloe/xhr/${Date.now()}?data=${escape(JSON.stringify(message))}`,
    );
    if (answer === null) return;
    if (answer.status !== 200) return this.end(answer.status);
    if (answer.text === "") return; // it does not ask again
    const { messages } = JSON.parse(answer.text) as { messages: WireMessage[] };
    for (const message of messages) {
      const isOwn = Object.hasOwn(this.subscriptions, message.channel ?? "");
      const callback = this.subscriptions[message.channel ?? ""];
      // A channel without a callback goes to the page's own onmessage.
      if (isOwn || callback === undefined) this.take(message);
      if (this.options.eager) this.#poll();
    }
    if (!this.options.eager && messages.length > 0) this.#poll();
  }
}
