/**
 * HTTP by hand: one request on one connection, which the test can cut, stall or leave unread, and whose
 * every header is the test's own.
 *
 * @module
 */
import { ByteReader } from "./byte_reader.ts";
import { within } from "./within.ts";

/** What to ask for. */
export interface RequestOptions {
  readonly method?: string;
  /** Instead of, or besides, `Host` and `Content-Length`; `null` leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string;
}

/** The head of an answer; names in lower case. */
export interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** A request under way. */
export class Exchange implements Disposable {
  readonly conn: Deno.Conn;
  /** What follows the head: of a WebSocket's handshake, its frames. */
  readonly reader: ByteReader;
  readonly #decoder = new TextDecoder();
  readonly #isHead: boolean;
  #isOver = false;
  #head: Promise<Head> | undefined;
  #left: number | "chunks" | "all" = 0;

  constructor(conn: Deno.Conn, { isHead }: { isHead: boolean }) {
    this.conn = conn;
    this.#isHead = isHead;
    this.reader = new ByteReader(conn);
  }

  /** The head of the answer. @throws Error where the connection ends before. */
  head(): Promise<Head> {
    return this.#head ??= within(this.#readHead(), "the head of an answer");
  }

  /** What comes next of the body, or `null` at its end. */
  async read(): Promise<string | null> {
    await this.head();
    const bytes = await this.#readBytes();
    if (bytes === null) this.cut();
    return bytes === null ? null : this.#decoder.decode(bytes, { stream: true });
  }

  /** The rest of the body. */
  async text(): Promise<string> {
    let text = "";
    for (;;) {
      const part = await within(this.read(), "the rest of an answer");
      if (part === null) return text;
      text += part;
    }
  }

  /** Whether the connection was closed here. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Closes the connection, whatever is under way. */
  cut(): void {
    this.#isOver = true;
    try {
      this.conn.close();
    } catch {
      // closed already
    }
  }

  [Symbol.dispose](): void {
    this.cut();
  }

  async #readHead(): Promise<Head> {
    const text = await this.reader.until("\r\n\r\n");
    if (text === null) throw new Error("Cannot read the answer: the connection ended before it");
    const [first = "", ...lines] = text.split("\r\n");
    const headers = new Map<string, string>();
    for (const line of lines) {
      const at = line.indexOf(":");
      headers.set(line.slice(0, at).toLowerCase(), line.slice(at + 1).trim());
    }
    const status = Number(first.split(" ")[1]);
    const length = headers.get("content-length");
    if (this.#isHead || status === 204 || status === 101) this.#left = 0;
    else if (headers.get("transfer-encoding") === "chunked") this.#left = "chunks";
    else this.#left = length === undefined ? "all" : Number(length);
    return { status, headers };
  }

  async #readBytes(): Promise<Uint8Array | null> {
    if (this.#left === 0) return null;
    if (this.#left === "all") return await this.reader.some();
    if (this.#left !== "chunks") {
      const bytes = await this.reader.exactly(this.#left);
      this.#left = 0;
      return bytes;
    }
    const size = await this.reader.until("\r\n");
    if (size === null) return null;
    const bytes = await this.reader.exactly(parseInt(size, 16) + 2);
    if (bytes === null) return null;
    if (bytes.length > 2) return bytes.subarray(0, -2);
    this.#left = 0;
    return null;
  }
}

/** Where to ask. */
interface Address {
  readonly hostname: string;
  readonly port: number;
  connect?(): Promise<Deno.Conn>;
}

/** Sends a request; the answer is read from what this gives. */
export async function request(
  address: Address,
  path: string,
  { method = "GET", headers = {}, body = "" }: RequestOptions = {},
): Promise<Exchange> {
  const { hostname, port } = address;
  const bytes = new TextEncoder().encode(body);
  const all: Record<string, string | null> = {
    host: `${hostname}:${port}`,
    connection: "close",
    ...(method === "POST" && { "content-length": String(bytes.length) }),
    ...headers,
  };
  const head = Object.entries(all)
    .flatMap(([name, value]) => value === null ? [] : [`${name}: ${value}\r\n`]).join("");
  const conn = await (address.connect?.() ?? Deno.connect({ hostname, port }));
  try {
    await writeAll(conn, new TextEncoder().encode(`${method} ${path} HTTP/1.1\r\n${head}\r\n`));
    await writeAll(conn, bytes);
  } catch {
    // The server may answer and close before it read everything: its answer says why.
  }
  return new Exchange(conn, { isHead: method === "HEAD" });
}

/** Sends a request and reads the whole answer. */
export async function ask(
  address: Address,
  path: string,
  options: RequestOptions = {},
): Promise<Head & { readonly text: string }> {
  using exchange = await request(address, path, options);
  const head = await exchange.head();
  return { ...head, text: await exchange.text() };
}

/** Writes all of `bytes`. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
