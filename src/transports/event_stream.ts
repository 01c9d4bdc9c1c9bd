import type { Close } from "../protocol/codes.ts";
import { type Entry, eventBytes } from "../hub/entry.ts";
import type { Counters } from "../hub/counters.ts";
import type { Session } from "../hub/session.ts";
import type { Transport } from "../hub/transport.ts";

/** As for a socket: how far Deno may be ahead of the browser, beyond what the kernel's buffers take. */
const MAX_AHEAD_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Whether frames are wrapped into events here, or written as events by their codec. */
export type EventForm = "frames" | "events";

/** A `text/event-stream` as a session's transport. */
export class EventStream implements Transport {
  readonly kind: string;
  readonly oneShot = false;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Whose it is; set by who begins the session. */
  session: Session | null = null;
  readonly #form: EventForm;
  readonly #counters: Counters;
  readonly #addressKey: string;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #open = true;
  /** It was told to go, and has yet to take what was written to it before: it still holds a file. */
  #closing = false;

  /** @param addressKey Who it counts for, as {@linkcode Peer.addressKey} has it. */
  constructor(form: EventForm, counters: Counters, addressKey: string = "") {
    this.kind = form === "frames" ? "events" : "eventsource";
    this.#form = form;
    this.#counters = counters;
    this.#addressKey = addressKey;
    counters.enter(addressKey);
    // A plain stream: of the ways to make one, only this is told when the browser goes.
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#onRead(),
      cancel: () => this.#onGone(),
    }, { highWaterMark: MAX_AHEAD_BYTES, size: (chunk) => chunk.byteLength });
  }

  /** Whether the browser is still there and was not told to go. */
  get isOpen(): boolean {
    return this.#open;
  }

  get writable(): boolean {
    return this.#open && this.#controller.desiredSize! > 0;
  }

  write(entry: Entry): void {
    this.#controller.enqueue(this.#form === "frames" ? entry.event : entry.raw);
  }

  flush(): void {} // each write has left

  control(frame: string): void {
    if (!this.#open) return;
    this.#controller.enqueue(this.#form === "frames" ? eventBytes(frame) : encoder.encode(frame));
  }

  close(_close: Close, farewell: string | null): void {
    if (!this.#open) return;
    if (farewell !== null) this.control(farewell);
    if (!this.#open) return; // gone while it was told
    this.#open = false;
    this.session = null;
    this.#closing = true;
    this.#counters.connectionsClosing++;
    this.#onRead();
  }

  /** Called when something was read. Who was told to go is gone when it has read all. */
  #onRead(): void {
    if (!this.#closing || this.#controller.desiredSize! < MAX_AHEAD_BYTES) return;
    this.#onClosed();
    this.#controller.close();
  }

  #onClosed(): void {
    this.#closing = false;
    this.#counters.leave(this.#addressKey);
    this.#counters.connectionsClosing--;
  }

  /**
   * Called when the browser is gone: by Deno, or from within `enqueue`, where that is how Deno finds out.
   */
  #onGone(): void {
    if (this.#closing) return this.#onClosed();
    if (!this.#open) return;
    this.#open = false;
    this.#counters.leave(this.#addressKey);
    const session = this.session;
    this.session = null;
    session?.detach(this);
  }
}

/** The headers of every event stream. */
export const EVENT_STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx collects an answer before it passes it on, unless it is told not to.
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
};
