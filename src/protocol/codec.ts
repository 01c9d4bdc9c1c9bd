import type { Close, ErrorBody } from "./codes.ts";
import type { Position } from "./frames.ts";

/** Why a subscription ended that its subscriber did not end. */
export type Revocation = "revoked" | "token_expired";

/** What there may be to say of a message beside its data. */
export interface PushDetails {
  /** Where it stands in its channel's history, where that is kept. */
  readonly position: Position | null;
  /** Who published it, as JSON text, where it was a browser and the channel tells who is there. */
  readonly by: string | null;
}

/**
 * How one protocol writes what Chloe says to a browser.
 *
 * Nothing in a push differs per subscriber: all sessions with one codec and one label share one string.
 */
export interface Codec {
  readonly name: string;
  /** Whether its peers say how many frames they took; where they do not, what is written is forgotten. */
  readonly acknowledged: boolean;
  /** Whether its peers answer a ping; where they do not, silence ends no connection. */
  readonly answersPing: boolean;
  /** What keeps an idle connection alive, or `null` where the transport sees to that itself. */
  readonly ping: string | null;
  /** What stands between two frames that leave together. */
  readonly separator: string;

  /**
   * A message as one frame.
   *
   * @param label The channel as its subscriber spells it; `null` for a message to one session or user.
   * @param data JSON text on one line.
   * @param more What else there is to say of it.
   */
  push(label: string | null, data: string, more?: PushDetails): string;
  /** The answer to a command; `ok` is the JSON text of an object. */
  ok(id: number, ok: string): string;
  /** A refusal; without `id` where the frame had none that could be read. */
  error(id: number | null, body: ErrorBody): string;
  // Where a protocol has no words for one of the following, it gives `null`.

  /** Tells a subscriber that it was taken out of a channel. */
  unsubscribed(label: string, why: Revocation): string | null;
  /** Tells a subscriber that its token for a channel ends in so many seconds: time to show another. */
  expires(label: string, seconds: number): string | null;
  /** Tells a slow reader how many messages of a channel were dropped. */
  gap(label: string, missed: number): string | null;
  /** Tells who came, went or is there; `what` is a member of the frame as JSON text: `"join":[...]`. */
  presence(label: string, what: string): string | null;
  /** The last frame before a close, or `null` where the protocol has none. */
  bye(close: Close): string | null;
}
