import type { Json } from "../src/protocol/frames.ts";
import { Channel } from "./channel.ts";
import { type ChloeEvents, type Client, createClient, json } from "./client.ts";
import type { Closing, State } from "./connection.ts";
import { addressOf, type ChloeOptions, home } from "./options.ts";
import type { MessageHandler, SubscribeOptions } from "./subscriptions.ts";

/**
 * A connection to Chloe that stays: when a transport is lost another takes over, with nothing lost and
 * nothing twice as long as the session lives.
 *
 * @example
 * ```ts
 * const chloe = new Chloe("https://example.com");
 * chloe.onmessage((data) => console.log(data));
 * chloe.subscribe("news", (data) => console.log("news:", data));
 * await chloe.connect();
 * const reply = await chloe.send({ hello: "app" });
 * ```
 */
export class Chloe {
  /** Where Chloe is. */
  readonly url: string;
  // Not #core: ES2018 has no private members, and what stands in for them weighs too much here.
  private readonly core: Client;

  /**
   * @param address Where Chloe is, or all options at once, as in 2011: `{host, port}`.
   * @param options The other options, where the first argument is an address.
   */
  constructor(address: string | URL | ChloeOptions = {}, options: ChloeOptions = {}) {
    const isAddress = typeof address === "string" || address instanceof URL;
    const all = isAddress ? { ...options, url: address } : address;
    this.url = addressOf(all, home.url);
    this.core = createClient(this.url, all);
  }

  /** `idle`, `connecting`, `connected`, `waiting` (for the next try) or `closed`. */
  get state(): State {
    return this.core.connection.state;
  }

  /** The name of the transport in use, `websocket`, `events` or `poll`, or `tabs` where one is shared; else `null`. */
  get transport(): string | null {
    return this.core.connection.transport;
  }

  /** The session's public id, by which an app can name it; `null` while there is none. */
  get session(): string | null {
    return this.core.session.state.id;
  }

  /**
   * Connects, and stays connected. Resolves at the first connection, however many tries it takes; rejects
   * when Chloe refuses for good or the page closes it before.
   *
   * @param callback Called once at the first connection, as in 2011.
   */
  connect(callback?: () => void): Promise<void> {
    return this.core.connect(callback);
  }

  /**
   * Sends data to the app. Resolves with the app's reply, `undefined` where it gave none; rejects with a
   * {@linkcode ChloeError}. Waits for the connection where there is none yet.
   *
   * @typeParam T What the app replies; nobody checks that it does.
   * @param data Anything that JSON can say; a TypeError is thrown where it cannot.
   */
  send<T = Json | undefined>(data: unknown): Promise<T> {
    return this.core.ask(`"send":{"data":${json(data)}}`, (ok) => ok.data as T);
  }

  /** A channel by its name, to subscribe to, to publish to, and to loop over. */
  channel<T = Json>(name: string): Channel<T> {
    return new Channel(this.core, name);
  }

  /**
   * Subscribes to a channel, now and after every reconnection. Resolves when Chloe has said yes, rejects with
   * what she said else. Messages go to this handler then, and not to those of `onmessage`.
   */
  subscribe<T = Json>(
    channel: string,
    handler?: MessageHandler<T>,
    options?: SubscribeOptions,
  ): Promise<void> {
    return this.channel<T>(channel).subscribe(handler, options);
  }

  /** Takes a handler of a channel away, or all of them; with the last one the channel is left. */
  unsubscribe<T = Json>(channel: string, handler?: MessageHandler<T>): void {
    this.core.subscriptions.remove(channel, handler as MessageHandler | undefined);
  }

  /** Adds a function for messages to everyone, to this session, or of a channel without a handler. */
  onmessage<T = Json>(handler: MessageHandler<T>): void {
    this.on("message", handler as MessageHandler);
  }

  /** Adds a function for the end: `close` was called, or Chloe wants nobody back. */
  onclose(handler: (why: Closing) => void): void {
    this.on("close", handler);
  }

  /** Listens for one of {@linkcode ChloeEvents}; the function returned ends that. */
  on<Name extends keyof ChloeEvents>(name: Name, handler: ChloeEvents[Name]): () => void {
    return this.core.handlers.on(name, handler);
  }

  /** Ends the session. Subscriptions are kept for another `connect`. */
  close(): void {
    if (this.state === "closed") return;
    this.core.connection.close({ code: 1000, reason: "close()" });
  }
}
