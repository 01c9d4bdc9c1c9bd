/**
 * Every code that Chloe says to a browser: why a command was refused, and why a connection was closed.
 * Texts are for developers reading a console; programs decide by the code.
 *
 * @module
 */

/** A refusal: what `error` holds in an answer of protocol 2. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  /** Whether the same command may succeed if it is sent again later. */
  readonly retry: boolean;
}

/** Refusals by code, with what to do about each. */
export const ERRORS = {
  bad_frame: { message: "A frame is one JSON object on one line", retry: false },
  bad_command: { message: "That command or one of its members is not known here", retry: false },
  bad_channel: {
    message:
      "A channel name has 1 to 200 characters, no control characters, no white space at its ends",
    retry: false,
  },
  not_connected: { message: "Send connect first", retry: false },
  already_connected: { message: "This connection has a session already", retry: false },
  out_of_order: { message: "Command ids count 1, 2, 3, ... in a session", retry: false },
  forbidden: { message: "No rule for that channel lets you do that", retry: false },
  channel_full: { message: "The channel has as many subscribers as may be", retry: true },
  revoked: { message: "The app, or the channel's new rule, took you out", retry: false },
  not_subscribed: { message: "Subscribe to the channel first", retry: false },
  too_many_subscriptions: { message: "Unsubscribe from another channel first", retry: false },
  too_large: {
    message: "Send less at once: maxBytes in connected is the bound of one line",
    retry: false,
  },
  too_fast: { message: "Too many commands at once: send it again a little later", retry: true },
  too_many_connections: {
    message: "Your address has as many connections as may be: close one, or try again later",
    retry: true,
  },
  no_app: { message: "No app is configured to take it: set app.url", retry: false },
  busy: { message: "Too many messages wait: try again later", retry: true },
  app_refused: { message: "The app refused the message", retry: false },
  app_unreachable: {
    message: "The app did not answer in time: try again later",
    retry: true,
  },
  connect_refused: { message: "The app does not let you connect", retry: false },
  bad_token: { message: "The token is not good for this: get another from the app", retry: false },
  token_expired: { message: "The token has expired: get a new one", retry: true },
  unknown_session: { message: "That session is not known here: connect anew", retry: false },
  taken_over: {
    message: "Another transport has the session: connect with its resume secret to take it back",
    retry: true,
  },
  unsupported: { message: "This server does not offer that", retry: false },
  full: { message: "The server has no room for another connection: try again later", retry: true },
  shutting_down: { message: "The server is going away: connect again later", retry: true },
} as const;

/** The code of a refusal, stable across versions. */
export type ErrorCode = keyof typeof ERRORS;

/** The body of a refusal by its code, with a more exact `message` where one is known. */
export function errorBody(code: ErrorCode, message: string = ERRORS[code].message): ErrorBody {
  return { code, message, retry: ERRORS[code].retry };
}

/** Why a connection ends: a WebSocket close code, and whether its client should come back. */
export interface Close {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: boolean;
}

/**
 * Closes by name. 1000 to 1015 as in RFC 6455, section 7.4; of our own, 3000 to 3499 ask the client to come
 * back and 3500 to 3999 do not.
 */
export const CLOSES = {
  replaced: { code: 3501, reason: "taken over by another transport", reconnect: false },
  shutdown: { code: 3001, reason: "shutdown", reconnect: true },
  noAnswer: { code: 3002, reason: "no answer to ping", reconnect: true },
  noConnect: { code: 3003, reason: "no connect in time", reconnect: true },
  fault: { code: 3004, reason: "internal error", reconnect: true },
  full: { code: 3005, reason: "no room, or no answer from the app", reconnect: true },
  tokenExpired: { code: 3006, reason: "token expired", reconnect: true },
  byAppForNow: { code: 3007, reason: "disconnected by the app", reconnect: true },
  slowReader: { code: 3008, reason: "slow reader", reconnect: true },
  tooFast: { code: 3009, reason: "too many commands", reconnect: true },
  byApp: { code: 3500, reason: "disconnected by the app", reconnect: false },
  refused: { code: 3502, reason: "connect refused", reconnect: false },
  badFrame: { code: 3503, reason: "protocol violation", reconnect: false },
  binary: { code: 1003, reason: "binary messages are not taken", reconnect: false },
  policy: { code: 1008, reason: "policy", reconnect: false },
  tooBig: { code: 1009, reason: "message too big", reconnect: false },
} as const satisfies Record<string, Close>;

/**
 * A peer broke the protocol in a way that ends its connection. The message is for the peer: it says nothing
 * about our insides.
 */
export class ProtocolError extends Error {
  override name = "ProtocolError";

  /** @param retryAfterS In how many seconds another try may succeed, where that is known. */
  constructor(
    readonly code: ErrorCode,
    readonly close: Close,
    message?: string,
    readonly retryAfterS?: number,
  ) {
    super(message ?? ERRORS[code].message);
  }
}
