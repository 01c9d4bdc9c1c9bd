import { Buffer } from "node:buffer";
import { getLogger } from "@logtape/logtape";
import { type Close, CLOSES, ProtocolError } from "../protocol/codes.ts";
import { errorText } from "../web/error_text.ts";
import type { Entry } from "../hub/entry.ts";
import type { Hub } from "../hub/hub.ts";
import type { Session } from "../hub/session.ts";
import type { Timed } from "../hub/timer_wheel.ts";
import type { Transport } from "../hub/transport.ts";

const logger = getLogger(["chloe", "transports", "websocket"]);

/** A socket is handed at most this much more than its peer took: what Deno holds cannot be taken back. */
const MAX_AHEAD_BYTES = 64 * 1024;

/** Of one UTF-16 unit. */
const MAX_UTF8_BYTES = 3;

/** A socket that has no session by then, and does not wait for one, is closed. */
const SESSION_WITHIN_MS = 10_000;

/** Messages from this length on have V8 look for garbage sooner, and are no mistake where they are too long. */
const HUGE_BYTES = 1024 * 1024;

/** What Deno says where it refuses a frame of 64 MiB or more; it closes without a code. */
const FRAME_TOO_LARGE = "Frame too large";

/** Close codes by which a browser says why it closes (RFC 6455, section 7.4.1). */
const NORMAL = 1000;
const GOING_AWAY = 1001;

/**
 * What a page that goes away leaves of its session's grace time: it cannot come back itself, but another tab
 * may go on for it, and a reload should not look as if its user had left.
 */
const GOING_AWAY_GRACE_MS = 10_000;

/** What every transport over a socket has to hear: to listen for one more is 0.3 KB for each connection. */
const EVENTS = ["message", "close", "error"] as const;

/** What a socket is made with. */
export interface SocketOptions {
  readonly hub: Hub;
  /** Who it counts for, where there is a limit for each address. */
  readonly addressKey: string;
  /** Bound of what is kept while the app is asked about the session. */
  readonly maxEarlyLength: number;
}

/**
 * A WebSocket as a session's transport. One object is all there is per connection: it is also the socket's
 * event listener, so that ten thousand connections hold no closures.
 */
export abstract class SocketTransport implements Transport, Timed {
  abstract readonly kind: string;
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;
  readonly oneShot = false;
  protected readonly socket: WebSocket;
  protected session: Session | null = null;
  readonly #hub: Hub;
  readonly #addressKey: string;
  #pending = "";
  /** The bytes in it, its line breaks included. */
  #pendingBytes = 0;
  /** What may wait in the socket at most: what it said when it was last asked, and what it was handed since. */
  #aheadBytes = 0;
  /** We said goodbye, or the peer did. */
  #closing = false;
  #gone = false;
  /** What came while the app was asked about the session, and how long that is. */
  #early: string[] | null = null;
  #earlyLength = 0;
  readonly #maxEarlyLength: number;

  constructor(socket: WebSocket, { hub, addressKey, maxEarlyLength }: SocketOptions) {
    this.socket = socket;
    this.#hub = hub;
    this.#addressKey = addressKey;
    this.#maxEarlyLength = maxEarlyLength;
    hub.counters.enter(addressKey);
    hub.wheel.schedule(this, hub.now() + SESSION_WITHIN_MS);
    socket.binaryType = "arraybuffer";
    for (const type of EVENTS) socket.addEventListener(type, this);
  }

  /** How long a message may be, in bytes. */
  protected abstract get maxBytes(): number;
  /** A text message came, of whatever length. May throw a ProtocolError, which ends the connection. */
  protected abstract take(text: string): void;
  /** The last words of this transport's protocol to a peer that broke it. */
  protected abstract lastWords(error: ProtocolError): string | null;
  /** The socket is open: called where the subclass listens for that, too. */
  protected opened(): void {}
  /** The socket is open, and there is no session yet. */
  protected overdue(): void {}

