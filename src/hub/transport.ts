import type { Close } from "../protocol/codes.ts";
import type { Entry } from "./entry.ts";

/**
 * The way out to one browser: a socket, a stream, or the one answer of a poll.
 *
 * A session calls `write` for each entry and then `flush` once. No method throws: a transport that finds its
 * peer gone tells the session by {@linkcode Session.detach}.
 */
export interface Transport {
  /** For logs and counts: `websocket`, `events`, `poll`, ... */
  readonly kind: string;
  /** Whether it is spent by its first flush, as the answer to a poll is. */
  readonly oneShot: boolean;
  /** Whether it takes another entry now; false from 64 KiB on that its peer has not taken. */
  readonly writable: boolean;
  /** Takes an entry; it may leave at once or with the flush that follows. */
  write(entry: Entry): void;
  /** Sends what was written. A one-shot transport answers, with nothing where nothing was written. */
  flush(): void;
  /** Sends a frame that has no number: a ping. */
  control(frame: string): void;
  /**
   * Says goodbye and closes. The transport is not used again, and does not call back.
   *
   * @param farewell The protocol's last frame, where it has one.
   */
  close(close: Close, farewell: string | null): void;
}
