import type { Environment } from "../environment.ts";
import type { ChloeError } from "../errors.ts";
import type { Session } from "../session.ts";

/**
 * A way to Chloe and back. All have this small surface, a WebSocket's, so that nothing above them knows
 * which one is in use.
 */
export interface Transport {
  /** Sends one line. What cannot be sent is dropped in silence: the session repeats it on the next one. */
  send(line: string): void;
  /**
   * Stops. What its listener is told afterwards is not listened to any more.
   *
   * @param code What a WebSocket is closed with: 1000 ends the session, all else leaves it to the next transport.
   */
  close(code?: number): void;
}

/** What a transport is told when it is made. */
export interface TransportOptions {
  /** Where Chloe is, without a slash at the end: `http://localhost:8901`. */
  readonly base: string;
  readonly environment: Environment;
  /**
   * The first line. Asked for when it leaves: from then on nothing is heard from the transport before, so this
   * is called once the network has let this one through, where that can be known.
   *
   * @param isThrough Whether it has.
   */
  connect(isThrough?: boolean): string;
  /** Whose requests they are, and how many bytes may leave at once. */
  readonly session: Session;
}

/** Who a transport speaks to. It is never called while the transport is being made. */
export interface TransportListener {
  /** One or more frames, a line each. */
  text(text: string): void;
  /** It is gone. What is said after the first time is not listened to. */
  lost(reason: string, why?: Lost): void;
}

/** What else is known of why a transport is gone. */
export interface Lost {
  /** The close code of a WebSocket. */
  readonly code?: number;
  /** What Chloe said, where she did. */
  readonly error?: ChloeError | undefined;
}

/** One kind of transport. */
export interface TransportKind {
  readonly name: string;
  /** Whether it has to be told to say how many frames were taken: a poll says so of itself. */
  readonly acknowledges: boolean;
  supported(environment: Environment): unknown;
  /** Makes one. Throws where the platform forbids it, as a page that came by https may not open ws://. */
  open(options: TransportOptions, listener: TransportListener): Transport;
}

/** The frame that a line holds, or the body of a refusal; `null` where it is none of Chloe's. */
// deno-lint-ignore no-explicit-any -- the server's word, which is looked at by who knows the frames
export function parse(line: string): Record<string, any> | null {
  try {
    const frame = JSON.parse(line);
    const isFrame = typeof frame === "object" && !Array.isArray(frame);
    // Gateways, too, say `error`; only Chloe says whether to try again.
    return isFrame && !(frame.error && frame.error.retry === undefined) ? frame : null;
  } catch {
    return null;
  }
}
