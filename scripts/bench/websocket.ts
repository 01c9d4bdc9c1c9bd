import { Connection, type Loop } from "./loop.ts";
import type { Marks } from "./marks.ts";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Frames up to this are taken only when all of them is there. */
const WHOLE_BYTES = 2048;

/** Of a longer frame so much is looked at before it streams by. */
const PEEK_BYTES = 16;

/** The client acknowledges, where the server wants it, after so many messages or bytes: as chloe.js does. */
const ACK_MESSAGES = 100;
const ACK_BYTES = 32 * 1024;

const encoder = new TextEncoder();

/** A masked frame; the mask is zeros, which leaves the payload as it is. */
export function clientFrame(payload: Uint8Array, opcode = TEXT): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const head = length < 126
    ? [0x80 | opcode, 0x80 | length]
    : length < 65_536
    ? [0x80 | opcode, 0x80 | 126, length >> 8, length & 255]
    : [
      0x80 | opcode,
      0x80 | 127,
      0,
      0,
      0,
      0,
      ...[24, 16, 8, 0].map((bits) => length >> bits & 255),
    ];
  const frame = new Uint8Array(head.length + 4 + length);
  frame.set(head);
  frame.set(payload, head.length + 4);
  return frame;
}

/** A text, as a masked frame. */
export function textFrame(text: string): Uint8Array<ArrayBuffer> {
  return clientFrame(encoder.encode(text));
}

/** How one server speaks on its WebSockets. */
export interface Dialect {
  readonly path: string;
  /** Lines of the handshake's head, each with its CRLF. */
  readonly head?: string;
  /** Whether who is let in is subscribed by that, with no word of the server's. */
  readonly subscribed: boolean;
  /** The server wants to know what was taken: this says so many. */
  readonly acknowledge?: (count: number) => Uint8Array<ArrayBuffer>;
  /** Whether a frame that ends so is a ping, or holds one. */
  readonly pong?: Uint8Array<ArrayBuffer>;
  /** What is written when the handshake is done. */
  hello?(index: number): Uint8Array<ArrayBuffer> | null;
  /** Takes a frame without a mark: answers it, and says when the connection is subscribed. */
  other?(socket: WebSocketConnection, text: string): void;
}

/** What all sockets of a load share. */
export interface Crowd {
  readonly loop: Loop;
  readonly marks: Marks;
  readonly port: number;
  readonly dialect: Dialect;
  /** How many are subscribed and not over. */
  ready: number;
  /** How many ended, by the server or because they could not be made. */
  ended: number;
  /** What the server closed with, how often. */
  readonly closes: Map<string, number>;
}

/** A subscriber by WebSocket. */
export class WebSocketConnection extends Connection {
  isReady = false;
  #isOpen = false;
  /** How much of the frame that is being taken is still to come. */
  #remaining = 0;
  #received = 0;
  #unsaid = 0;
  #unsaidBytes = 0;
  readonly crowd: Crowd;
  readonly #index: number;
  /** Takes frames without a mark before the dialect does; true where that is done with it. */
  intercept: ((text: string) => boolean) | null = null;

  constructor(crowd: Crowd, index: number) {
    super();
    this.crowd = crowd;
    this.#index = index;
  }

