/**
 * The frames of protocol 2 as they stand on the wire: each is one JSON object on one line.
 * docs/protocol.md says what they mean; this file is the one place that says how they are spelled.
 *
 * @module
 */
import type { ErrorBody } from "./codes.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [key: string]: Json;
};

/** Where a reader of a channel stood, to recover from. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** How a page wants to be in a channel. */
export interface Entering {
  /** Lets it in where the channel's rule asks for a token. */
  readonly token?: string;
  /** What others are told of it where the channel tells who is there: at most 1 KiB as JSON text. */
  readonly info?: Json;
}

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

/** The first frame on any transport. */
export interface Connect {
  /** Says who the user is. */
  readonly token?: string;
  /** Name and version of the client, for logs. */
  readonly client?: string;
  /** Channels to be in, each with the position to recover from, or `{}`. */
  readonly subscribe?: Readonly<Record<string, Partial<Position> & Entering>>;
  /** The secret of the session to bring back. */
  readonly resume?: string;
  /** How many frames of that session have been taken. */
  readonly received?: number;
}

/** What a browser may ask for once it is connected. */
export type Command =
  | { readonly subscribe: { readonly channel: string; readonly since?: Position } & Entering }
  | { readonly unsubscribe: { readonly channel: string } }
  | { readonly send: { readonly data: Json } }
  | { readonly publish: { readonly channel: string; readonly data: Json } }
  | { readonly presence: { readonly channel: string } }
  /** A new token for the session, before the old one ends. */
  | { readonly refresh: { readonly token: string } };

/** A frame from browser to Chloe. */
export type ClientFrame =
  | { readonly connect: Connect }
  | ({ readonly id?: number } & Command)
  | { readonly received: number }
  | Record<string, never>;

/** What a subscription begins with. */
export interface Subscribed {
  readonly epoch?: string;
  readonly offset?: number;
  /** Present when a position was given: whether all that followed it is in `messages`. */
  readonly recovered?: boolean;
  readonly messages?: readonly Push[];
  /** Where the channel tells who is there. */
  readonly presence?: Presence;
  readonly error?: ErrorBody;
}

/** The answer to `connect`. */
export interface Connected {
  readonly session: string;
  readonly resume: string;
  readonly resumed: boolean;
  /** The number before the next frame's. */
  readonly from: number;
  /** The id of the last command that was taken. */
  readonly lastId: number;
  /** Seconds between pings. */
  readonly ping: number;
  /** Bound of one line, in bytes. */
  readonly maxBytes: number;
  /** Seconds until the session's token ends, where it does. */
  readonly expires?: number;
  readonly subscribed: Readonly<Record<string, Subscribed>>;
  /** What the app answered to the connect event, where it was asked. */
  readonly data?: Json;
}

/** A message to a channel's subscribers, or, without `channel`, to this session or its user alone. */
export interface Push<T = Json> {
  readonly channel?: string;
  readonly data: T;
  readonly offset?: number;
  /** Who published it, where it was a page and the channel tells who is there. */
  readonly by?: { readonly session: string; readonly user: string | null };
}

/** A frame from Chloe to browser. */
export type ServerFrame =
  | { readonly connected: Connected }
  | { readonly id: number; readonly ok: Readonly<Record<string, Json>> }
  | { readonly id?: number; readonly error: ErrorBody }
  | Push
  | {
    readonly channel: string;
    readonly unsubscribed: { readonly code: string; readonly message: string };
  }
  | { readonly channel: string; readonly expires: number }
  | { readonly channel: string; readonly gap: { readonly missed: number } }
  | { readonly channel: string; readonly join: readonly Member[] }
  | { readonly channel: string; readonly leave: readonly Member[] }
  | { readonly channel: string; readonly presence: Presence }
  | {
    readonly bye: {
      readonly code: number;
      readonly reason: string;
      readonly reconnect: boolean;
      /** Come back after a random time between these two, in milliseconds. */
      readonly after?: readonly [number, number];
    };
  }
  | { readonly from: number }
  | Record<string, never>;
