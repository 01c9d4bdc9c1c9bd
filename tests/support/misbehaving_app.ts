import { Buffer } from "node:buffer";

/** One request, as the app got it. */
export interface Received {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  /** Tells connections apart. */
  readonly connection: number;
}

/** What the app does with a request: it has the connection to itself until it returns. */
export type Behaviour = (connection: Deno.Conn) => void | Promise<void>;

const encoder = new TextEncoder();

/** An answer with a status, and with headers where it takes them. */
export function status(code: number, headers: Record<string, string> = {}, body = ""): Behaviour {
  const lines = Object.entries({ ...headers, "content-length": encoder.encode(body).length })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return (connection) => write(connection, `HTTP/1.1 ${code} Said\r\n${lines.join("")}\r\n${body}`);
}

/** A yes, with nothing in it. */
export const ok: Behaviour = status(200);

/** A yes with a JSON body; text is taken for JSON already. */
export function json(value: unknown): Behaviour {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  return status(200, { "content-type": "application/json" }, body);
}

/** No answer, ever. */
export const silent: Behaviour = () => {};

/** An answer after some time, in milliseconds. */
export function slow(ms: number, then: Behaviour = ok): Behaviour {
  return async (connection) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await then(connection);
  };
}

/** The connection ends, without an answer. */
export const drop: Behaviour = (connection) => connection.close();

/** The answer begins and never ends. */
export const stall: Behaviour = (connection) => {
  const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
  return write(connection, `${head}{"reply":`);
};

/** The answer begins, and then the connection ends. */
export const breakOff: Behaviour = async (connection) => {
  await stall(connection);
  connection.close();
};

/** Ten megabytes of JSON, their length said before or not. */
export function huge({ isLengthKnown }: { isLengthKnown: boolean }): Behaviour {
  const part = "x".repeat(100_000);
  const size = 100 * part.length + 2;
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n`;
  const chunk = (text: string) =>
    isLengthKnown ? text : `${text.length.toString(16)}\r\n${text}\r\n`;
  return async (connection) => {
    const framing = isLengthKnown ? `content-length: ${size}` : "transfer-encoding: chunked";
    await write(connection, `${head}${framing}\r\n\r\n${chunk('"')}`);
    for (let n = 0; n < 100; n++) await write(connection, chunk(part));
    await write(connection, chunk('"') + (isLengthKnown ? "" : "0\r\n\r\n"));
  };
}

/**
 * An HTTP app on a loopback port that does whatever a test tells it to, down to the bytes. It takes what the
 * relay sends, and no more: POSTs with a length.
 */
export class MisbehavingApp implements AsyncDisposable {
  /** All requests until now. */
  readonly received: Received[] = [];
  #listener: Deno.Listener | null = null;
  #port = 0;
  #script: Behaviour[] = [ok];
  readonly #open = new Map<Deno.Conn, Promise<void>>();
  #connections = 0;
  #watchers: (() => void)[] = [];

  /** Starts an app; dispose of it at the end. */
  static start(): MisbehavingApp {
    const app = new MisbehavingApp();
    app.up();
    return app;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/updates`;
  }

  /** How many connections it has had. */
  get connections(): number {
    return this.#connections;
  }

  /** Does `script` with the next requests, one after the other, and the last of it with all that follow. */
  behave(...script: [Behaviour, ...Behaviour[]]): void {
    this.#script = script;
  }

  /** Resolves when it has had so many requests, with the last of them. */
  async requests(count: number): Promise<Received> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
    return this.received[count - 1]!;
  }

  /** Listens, on the port that it had before. */
  up(): void {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: this.#port });
    this.#listener = listener;
    this.#port = listener.addr.port;
    void (async () => {
      for await (const connection of listener) {
        this.#open.set(connection, this.#serve(connection, ++this.#connections));
      }
    })();
  }

  /** Stops listening and cuts every connection. */
  async down(): Promise<void> {
    this.#listener?.close();
    this.#listener = null;
    for (const [connection, served] of this.#open) {
      close(connection);
      await served;
    }
  }

  async #serve(connection: Deno.Conn, number: number): Promise<void> {
    try {
      for await (const request of requestsOn(connection)) {
        this.received.push({ ...request, connection: number });
        for (const watch of this.#watchers.splice(0)) watch();
        const behaviour = this.#script.length > 1 ? this.#script.shift()! : this.#script[0]!;
        await behaviour(connection);
      }
    } catch {
      // Cut, by the peer or by a behaviour: that is what this app is for.
    }
    close(connection);
    this.#open.delete(connection);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }
}

async function* requestsOn(connection: Deno.Conn): AsyncGenerator<Omit<Received, "connection">> {
  const buffer = Buffer.alloc(64 * 1024);
  let text = ""; // one character a byte, until the body is cut out
  for (;;) {
    const end = text.indexOf("\r\n\r\n");
    const [requestLine = "", ...lines] = text.slice(0, Math.max(end, 0)).split("\r\n");
    const headers = new Headers(
      lines.map((line) => line.split(/:\s*(.*)/s, 2) as [string, string]),
    );
    const size = end + 4 + Number(headers.get("content-length"));
    if (end >= 0 && text.length >= size) {
      const body = Buffer.from(text.slice(end + 4, size), "latin1").toString();
      yield { path: requestLine.split(" ")[1]!, headers, body };
      text = text.slice(size);
      continue;
    }
    const length = await connection.read(buffer);
    if (length === null) return;
    text += buffer.toString("latin1", 0, length);
  }
}

async function write(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed before.
  }
}
