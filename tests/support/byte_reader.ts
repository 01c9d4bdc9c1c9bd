const NONE = new Uint8Array();

/** Reads a byte stream in portions of the reader's choice. */
export class ByteReader {
  readonly #conn: Deno.Conn;
  #bytes: Uint8Array = NONE;
  #ended = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Whatever comes next, or `null` at the end: of the stream, or by a connection that broke. */
  async some(): Promise<Uint8Array | null> {
    if (this.#bytes.length === 0 && !await this.#fill()) return null;
    const bytes = this.#bytes;
    this.#bytes = NONE;
    return bytes;
  }

  /** Exactly `count` bytes, or `null` where the stream ends before. */
  async exactly(count: number): Promise<Uint8Array | null> {
    while (this.#bytes.length < count) if (!await this.#fill()) return null;
    return this.#take(count);
  }

  /** Text up to and without `mark`, or `null` where the stream ends before. */
  async until(mark: string): Promise<string | null> {
    const wanted = new TextEncoder().encode(mark);
    for (;;) {
      const at = indexOf(this.#bytes, wanted);
      if (at !== -1) {
        const text = new TextDecoder().decode(this.#take(at));
        this.#take(wanted.length);
        return text;
      }
      if (!await this.#fill()) return null;
    }
  }

  #take(count: number): Uint8Array {
    const bytes = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return bytes;
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    const chunk = new Uint8Array(64 * 1024);
    let count: number | null;
    try {
      count = await this.#conn.read(chunk);
    } catch {
      count = null; // reset by the peer, or closed by this test
    }
    if (count === null) {
      this.#ended = true;
      return false;
    }
    const bytes = new Uint8Array(this.#bytes.length + count);
    bytes.set(this.#bytes);
    bytes.set(chunk.subarray(0, count), this.#bytes.length);
    this.#bytes = bytes;
    return true;
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = bytes.indexOf(wanted[0]!); at !== -1; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