  override begin(): void {
    const { dialect, port, loop } = this.crowd;
    loop.send(
      this,
      encoder.encode(
        `GET ${dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
          `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${dialect.head ?? ""}\r\n`,
      ),
    );
  }

  /** It is subscribed. */
  ready(): void {
    if (this.isReady) return;
    this.isReady = true;
    this.crowd.ready++;
  }

  /** Sends a text. */
  sendText(text: string): void {
    this.crowd.loop.send(this, textFrame(text));
  }

  override take(start: number, end: number): number {
    const { buffer } = this.crowd.loop;
    let at = start;
    if (!this.#isOpen) {
      at = this.#shake(buffer, start, end);
      if (!this.#isOpen) return at;
    }
    while (at < end) {
      if (this.#remaining === 0) {
        const next = this.#takeHead(buffer, at, end);
        if (next === at) return at;
        at = next;
        if (this.isOver) return end;
        continue;
      }
      // A long frame streams by.
      const stop = Math.min(end, at + this.#remaining);
      const scanned = Math.min(stop, this.#scan(at, stop));
      this.#remaining -= scanned - at;
      at = scanned;
      if (scanned < stop) return at; // a mark was cut
    }
    this.#acknowledge();
    return at;
  }

  #shake(buffer: Uint8Array, start: number, end: number): number {
    const head = String.fromCharCode(...buffer.subarray(start, Math.min(end, start + 2048)));
    const stop = head.indexOf("\r\n\r\n");
    if (stop < 0) return start;
    if (!head.startsWith("HTTP/1.1 101 ")) {
      this.#close(head.slice(0, 12));
      return end;
    }
    this.#isOpen = true;
    const { dialect, loop } = this.crowd;
    const hello = dialect.hello?.(this.#index) ?? null;
    if (hello !== null) loop.send(this, hello);
    if (dialect.subscribed) this.ready();
    return start + stop + 4;
  }

  /** Takes a short frame, or the head of a long one. @returns Where it ended; `at` where too little is there. */
  #takeHead(buffer: Uint8Array, at: number, end: number): number {
    if (end - at < 2) return at;
    let length = buffer[at + 1]! & 127;
    let payload = at + 2;
    if (length === 126) {
      if (end - at < 4) return at;
      length = buffer[at + 2]! << 8 | buffer[at + 3]!;
      payload = at + 4;
    } else if (length === 127) {
      if (end - at < 10) return at;
      length = (buffer[at + 6]! << 24 | buffer[at + 7]! << 16 | buffer[at + 8]! << 8 |
        buffer[at + 9]!) >>> 0;
      payload = at + 10;
    }
    const isShort = length <= WHOLE_BYTES;
    if (payload + (isShort ? length : PEEK_BYTES) > end) return at;
    const opcode = buffer[at]! & 15;
    if (opcode === CLOSE) {
      this.#close(length < 2 ? "1005" : String(buffer[payload]! << 8 | buffer[payload + 1]!));
      return end;
    }
    if (opcode === PING) {
      const pong = clientFrame(buffer.slice(payload, payload + length), PONG);
      this.crowd.loop.send(this, pong);
      return payload + length;
    }
    if (!isShort) {
      this.#other(buffer, payload, payload + PEEK_BYTES);
      this.#remaining = length;
      return payload;
    }
    const stop = payload + length;
    this.#scan(payload, stop);
    if (this.crowd.marks.found === 0) this.#other(buffer, payload, stop);
    const { pong } = this.crowd.dialect;
    // `{}`, the last line of it
    if (pong !== undefined && buffer[stop - 1] === 0x7d && buffer[stop - 2] === 0x7b) {
      if (length === 2 || buffer[stop - 3] === 10) {
        this.#unsaid = ACK_MESSAGES;
        this.crowd.loop.send(this, pong);
      }
    }
    return stop;
  }

  #scan(start: number, stop: number): number {
    const { marks, loop } = this.crowd;
    const scanned = marks.scan(loop.buffer, start, stop, loop.now);
    this.#received += marks.found;
    this.#unsaid += marks.found;
    this.#unsaidBytes += scanned - start;
    return scanned;
  }

  /** Counts an answer, which the server numbers as it does a message. */
  countAnswer(): void {
    this.#received++;
    this.#unsaid++;
  }

  #acknowledge(): void {
    if (this.#unsaid < ACK_MESSAGES && this.#unsaidBytes < ACK_BYTES) return;
    this.#unsaid = 0;
    this.#unsaidBytes = 0;
    const { acknowledge } = this.crowd.dialect;
    if (acknowledge !== undefined) this.crowd.loop.send(this, acknowledge(this.#received));
  }

  #other(buffer: Uint8Array, start: number, stop: number): void {
    const text = String.fromCharCode(...buffer.subarray(start, stop));
    if (this.intercept?.(text) !== true) this.crowd.dialect.other?.(this, text);
  }

  #close(why: string): void {
    const { closes, loop } = this.crowd;
    closes.set(why, (closes.get(why) ?? 0) + 1);
    loop.drop(this);
    this.end();
  }

  override end(): void {
    if (this.isReady) this.crowd.ready--;
    this.isReady = false;
    this.crowd.ended++;
  }

  /** Leaves as a browser does that is told to: says so, and goes. */
  leave(): void {
    const { loop } = this.crowd;
    if (this.isReady) this.crowd.ready--;
    this.isReady = false;
    loop.send(this, clientFrame(new Uint8Array([1000 >> 8, 1000 & 255]), CLOSE));
    loop.drop(this);
  }
}
