import type { Revocation } from "../protocol/codec.ts";
import type { Close } from "../protocol/codes.ts";
import type { RuleBook } from "./rules.ts";
import type { Session, SessionBounds } from "./session.ts";
import type { SessionKeys } from "./session_keys.ts";
import type { TurnOptions } from "./turn.ts";

/** Whom a message is for. Channel names are as `channelName` gives them. */
export type Target =
  | { readonly kind: "all" }
  | { readonly kind: "channel"; readonly channel: string }
  | { readonly kind: "session"; readonly session: string }
  | { readonly kind: "user"; readonly user: string };

/** Who is told of what comes and goes. It is called in the midst of it: it only takes note. */
export interface HubListener {
  subscribed(session: Session, channel: string, info: string | null): void;
  /** Not at the end of a session, which ends all of its subscriptions. */
  unsubscribed(session: Session, channel: string, why: Revocation | "asked"): void;
  /** @param close Why; `null`: its browser has gone. */
  ended(session: Session, close: Close | null): void;
  /** The first came, or the last went. */
  occupied(channel: string): void;
  vacated(channel: string): void;
}

/** How somebody is put into a channel. */
export interface Placement {
  /** How the session's protocol spells the channel in pushes. */
  readonly label?: string;
  /** What others are told of the session, as JSON text. */
  readonly info?: string | null;
  /** Until when it may stay, on the hub's clock; `null`: for as long as it likes. */
  readonly untilMs?: number | null;
  /** The app was asked: it is not told once more. */
  readonly appKnows?: boolean;
  /** The app puts it there by itself: the channel's rule does not bind it, nor does a later one. */
  readonly byApp?: boolean;
}

/** What of a hub can be changed while it runs, by `configure`. */
export interface HubSettings {
  readonly bounds: SessionBounds;
  readonly rules: RuleBook;
  /** What the histories of all channels may count for, in bytes. Default: 64 MiB. */
  readonly historyBytes?: number;
  /** What may wait for all sessions together, in bytes of memory. Default: any number. */
  readonly queuedBytes?: number;
  /** For how long an address is banned that sent far too much, in milliseconds. Default: not at all. */
  readonly banMs?: number;
  /** Subscriptions that one session may have. */
  readonly maxSubscriptions: number;
  /** Sessions that may be at once, those without a transport included. */
  readonly maxSessions: number;
}

/** How the hub is set up. The clock and the scheduler are the caller's, so that tests own time. */
export interface HubOptions extends TurnOptions, HubSettings {
  readonly keys: SessionKeys;
  /** Tells this run of the server from others. */
  readonly boot?: string;
  readonly listener?: HubListener | null;
  /** The time of day in milliseconds since 1970. Default: `Date.now`. */
  timeOfDay?(): number;
}