  /** Called by the timer wheel. */
  onTimer(): void {
    if (this.#closing || this.session !== null || this.#early !== null) return;
    // Of a handshake that was broken off Deno 2.9 says nothing at all.
    if (this.socket.readyState === WebSocket.CONNECTING) this.#onClose();
    else this.overdue();
  }

  /** Goes on with `session`; what comes until it is there waits for it. */
  protected goOnWith(session: Session | Promise<Session>): void {
    this.#hub.wheel.cancel(this);
    if (!(session instanceof Promise)) {
      this.session = session;
      return;
    }
    this.#early = [];
    session.then((session) => {
      const early = this.#early ?? [];
      this.#early = null;
      if (this.#closing) return session.detach(this);
      this.session = session;
      for (const text of early) {
        if (!this.#closing) this.take(text);
      }
    }).catch((error) => this.fail(error));
  }

  /** Whether what comes has to wait for the session. */
  protected get isWaiting(): boolean {
    return this.#early !== null;
  }

  /** Keeps a text until the session is there. */
  protected keepForLater(text: string): void {
    this.#earlyLength += text.length;
    if (this.#earlyLength > this.#maxEarlyLength) {
      throw new ProtocolError("too_large", CLOSES.tooBig);
    }
    this.#early!.push(text);
  }

  /** The listener of all of the socket's events. An exception that left it would end the process. */
  handleEvent(event: Event): void {
    try {
      switch (event.type) {
        case "open":
          return this.opened();
        case "message":
          return this.#onMessage((event as MessageEvent).data);
        case "close":
          return this.#onClose((event as CloseEvent).code);
        case "error":
          if ((event as ErrorEvent).message === FRAME_TOO_LARGE) {
            this.#hub.counters.limitsHit.maxBytesClosed++;
            this.#ban();
          }
          // A handshake that was broken off: Deno 2.7 says nothing more.
          if (this.socket.readyState === WebSocket.CLOSED) return this.#onClose();
      }
    } catch (error) {
      this.fail(error);
    }
  }

  get isClosing(): boolean {
    return this.#closing;
  }

  get writable(): boolean {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    if (this.#aheadBytes + this.#pendingBytes < MAX_AHEAD_BYTES) return true;
    // Only now: to ask each of ten thousand sockets in each turn is a twelfth of what a fan-out costs.
    this.#aheadBytes = this.socket.bufferedAmount;
    return this.#aheadBytes + this.#pendingBytes < MAX_AHEAD_BYTES;
  }

  write(entry: Entry): void {
    this.#pending = this.#pending === "" ? entry.text : `${this.#pending}\n${entry.text}`;
    this.#pendingBytes += entry.bytes + 1;
  }

  flush(): void {
    const text = this.#pending;
    const bytes = this.#pendingBytes;
    this.#pending = "";
    this.#pendingBytes = 0;
    this.send(text, bytes);
  }

  control(frame: string): void {
    this.send(frame);
  }

  /** @param bytes How long it is at most. */
  protected send(text: string, bytes: number = text.length * MAX_UTF8_BYTES): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.#aheadBytes += bytes;
    this.socket.send(text);
  }

  close(close: Close, farewell: string | null): void {
    this.session = null;
    this.#pending = "";
    this.#pendingBytes = 0;
    if (this.#closing) return;
    this.#closing = true;
    this.#hub.counters.connectionsClosing++;
    if (farewell !== null) this.send(farewell);
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close(close.code, close.reason);
    this.#hub.wheel.cancel(this);
  }

  /** Ends the connection and its session because of `error`. */
  protected fail(error: unknown): void {
    const session = this.session;
    session?.flush();
    if (error instanceof ProtocolError) {
      logger.debug("Closed a connection: {message}", { message: error.message });
      this.#hub.counters.refuseFrame(error.code);
      if (error.close === CLOSES.tooBig) this.#hub.counters.limitsHit.maxBytesClosed++;
      // Not where it is the ban by which it is refused.
      if (error.close === CLOSES.tooFast && error.retryAfterS === undefined) this.#ban();
      this.#hub.counters.countClose(error.close.code);
      this.close(error.close, this.lastWords(error));
    } else {
      this.#hub.counters.faults++;
      logger.error("Cannot go on with a connection: {error}", { error: errorText(error) });
      this.#hub.counters.countClose(CLOSES.fault.code);
      this.close(CLOSES.fault, null);
    }
    session?.end(null);
  }

  /** @param data `null` where the connection broke before Deno took hold of what had come. */
  #onMessage(data: string | ArrayBuffer | null): void {
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : data?.byteLength ?? 0;
    // Whatever becomes of it: to take it cost what it cost.
    if (bytes >= HUGE_BYTES && bytes > this.maxBytes) this.#ban();
    if (this.#closing) return;
    this.#hub.counters.bytesIn += bytes;
    if (typeof data !== "string") {
      throw new ProtocolError("bad_frame", CLOSES.binary, CLOSES.binary.reason);
    }
    // V8 would let such texts lie until they are a gigabyte or more. Memory that it counts and that nobody
    // touches, so that the system gives none, has it look sooner.
    if (bytes >= HUGE_BYTES) new ArrayBuffer(data.length);
    if (this.#early === null) this.take(data);
    else this.keepForLater(data);
  }

  /** Who floods, or has Deno stop for a tenth of a second by one huge message, may not come back at once. */
  #ban(): void {
    this.#hub.bans.add(this.#addressKey, this.#hub.now());
  }

  /** @param code What the peer said, where it said anything. */
  #onClose(code?: number): void {
    if (this.#gone) return; // Deno 2.9 may say it twice
    this.#gone = true;
    this.#hub.wheel.cancel(this);
    this.#hub.counters.leave(this.#addressKey);
    if (this.#closing) this.#hub.counters.connectionsClosing--;
    else if (code !== undefined) this.#hub.counters.countPeerClose(code);
    this.#closing = true;
    const session = this.session;
    this.session = null;
    if (session !== null) this.#hub.noteFrames(session);
    if (code === NORMAL) session?.end(null);
    else session?.detach(this, code === GOING_AWAY ? GOING_AWAY_GRACE_MS : undefined);
  }
}
