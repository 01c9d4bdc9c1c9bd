import type { ErrorCode } from "../src/protocol/codes.ts";

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

/** The codes that say no more than that the session, or all of it, is over. */
export const NOBODYS_FAULT = /^(closed|unknown_outcome)$/;

/** An error with a code to decide by; the message is for a developer's eyes. */
export class ChloeError extends Error {
  readonly code: ChloeErrorCode;
  /** Whether the same may succeed if it is tried again later. */
  readonly retry: boolean;
  /** The channel that it is about, where there is one. */
  readonly channel: string | undefined;

  constructor(code: ChloeErrorCode, message: string, retry = false, channel?: string) {
    super(message);
    this.name = "ChloeError";
    this.code = code;
    this.retry = retry;
    this.channel = channel;
  }
}

/**
 * Calls a function of the page's for a token. Rejects with `no_token` where it fails.
 *
 * @param channel What the token is for; without one, for the connection.
 */
export function fetchToken<T>(
  give: (channel: string) => T | Promise<T>,
  channel?: string,
): Promise<T> {
  return Promise.resolve(channel!).then(give).catch((error) => {
    throw new ChloeError("no_token", `No token: ${error}`, true, channel);
  });
}

/** The error that Chloe's own words make. */
export function refusal(
  body: { readonly code: string; readonly message: string; readonly retry?: boolean },
  channel?: string,
): ChloeError {
  return new ChloeError(body.code as ChloeErrorCode, body.message, body.retry, channel);
}
