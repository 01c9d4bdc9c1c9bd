/**
 * The transports of protocol 2 from the browser's side: each carries lines both ways.
 *
 * @module
 */
import { type Exchange, request } from "./http.ts";
import type { Address } from "./server.ts";
import { RawWebSocket } from "./websocket.ts";

/** A transport of protocol 2. */
export type TransportName = "websocket" | "events" | "poll";

/** How a transport ended: an HTTP status with the body, or a close code with the reason. */
export interface End {
  readonly code: number;
  readonly text: string;
}

/** An open transport. */
export interface Carrier {
  readonly ended: Promise<End>;
  /** Sends lines, in order. */
  send(text: string): void;
  /** Hears nothing more, but leaves the connections open. */
  deafen(): void;
  /** Closes all connections without a word. */
  cut(): void;
  /** Ends in an orderly way. */
  close(): Promise<void>;
}

/** What a carrier needs of who uses it. */
export interface CarrierOptions {
  readonly address: Address;
  readonly headers: Readonly<Record<string, string>>;
  /** The first line. */
  readonly connect: string;
  /** How many frames were taken, at this moment. */
  received(): number;
  take(line: string): void;
}

/** Opens a transport and sends the first line. */
export async function openCarrier(
  name: TransportName,
  options: CarrierOptions,
): Promise<Carrier> {
  switch (name) {
    case "websocket":
      return await openWebSocket(options);
    case "events":
      return await openEvents(options);
    case "poll":
      return openPoll(options);
  }
}

async function openWebSocket(options: CarrierOptions): Promise<Carrier> {
  const socket = await RawWebSocket.open(options.address, "/chloe/ws", options.headers);
  let deaf = false;
  async function listen(): Promise<End> {
    for (;;) {
      const received = await socket.next();
      if (received.kind === "closed") return { code: received.code, text: received.reason };
      for (const line of received.text.split("\n")) if (!deaf) options.take(line);
    }
  }
  socket.send(options.connect);
  return {
    ended: listen(),
    send: (text) => void socket.send(text),
    deafen: () => void (deaf = true),
    cut() {
      deaf = true;
      socket.cut();
    },
    close: () => socket.close(),
  };
}

async function openEvents(options: CarrierOptions): Promise<Carrier> {
  const up = new Up(options);
  const stream = await request(options.address, "/chloe/events", {
    method: "POST",
    headers: { "content-type": "text/plain", ...options.headers },
    body: `${options.connect}\n`,
  });
  let deaf = false;
  async function listen(): Promise<End> {
    const { status } = await stream.head();
    if (status !== 200) return { code: status, text: await stream.text() };
    for await (const event of events(stream)) {
      for (const line of event.data.split("\n")) if (!deaf) up.listenTo(line, options.take);
    }
    return { code: status, text: "" };
  }
  return {
    ended: listen().catch(brokenOff),
    send: (text) => up.send(text),
    deafen: () => void (deaf = true),
    cut() {
      deaf = true;
      stream.cut();
      up.cut();
    },
    async close() {
      await up.idle;
      deaf = true;
      stream.cut();
    },
  };
}

function openPoll(options: CarrierOptions): Carrier {
  const up = new Up(options);
  let deaf = false;
  let held: Exchange | null = null;
  let over = false;
  async function poll(body: string): Promise<End | null> {
    held = await request(options.address, "/chloe/poll", {
      method: "POST",
      headers: { "content-type": "text/plain", ...options.headers },
      body,
    });
    if (over) held.cut();
    const { status } = await held.head();
    const text = await held.text();
    if (status !== 200) return { code: status, text };
    // A poll that another transport took the place of ends empty.
    if (text === "") return { code: 3501, text };
    for (const line of text.split("\n")) if (!deaf) up.listenTo(line, options.take);
    return text.includes('{"bye":') ? { code: status, text } : null;
  }
  async function listen(): Promise<End> {
    let end = await poll(`${options.connect}\n`);
    while (end === null && !deaf) {
      end = await poll(
        `${JSON.stringify({ resume: up.secret, received: options.received() })}\n`,
      );
    }
    return end ?? { code: 0, text: "" };
  }
  function cut() {
    deaf = over = true;
    held?.cut();
    up.cut();
  }
  return {
    ended: listen().catch(brokenOff),
    send: (text) => up.send(text),
    deafen: () => void (deaf = true),
    cut,
    async close() {
      await up.idle;
      cut();
    },
  };
}

function brokenOff(): End {
  return { code: 0, text: "the connection ended" };
}

/** `POST /chloe/up`: one at a time; what comes meanwhile goes with the next. */
class Up {
  secret = "";
  readonly #options: CarrierOptions;
  #waiting: string[] = [];
  #busy: Promise<void> | null = null;
  #exchange: Exchange | null = null;
  #cut = false;

  constructor(options: CarrierOptions) {
    this.#options = options;
  }

  /** Resolves when nothing waits. */
  get idle(): Promise<void> {
    return this.#busy ?? Promise.resolve();
  }

  /** Learns the secret on the way of a line to `take`. */
  listenTo(line: string, take: (line: string) => void): void {
    if (line.startsWith('{"connected":')) {
      this.secret = (JSON.parse(line) as { connected: { resume: string } }).connected.resume;
    }
    take(line);
  }

  send(text: string): void {
    this.#waiting.push(text);
    this.#busy ??= this.#run();
  }

  cut(): void {
    this.#cut = true;
    this.#exchange?.cut();
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#cut) await this.#post(this.#waiting.splice(0));
    } catch {
      // the server is gone, or the test cut the session
    } finally {
      this.#busy = null;
    }
  }

  async #post(lines: readonly string[]): Promise<void> {
    const resume = JSON.stringify({ resume: this.secret, received: this.#options.received() });
    this.#exchange = await request(this.#options.address, "/chloe/up", {
      method: "POST",
      headers: { "content-type": "text/plain", ...this.#options.headers },
      body: [resume, ...lines].join("\n"),
    });
    if (this.#cut) this.#exchange.cut();
    await this.#exchange.text();
  }
}

/** A server-sent event. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** The events of a stream (WHATWG HTML, section 9.2.6), as far as Chloe uses the format. */
export async function* events(stream: Exchange): AsyncGenerator<StreamEvent> {
  let rest = "";
  for (;;) {
    const part = await stream.read();
    if (part === null) return;
    const blocks = (rest + part).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event !== null) yield event;
    }
  }
}

function parseEvent(block: string): StreamEvent | null {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("data: ")) data.push(line.slice("data: ".length));
    else if (line.startsWith("event: ")) event = line.slice("event: ".length);
  }
  return data.length === 0 ? null : { event, data: data.join("\n") };
}
