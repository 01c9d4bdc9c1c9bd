import type { Close } from "../../src/protocol/codes.ts";
import type { Entry } from "../../src/hub/entry.ts";
import type { Transport } from "../../src/hub/transport.ts";

/** How a transport behaves that is none. */
export interface FakeTransportOptions {
  readonly oneShot?: boolean;
  /** Bytes that it takes until the test drains it. Default: any number. */
  readonly capacity?: number;
}

/** A transport that keeps what it was given. */
export class FakeTransport implements Transport {
  readonly kind = "fake";
  readonly oneShot: boolean;
  /** The number before the first frame. */
  from = 0;
  /** Each write of the way out: what one flush brought. */
  readonly writes: string[] = [];
  readonly entries: Entry[] = [];
  readonly controls: string[] = [];
  closed: { readonly close: Close; readonly farewell: string | null } | null = null;
  #pending: string[] = [];
  #capacity: number;
  #taken = 0;

  constructor({ oneShot = false, capacity = Infinity }: FakeTransportOptions = {}) {
    this.oneShot = oneShot;
    this.#capacity = capacity;
  }

  get writable(): boolean {
    return this.closed === null && this.#taken < this.#capacity;
  }

  /** All frames, in order. */
  get frames(): string[] {
    return this.entries.flatMap((entry) => entry.text.split("\n"));
  }

  /** The data of all pushes, in order. */
  get data(): unknown[] {
    return this.frames.map((frame) => JSON.parse(frame).data);
  }

  write(entry: Entry): void {
    if (this.closed !== null) throw new Error("Cannot write: closed");
    this.#taken += entry.bytes;
    this.entries.push(entry);
    this.#pending.push(entry.text);
  }

  flush(): void {
    this.writes.push(this.#pending.join("\n"));
    this.#pending = [];
  }

  control(frame: string): void {
    this.controls.push(frame);
  }

  close(close: Close, farewell: string | null): void {
    if (this.closed !== null) throw new Error("Cannot close: closed already");
    this.closed = { close, farewell };
  }

  /** The peer took everything, and takes as much again. */
  drain(capacity: number = Infinity): void {
    this.#taken = 0;
    this.#capacity = capacity;
  }
}
