import { writeAll } from "../support/http.ts";
import type { Address } from "../support/server.ts";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A WebSocket client that is little more than its TCP socket: thousands fit in one process, each with a few
 * KB and no timer.
 *
 * It knows the frames that Chloe writes (RFC 6455, section 5): whole messages, text, close, ping.
 */
export class LeanSocket {
  /** The code that the server closed with; `null` while it has not. */
  closeCode: number | null = null;
  readonly #conn: Deno.TcpConn;
  #buffer: Uint8Array<ArrayBuffer>;
  #start = 0;
  #end = 0;
  #over = false;
  #writes: Promise<unknown> = Promise.resolve();

  private constructor(conn: Deno.TcpConn, bufferBytes: number) {
    this.#conn = conn;
    this.#buffer = new Uint8Array(bufferBytes);
  }

  /**
   * Opens a connection and shakes hands.
   *
   * @param bufferBytes What is read at once at most, to begin with.
   * @param origin Where the page is from, as a browser says it.
   * @throws Refused where the server answers with anything but 101.
   */
  static async open(
    { hostname, port }: Address,
    { path = "/chloe/ws", bufferBytes = 4096, origin }: {
      path?: string;
      bufferBytes?: number;
      origin?: string | undefined;
    } = {},
  ): Promise<LeanSocket> {
    const socket = new LeanSocket(await Deno.connect({ hostname, port }), bufferBytes);
    try {
      await socket.#handshake(`${hostname}:${port}`, path, origin);
      return socket;
    } catch (error) {
      socket.drop();
      throw error;
    }
  }

  async #handshake(host: string, path: string, origin: string | undefined): Promise<void> {
    const page = origin === undefined ? "" : `origin: ${origin}\r\n`;
    await this.#conn.write(encoder.encode(
      `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
        `sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n${page}\r\n`,
    ));
    let head = "";
    let end = -1;
    while (end === -1) {
      if (!await this.#fill()) throw new Error("Cannot open a WebSocket: the server hung up");
      head = decoder.decode(this.#buffer.subarray(0, this.#end));
      end = head.indexOf("\r\n\r\n");
    }
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Refused(head);
    this.#start = end + 4; // the head is ASCII: characters are bytes
  }

  /** Sends a text message. Writes leave in order; one to a peer that is gone is lost in silence. */
  send(text: string): void {
    this.#write(TEXT, encoder.encode(text));
  }

  #write(opcode: number, payload: Uint8Array): void {
    const { length } = payload;
    const head = length < 126
      ? [0x80 | opcode, 0x80 | length]
      : [0x80 | opcode, 0x80 | 126, length >> 8, length & 255];
    if (length > 65_535) throw new RangeError(`Cannot send ${length} bytes at once`);
    // Masked by zeros, which leaves the payload as it is.
    const frame = new Uint8Array(head.length + 4 + length);
    frame.set(head);
    frame.set(payload, head.length + 4);
    this.#writes = this.#writes.then(() => writeAll(this.#conn, frame)).catch(() => {});
  }

  /** The next text message; `null` once the server closed or is gone. */
  async receive(): Promise<string | null> {
    for (;;) {
      const frame = this.#takeFrame();
      if (frame === null) {
        if (this.#over || !await this.#fill()) return null;
      } else if (frame.opcode === TEXT) {
        return decoder.decode(frame.payload);
      } else if (frame.opcode === PING) {
        this.#write(PONG, frame.payload.slice());
      } else if (frame.opcode === CLOSE) {
        this.closeCode = frame.payload.length < 2
          ? 1005
          : frame.payload[0]! << 8 | frame.payload[1]!;
        this.#write(CLOSE, frame.payload.slice());
        this.#over = true;
      }
    }
  }

  /** Reads one byte of what comes next and leaves the rest in the kernel's buffer: see {@linkcode drop}. */
  async taste(): Promise<boolean> {
    return this.#start < this.#end || await this.#conn.read(new Uint8Array(1)) === 1;
  }

  #takeFrame(): { opcode: number; payload: Uint8Array } | null {
    const buffer = this.#buffer;
    const available = this.#end - this.#start;
    if (available < 2) return null;
    const at = this.#start;
    let length = buffer[at + 1]! & 127;
    let head = 2;
    if (length === 126) {
      head = 4;
      if (available < head) return null;
      length = buffer[at + 2]! << 8 | buffer[at + 3]!;
    } else if (length === 127) {
      head = 10;
      if (available < head) return null;
      length = new DataView(buffer.buffer).getUint32(at + 6);
    }
    if (available < head + length) {
      this.#makeRoom(head + length);
      return null;
    }
    this.#start = at + head + length;
    return { opcode: buffer[at]! & 15, payload: buffer.subarray(at + head, at + head + length) };
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length - this.#start) return;
    const larger = bytes > this.#buffer.length ? new Uint8Array(bytes * 2) : this.#buffer;
    larger.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = larger;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** Reads what there is. @returns False at the end. */
  async #fill(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end === this.#buffer.length) this.#makeRoom(this.#buffer.length + 1);
    try {
      const count = await this.#conn.read(this.#buffer.subarray(this.#end));
      if (count !== null) this.#end += count;
      else this.#over = true;
    } catch {
      this.#over = true; // reset by the server, or dropped by us
    }
    return !this.#over;
  }

  /** Closes as a browser does: says so, and waits until the server has said so too. */
  async close(): Promise<void> {
    this.#write(CLOSE, new Uint8Array([1000 >> 8, 1000 & 255]));
    while (await this.receive() !== null);
    this.drop();
  }

  /**
   * Closes the TCP socket with no word. Where bytes are left unread, the kernel sends RST in place of FIN
   * (RFC 1122, section 4.2.2.13).
   */
  drop(): void {
    this.#over = true;
    try {
      this.#conn.close();
    } catch {
      // dropped before
    }
  }

  [Symbol.dispose](): void {
    this.drop();
  }
}

/** The server did not let a WebSocket in; the message is its whole answer. */
export class Refused extends Error {
  override name = "Refused";
}
