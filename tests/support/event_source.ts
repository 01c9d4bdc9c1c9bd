import { type Exchange, request } from "./http.ts";
import type { Address } from "./server.ts";
import { within } from "./within.ts";

/** What a page's listener is handed. */
export interface SourceEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/**
 * A browser's `EventSource` (WHATWG HTML, section 9.2), as far as it is of interest here; it comes back when a
 * test says so. Unlike a browser's it may send headers, as programs do.
 */
export class TestEventSource implements Disposable {
  /** Sent when it comes back; `""`: none. */
  lastEventId = "";
  #stream: Exchange | null = null;
  #rest = "";
  #events: SourceEvent[] = [];

  constructor(
    private readonly address: Address,
    private readonly channels: readonly string[],
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  /** Opens one that is let in. @throws Error where it is refused. */
  static async open(
    address: Address,
    channels: readonly string[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestEventSource> {
    const source = new TestEventSource(address, channels, headers);
    const { status, text } = await source.connect();
    if (status !== 200) throw new Error(`Cannot open an event source: ${status} ${text}`);
    return source;
  }

  /** Opens it, or brings it back. @returns The status, with the body of a refusal. */
  async connect(
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly text: string }> {
    this.cut();
    const query = this.channels.map((name) => `channel=${encodeURIComponent(name)}`).join("&");
    const stream = await request(this.address, `/chloe/events?${query}`, {
      headers: {
        accept: "text/event-stream",
        ...(this.lastEventId !== "" && { "last-event-id": this.lastEventId }),
        ...this.headers,
        ...headers,
      },
    });
    const { status } = await stream.head();
    if (status !== 200) return { status, text: await stream.text() };
    this.#stream = stream;
    this.#rest = "";
    // What it is told first may be no event: where it stands.
    while (this.#events.length === 0 && !this.#isOpen) await this.#read();
    return { status, text: "" };
  }

  /** The next event; `null` at the end of the stream. */
  async next(): Promise<SourceEvent | null> {
    while (this.#events.length === 0) if (!await this.#read()) return null;
    return this.#events.shift()!;
  }

  /** The next events, as `type: data`. */
  async take(count: number): Promise<string[]> {
    const taken: string[] = [];
    while (taken.length < count) {
      const event = await this.next();
      if (event === null) throw new Error(`The stream ended after ${JSON.stringify(taken)}`);
      taken.push(`${event.type}: ${event.data}`);
    }
    return taken;
  }

  /** Closes the connection without a word. What came is kept. */
  cut(): void {
    this.#stream?.cut();
    this.#stream = null;
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    this.cut();
  }

  /** Whether the stream's first lines came. */
  #isOpen = false;

  async #read(): Promise<boolean> {
    const part = await within(this.#stream!.read(), "an event");
    if (part === null) return false;
    const blocks = (this.#rest + part).split("\n\n");
    this.#rest = blocks.pop()!;
    for (const block of blocks) this.#take(block);
    return true;
  }

  #take(block: string): void {
    let type = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const [, name, value = ""] = /^([^:]+)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === "event") type = value;
      else if (name === "data") data.push(value);
      else if (name === "id") this.lastEventId = value;
      else if (name === "retry") this.#isOpen = true;
    }
    if (data.length === 0) return;
    this.#events.push({ type, data: data.join("\n"), lastEventId: this.lastEventId });
  }
}
