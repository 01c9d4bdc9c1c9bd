/**
 * A WebSocket client by hand (RFC 6455): unlike a browser's it can be cut hard, fall silent, stop reading, and
 * send what a browser would not.
 *
 * @module
 */
import type { ByteReader } from "./byte_reader.ts";
import { type Head, request, type RequestOptions, writeAll } from "./http.ts";
import { within } from "./within.ts";

/** The kinds of WebSocket frames. */
export const OPCODES = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** What came: a text message, or the end. */
export type Received =
  | { readonly kind: "text"; readonly text: string }
  /** By a close frame; or with `code` 1006 where the connection just ended. */
  | { readonly kind: "closed"; readonly code: number; readonly reason: string };

/** The handshake was answered with something else than 101. */
export class HandshakeRefused extends Error {
  override name = "HandshakeRefused";

  constructor(readonly head: Head, readonly body: string) {
    super(`Cannot open a WebSocket: ${head.status} ${body}`);
  }
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** An open WebSocket. */
export class RawWebSocket implements Disposable {
  readonly conn: Deno.Conn;
  readonly #reader: ByteReader;
  #closed: Received & { kind: "closed" } | null = null;
  #writing: Promise<void> = Promise.resolve();

  private constructor(conn: Deno.Conn, reader: ByteReader) {
    this.conn = conn;
    this.#reader = reader;
  }

  /** Opens one. @throws HandshakeRefused with the server's answer. */
  static async open(
    address: Parameters<typeof request>[0],
    path: string,
    headers: RequestOptions["headers"] = {},
  ): Promise<RawWebSocket> {
    const exchange = await request(address, path, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": KEY,
        ...headers,
      },
    });
    try {
      const head = await exchange.head();
      if (head.status !== 101) throw new HandshakeRefused(head, await exchange.text());
    } catch (error) {
      exchange.cut();
      throw error;
    }
    return new RawWebSocket(exchange.conn, exchange.reader);
  }

  /** Sends a text message. */
  send(text: string): Promise<void> {
    return this.sendFrame(OPCODES.text, new TextEncoder().encode(text));
  }

  /** Sends any frame. What cannot be written because the peer is gone is dropped, as a browser would. */
  sendFrame(opcode: number, payload: Uint8Array, { fin = true } = {}): Promise<void> {
    const bytes = encodeFrame(opcode, payload, fin);
    this.#writing = this.#writing.then(() => writeAll(this.conn, bytes)).catch(() => {});
    return this.#writing;
  }

  /** What comes next. After the end it is the end again. */
  next(): Promise<Received> {
    return within(this.#next(), "a WebSocket message");
  }

  /** Reads on until the end, whatever comes before it. */
  async closed(): Promise<Received & { kind: "closed" }> {
    for (;;) {
      const received = await this.next();
      if (received.kind === "closed") return received;
    }
  }

  /** Pings, and waits for the pong: the server has seen all that was sent before. Nothing else may come. */
  async roundTrip(): Promise<void> {
    await this.sendFrame(OPCODES.ping, new Uint8Array());
    const frame = await within(this.#readFrame(), "a pong");
    if (frame?.opcode !== OPCODES.pong) throw new Error("Cannot go on: something else came");
  }

  /** Says goodbye and waits for the answer. */
  async close(code = 1000): Promise<void> {
    await this.sendFrame(OPCODES.close, Uint8Array.of(code >> 8, code & 255));
    await this.closed();
    this.cut();
  }

  /** Closes the connection without a word. */
  cut(): void {
    try {
      this.conn.close();
    } catch {
      // closed already
    }
  }

  [Symbol.dispose](): void {
    this.cut();
  }

  async #next(): Promise<Received> {
    while (this.#closed === null) {
      const frame = await this.#readFrame();
      if (frame === null) {
        this.#closed = { kind: "closed", code: 1006, reason: "" };
        break;
      }
      const { opcode, payload } = frame;
      if (opcode === OPCODES.text) return { kind: "text", text: new TextDecoder().decode(payload) };
      if (opcode === OPCODES.ping) await this.sendFrame(OPCODES.pong, payload);
      if (opcode === OPCODES.close) {
        await this.sendFrame(OPCODES.close, payload.subarray(0, 2));
        this.#closed = {
          kind: "closed",
          code: payload.length < 2 ? 1005 : payload[0]! * 256 + payload[1]!,
          reason: new TextDecoder().decode(payload.subarray(2)),
        };
        this.cut();
      }
    }
    return this.#closed;
  }

  /** A server's frame: never masked, and Deno sends no fragments. */
  async #readFrame(): Promise<{ opcode: number; payload: Uint8Array } | null> {
    const start = await this.#reader.exactly(2);
    if (start === null) return null;
    const [first, second] = [start[0]!, start[1]!];
    let length = second & 127;
    if (length > 125) {
      const extended = await this.#reader.exactly(length === 126 ? 2 : 8);
      if (extended === null) return null;
      length = extended.reduce((value, byte) => value * 256 + byte, 0);
    }
    const payload = await this.#reader.exactly(length);
    return payload === null ? null : { opcode: first & 15, payload };
  }
}

function encodeFrame(opcode: number, payload: Uint8Array, fin: boolean): Uint8Array {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const bytes = new Uint8Array(2 + extended + 4 + length);
  const view = new DataView(bytes.buffer);
  bytes[0] = (fin ? 128 : 0) | opcode;
  bytes[1] = 128 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) view.setUint16(2, length);
  if (extended === 8) view.setBigUint64(2, BigInt(length));
  const at = 2 + extended;
  const mask = crypto.getRandomValues(bytes.subarray(at, at + 4));
  for (let i = 0; i < length; i++) bytes[at + 4 + i] = payload[i]! ^ mask[i & 3]!;
  return bytes;
}
