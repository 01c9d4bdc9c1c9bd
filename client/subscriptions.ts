import type {
  Connected,
  Entering,
  Json,
  Member,
  Position,
  Presence,
  Push,
  ServerFrame,
  Subscribed,
} from "../src/protocol/frames.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { ChloeError, fetchToken, NOBODYS_FAULT, refusal } from "./errors.ts";
import type { ChloeEvents } from "./client.ts";
import type { Handlers } from "./handlers.ts";
import type { Reply } from "./session.ts";

/**
 * Takes a message.
 *
 * @typeParam T What the app sends; nobody checks that it does.
 * @param data What the app sent.
 * @param message All that came with it.
 */
export type MessageHandler<T = Json> = (data: T, message: Push<T>) => void;

/** A token; none where nobody gives one. */
export type Token = string | null | undefined;

/** Who is in a channel, or what changed in that. */
export interface Who extends Partial<Presence> {
  /** Who came. One who is known already may be named again, as one's own session is. */
  readonly join?: readonly Member[];
  /** Who went. */
  readonly leave?: readonly Member[];
}

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

/** What a subscriber brings. */
export interface Subscriber extends SubscribeOptions {
  readonly handler?: MessageHandler | undefined;
  /** Hears that the page takes it away; or Chloe the channel, with her reason. */
  ended?(error?: ChloeError): void;
}

/** What subscriptions need from the client around them. */
export interface SubscriptionsPorts {
  isConnected(): boolean;
  command(body: string, reply: Reply): void;
  /** A subscription ended that nobody waits for. */
  failed(error: ChloeError): void;
  /** Those for what is no subscription's business alone. */
  readonly handlers: Handlers<ChloeEvents>;
}

/** The channels that the page wants, kept in step with what Chloe was asked for in this session. */
export interface Subscriptions {
  /** Adds a subscriber. Resolves when Chloe has said yes to the channel; rejects with what she said else. */
  add(channel: string, subscriber: Subscriber): Promise<void>;
  /** Takes one handler away, or all; with the last one the channel is left. */
  remove(channel: string, handler?: MessageHandler): void;
  /**
   * The channels for `connect`, with their positions: as many as fit in so many bytes, the rest is asked for
   * afterwards, as are those for which a function gives the token.
   */
  forConnect(maxBytes: number): NamedChannels;
  /** A session has begun, or goes on. */
  begun(connected: Connected): void;
  /** Takes a message, or what else there is to say of a channel. */
  pushed(frame: ServerFrame): void;
  /** The connection is over: what had not begun will not. What had is kept for the next one. */
  closed(error: ChloeError): void;
}

/** The channels that `connect` names. */
export type NamedChannels = Record<string, Partial<Position> & Entering>;

/** Every session is in it. */
const ALL_CHANNEL = "/all";

/** A channel that the page wants to be in. */
interface Subscription {
  readonly channel: string;
  subscribers: readonly Subscriber[];
  /** What these brought, together. */
  options: SubscribeOptions;
  /** Where the page stands in the channel's history, where it has one. */
  position?: { readonly epoch: string; offset: number } | undefined;
  /** Settles when it has begun, or when it will not. */
  readonly start: Deferred<void>;
  began?: boolean;
  /** Whether Chloe was asked for what followed the position, and has not answered. */
  recovers?: boolean;
}

/** What Chloe says of a channel beside its messages. */
interface Told extends Who {
  readonly channel: string;
  readonly unsubscribed?: { readonly code: string; readonly message: string };
  /** Its token ends in so many seconds. */
  readonly expires?: number;
  readonly gap?: { readonly missed: number };
  readonly presence?: Presence;
}

/** Why a page is not in a channel. */
interface Why {
  readonly code: string;
  readonly message: string;
  readonly retry?: boolean;
}

/** One time of asking for a channel. */
interface Asked {
  readonly subscription: Subscription;
}

