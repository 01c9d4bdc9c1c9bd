/**
 * chloe.js: the browser's side of Chloe. Also runs in Deno, Node 20+ and Bun.
 *
 * @module
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [key: string]: Json;
};

/** Who is in a channel. */
export interface Member {
  readonly session: string;
  readonly user: string | null;
  readonly info?: Json;
}

/** Who is in a channel; without their names where there are too many for it. */
export interface Presence {
  readonly count: number;
  readonly members?: readonly Member[];
}

/** A message to a channel's subscribers, or, without `channel`, to this session or its user alone. */
export interface Push<T = Json> {
  readonly channel?: string;
  readonly data: T;
  readonly offset?: number;
  /** Who published it, where it was a page and the channel tells who is there. */
  readonly by?: {
    readonly session: string;
    readonly user: string | null;
  };
}

/**
 * One channel, by {@linkcode Chloe.channel}. A handle and nothing more: two of the same name are the same
 * channel.
 *
 * @typeParam T What its messages hold; nobody checks that they do.
 * @example
 * ```ts
 * const news = chloe.channel("news");
 * for await (const { data } of news) console.log(data);
 * ```
 */
declare class Channel<T = Json> implements AsyncIterable<Push<T>> {
  /** The channel's name, as it was given. */
  readonly name: string;
  private constructor();
  /**
   * Subscribes, now and after every reconnection. Resolves when Chloe has said yes, rejects with what she said
   * else.
   *
   * @param handler Takes each message; without one, messages go to those of `onmessage`.
   */
  subscribe(handler?: MessageHandler<T>, options?: SubscribeOptions): Promise<void>;
  /** Takes a handler away, or all of them; with the last one the channel is left. */
  unsubscribe(handler?: MessageHandler<T>): void;
  /**
   * Publishes to all who are in the channel, where its rule lets pages do so. Resolves when Chloe has taken
   * it; rejects with a {@linkcode ChloeError}.
   *
   * @param data Anything that JSON can say; a TypeError is thrown where it cannot.
   */
  publish(data: unknown): Promise<void>;
  /** Asks who is in the channel, where its rule lets pages know. Rejects with a {@linkcode ChloeError}. */
  presence(): Promise<Presence>;
  /**
   * The channel's messages from now on, until the loop is left, the page unsubscribes or the connection is
   * closed. Throws a {@linkcode ChloeError} where the channel is refused, or taken away; `queue_full` where
   * over 20,000 messages wait.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Push<T>, void, void>;
}

/** What a page can listen for with {@linkcode Chloe.on}. */
export interface ChloeEvents {
  /** A message to everyone, to this session or its user, or of a channel without a handler. */
  message: MessageHandler;
  /** It is over: the page closed it, or Chloe did and wants nobody back. */
  close(why: Closing): void;
  /** With `waiting` and `closed` comes why. */
  state(state: State, why?: Closing): void;
  /** Something was refused that no promise told of: a subscription that ended, a bad frame. */
  error(error: ChloeError): void;
  /** Messages of a channel are gone for good; `null` where nobody knows how many. */
  gap(channel: string, missed: number | null): void;
}

/** Why there is no connection now. */
export interface Closing {
  /** A WebSocket close code, on the other transports too; 1006 where nobody said one. */
  readonly code: number;
  readonly reason: string;
  /** The refusal behind it, where Chloe gave one. */
  readonly error?: ChloeError | undefined;
}

/**
 * - `idle`: not asked to connect yet.
 * - `connecting`: a transport is being tried.
 * - `connected`
 * - `waiting`: none is there; the next try comes by itself.
 * - `closed`: by the page, or by Chloe for good.
 */
export type State = "idle" | "connecting" | "connected" | "waiting" | "closed";

/** An error with a code to decide by; the message is for a developer's eyes. */
export declare class ChloeError extends Error {
  readonly code: ChloeErrorCode;
  /** Whether the same may succeed if it is tried again later. */
  readonly retry: boolean;
  /** The channel that it is about, where there is one. */
  readonly channel: string | undefined;
  constructor(code: ChloeErrorCode, message: string, retry?: boolean, channel?: string);
}

/**
 * Why something did not happen: a code of the protocol, or one of the client's own.
 *
 * - `unknown_outcome`: the session ended before the answer came; it may have been done or not.
 * - `closed`: the page closed the connection, or Chloe closed it for good.
 * - `queue_full`: too many commands wait for a connection or an answer, or a loop over a channel's messages is
 *   too slow for them.
 * - `no_token`: the page's token function failed; it is called again with the next try.
 */
export type ChloeErrorCode = ErrorCode | "unknown_outcome" | "closed" | "queue_full" | "no_token";

/** How a client finds Chloe, and what it says there. */
export interface ChloeOptions {
  /** Where Chloe is: `https://example.com`, with a path where a proxy puts her under one. */
  url?: string | URL;
  /** As in 2011, instead of `url`. An IPv6 address is written `[::1]`. Default: `localhost`. */
  host?: string;
  /** As in 2011, instead of `url`. Default: 8901. */
  port?: number | string;
  /**
   * A token that says who the user is, or a function that gives one, now or by a promise. It is called before
   * the first connection, and again when Chloe says that the token has expired.
   */
  token?: string | undefined | (() => string | null | undefined | Promise<string | null | undefined>);
  /** The transports to try, in this order. Default: `["websocket", "events", "poll"]`. */
  transports?: readonly TransportName[];
  /**
   * Whether all tabs of the page's origin that name the same address share one connection, and with it one
   * session and one user. Needs Web Locks, which pages by plain http have on localhost only; where there are
   * none each tab connects by itself.
   */
  shareTabs?: boolean;
}

/** The name of a transport. */
export type TransportName = "websocket" | "events" | "poll";

/**
 * Takes a message.
 *
 * @typeParam T What the app sends; nobody checks that it does.
 * @param data What the app sent.
 * @param message All that came with it.
 */
export type MessageHandler<T = Json> = (data: T, message: Push<T>) => void;

/** How to be in a channel. Of several who subscribe to it, the last who says one of these decides. */
export interface SubscribeOptions {
  /**
   * Lets the page in where the channel's rule asks for a token. A function is called each time that the channel
   * is subscribed to, and again when Chloe says that the token has expired.
   */
  token?: string | ((channel: string) => Token | Promise<Token>);
  /** What others are told of this page where the channel tells who is there: JSON of at most 1 KiB. */
  info?: unknown;
  /**
   * Hears who is there, where the channel's rule tells: with `count` it is all, and with `members` by name,
   * whatever was told before; else `join` came or `leave` went. All are told when a session begins in the
   * channel.
   */
  presence?(who: Who): void;
}

/** Who is in a channel, or what changed in that. */
export interface Who extends Partial<Presence> {
  /** Who came. One who is known already may be named again, as one's own session is. */
  readonly join?: readonly Member[];
  /** Who went. */
  readonly leave?: readonly Member[];
}

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
export declare class Chloe {
  /** Where Chloe is. */
  readonly url: string;
  /**
   * @param address Where Chloe is, or all options at once, as in 2011: `{host, port}`.
   * @param options The other options, where the first argument is an address.
   */
  constructor(address?: string | URL | ChloeOptions, options?: ChloeOptions);
  /** `idle`, `connecting`, `connected`, `waiting` (for the next try) or `closed`. */
  get state(): State;
  /** The name of the transport in use, `websocket`, `events` or `poll`, or `tabs` where one is shared; else `null`. */
  get transport(): string | null;
  /** The session's public id, by which an app can name it; `null` while there is none. */
  get session(): string | null;
  /**
   * Connects, and stays connected. Resolves at the first connection, however many tries it takes; rejects
   * when Chloe refuses for good or the page closes it before.
   *
   * @param callback Called once at the first connection, as in 2011.
   */
  connect(callback?: () => void): Promise<void>;
  /**
   * Sends data to the app. Resolves with the app's reply, `undefined` where it gave none; rejects with a
   * {@linkcode ChloeError}. Waits for the connection where there is none yet.
   *
   * @typeParam T What the app replies; nobody checks that it does.
   * @param data Anything that JSON can say; a TypeError is thrown where it cannot.
   */
  send<T = Json | undefined>(data: unknown): Promise<T>;
  /** A channel by its name, to subscribe to, to publish to, and to loop over. */
  channel<T = Json>(name: string): Channel<T>;
  /**
   * Subscribes to a channel, now and after every reconnection. Resolves when Chloe has said yes, rejects with
   * what she said else. Messages go to this handler then, and not to those of `onmessage`.
   */
  subscribe<T = Json>(channel: string, handler?: MessageHandler<T>, options?: SubscribeOptions): Promise<void>;
  /** Takes a handler of a channel away, or all of them; with the last one the channel is left. */
  unsubscribe<T = Json>(channel: string, handler?: MessageHandler<T>): void;
  /** Adds a function for messages to everyone, to this session, or of a channel without a handler. */
  onmessage<T = Json>(handler: MessageHandler<T>): void;
  /** Adds a function for the end: `close` was called, or Chloe wants nobody back. */
  onclose(handler: (why: Closing) => void): void;
  /** Listens for one of {@linkcode ChloeEvents}; the function returned ends that. */
  on<Name extends keyof ChloeEvents>(name: Name, handler: ChloeEvents[Name]): () => void;
  /** Ends the session. Subscriptions are kept for another `connect`. */
  close(): void;
}

/** The code of a refusal, stable across versions. */
type ErrorCode =
  | "bad_frame"
  | "bad_command"
  | "bad_channel"
  | "not_connected"
  | "already_connected"
  | "out_of_order"
  | "forbidden"
  | "channel_full"
  | "revoked"
  | "not_subscribed"
  | "too_many_subscriptions"
  | "too_large"
  | "too_fast"
  | "too_many_connections"
  | "no_app"
  | "busy"
  | "app_refused"
  | "app_unreachable"
  | "connect_refused"
  | "bad_token"
  | "token_expired"
  | "unknown_session"
  | "taken_over"
  | "unsupported"
  | "full"
  | "shutting_down";

/** A token; none where nobody gives one. */
type Token = string | null | undefined;

export type { Channel };