/** A leading slash is not part of a name, but for that of `/all`. Chloe judges what else a name may be. */
function nameOf(text: string): string {
  return text === ALL_CHANNEL ? text : String(text).replace(/^\//, "");
}

/** Makes an empty set of subscriptions. */
export function createSubscriptions(
  { isConnected, command, failed, handlers: { emit, guard } }: SubscriptionsPorts,
): Subscriptions {
  const wanted = new Map<string, Subscription>();
  /** What this session asked for, and has not asked to leave since. Each time of asking is another object. */
  const asked = new Map<string, Asked>();
  /** The channel of each request to leave one that has no answer yet. */
  const leaving: string[] = [];
  /** What the last `connect` asked for. */
  let named: Subscription[] = [];
  let hadSession = false;

  /** Asks for what is wanted and not asked for, and leaves what is not wanted any more. */
  function reconcile(): void {
    if (!isConnected()) return;
    for (const [channel, { subscription }] of asked) {
      if (wanted.get(channel) === subscription) continue;
      asked.delete(channel);
      leaving.push(channel);
      command(`"unsubscribe":${JSON.stringify({ channel })}`, () => {
        leaving.splice(leaving.indexOf(channel), 1);
      });
    }
    for (const subscription of wanted.values()) {
      // Every session is in /all. What is still asked for here is so for this subscription.
      if (subscription.channel !== ALL_CHANNEL && !asked.has(subscription.channel)) {
        ask(subscription);
      }
    }
  }

  /** Asks for a channel, once its token is there. */
  function ask(subscription: Subscription): void {
    const { channel, position, options: { token, info } } = subscription;
    const asking = { subscription };
    const send = (text?: string | null, error?: ChloeError) => {
      // Else the page has left it since, or there is another session and it was asked for again.
      if (asked.get(channel) === asking) {
        if (error) answered(subscription, error);
        else if (isConnected()) {
          subscription.recovers = true;
          const body = { channel, since: position, token: text || undefined, info };
          command(
            `"subscribe":${JSON.stringify(body)}`,
            (error, ok) => answered(subscription, error, ok),
          );
        } else asked.delete(channel); // asked for when the session goes on
      }
    };
    asked.set(channel, asking);
    if (typeof token !== "function") send(token);
    else fetchToken(token, channel).then(send, (error) => send(null, error));
  }

  /** Takes what Chloe says to being in a channel: why not, or not any more, or else how it begins. */
  function answered(
    subscription: Subscription,
    why: Why | undefined,
    answer: Subscribed = {},
  ): void {
    const { channel, began } = subscription;
    // The page has left it since, or left and come again: then another answer is under way.
    if (wanted.get(channel) !== subscription) return;
    if (why) {
      // The session is gone, not the wish: the next `connect` asks again, and `closed` sees to the rest.
      if (NOBODYS_FAULT.test(why.code)) return;
      asked.delete(channel);
      const error = refusal(why, channel);
      // A subscription that once was, and may be again, is asked for with the next session.
      if (!began || !why.retry) {
        wanted.delete(channel);
        for (const { ended } of subscription.subscribers) if (ended) ended(error);
      }
      return began ? failed(error) : settle(subscription, error);
    }
    subscription.recovers = false;
    const { epoch, offset, recovered, messages, presence } = answer;
    subscription.position = epoch ? { epoch, offset: offset! } : undefined;
    if (began && !recovered) emit("gap", channel, null);
    settle(subscription);
    for (const push of messages || []) deliver({ ...push, channel });
    if (presence) present(subscription, presence);
  }

  /** Tells those who wait, if there are still any. */
  function settle(subscription: Subscription, error?: ChloeError): void {
    subscription.began = true;
    subscription.start.settle(error);
  }

  function deliver(push: Push): void {
    const { channel, data, offset } = push;
    const subscription = wanted.get(channel!);
    // What was on its way when the page left the channel is for nobody.
    let isTaken = asked.has(channel!) || leaving.includes(channel!);
    if (subscription) {
      const { position, subscribers, recovers } = subscription;
      if (position && offset) {
        // It comes with the answer, in its place; until then it is another tab's.
        if (recovers) return;
        position.offset = offset;
      }
      isTaken = false;
      for (const { handler } of subscribers) {
        if (!handler) continue;
        guard(handler, data, push);
        isTaken = true;
      }
    }
    if (!isTaken) emit("message", data, push);
  }

  function present({ subscribers }: Subscription, who: Who): void {
    for (const { presence } of subscribers) if (presence) guard(presence, who);
  }

  return {
    add(text, subscriber) {
      const channel = nameOf(text);
      // Throws what JSON cannot say here, and not with each connection.
      JSON.stringify(subscriber.info);
      const subscription: Subscription = wanted.get(channel) || {
        channel,
        subscribers: [],
        options: {},
        start: deferred(),
      };
      wanted.set(channel, subscription);
      subscription.subscribers = [...subscription.subscribers, subscriber];
      subscription.options = { ...subscription.options, ...subscriber };
      if (channel === ALL_CHANNEL) settle(subscription);
      else reconcile();
      return subscription.start.promise;
    },
    remove(text, handler) {
      const channel = nameOf(text);
      const subscription = wanted.get(channel);
      if (!subscription) return;
      subscription.subscribers = subscription.subscribers.filter((each) => {
        const stays = handler && each.handler !== handler;
        if (!stays && each.ended) each.ended();
        return stays;
      });
      if (subscription.subscribers[0]) return;
      wanted.delete(channel);
      settle(subscription, new ChloeError("closed", "unsubscribed"));
      reconcile();
    },
    forConnect(left) {
      // No prototype: a channel may be called __proto__.
      const subscribe: NamedChannels = Object.create(null);
      named = [];
      for (const subscription of wanted.values()) {
        const { channel, position, options: { token, info } } = subscription;
        // A connection waits for no channel's token.
        if (channel === ALL_CHANNEL || typeof token === "function") continue;
        const entry = { ...position, token, info } as NamedChannels[string];
        // A character of JavaScript's has three bytes at most.
        left -= 3 * JSON.stringify([channel, entry]).length;
        if (left < 0) break;
        subscribe[channel] = entry;
        named.push(subscription);
      }
      return subscribe;
    },
    begun({ resumed, subscribed }) {
      if (!resumed) {
        // What was for everyone, for the session or its user, or of channels that the app chose.
        if (hadSession) emit("gap", ALL_CHANNEL, null);
        hadSession = true;
        asked.clear();
        // What the app has put this session into besides is the app's business.
        for (const subscription of named) {
          const { channel } = subscription;
          const answer = subscribed[channel];
          // Not heard of it: then it is asked for below.
          if (!answer) continue;
          asked.set(channel, { subscription });
          answered(subscription, answer.error, answer);
        }
      }
      reconcile();
    },
    pushed(frame) {
      if ("data" in frame) return deliver(frame as Push);
      const { channel, unsubscribed, expires, gap, presence } = frame as Told;
      const subscription = wanted.get(channel);
      if (unsubscribed || expires) {
        asked.delete(channel);
        // There may be another token by now, and what came between is recovered with it.
        if (expires || unsubscribed!.code === "token_expired") reconcile();
        else if (subscription) answered(subscription, unsubscribed);
      } else if (gap) {
        emit("gap", channel, gap.missed);
      } else if (subscription) {
        present(subscription, presence || frame as Who);
      }
    },
    closed(error) {
      for (const subscription of wanted.values()) {
        if (subscription.began) continue;
        wanted.delete(subscription.channel);
        settle(subscription, error);
      }
    },
  };
}
