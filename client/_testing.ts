/**
 * A world for the client to live in, for tests: a clock that stands still, and sockets and requests that the
 * test answers.
 *
 * @module
 */
import type { Connected, Json } from "../src/protocol/frames.ts";
import { Chloe } from "./chloe.ts";
import type { Environment } from "./environment.ts";
import type { Bus, Locks } from "./tabs/web_api.ts";
import type { ChloeOptions } from "./options.ts";

/** The far end of a WebSocket that the client opened. */
export class FakeSocket {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  /** What the client closed it with. */
  closedWith: number | undefined;
  /** What the client sent and no test has looked at, parsed. */
  sent: Record<string, Json>[] = [];

  constructor(readonly url: string) {}

  send(text: string): void {
    for (const line of text.split("\n")) this.sent.push(JSON.parse(line));
  }

  close(code?: number): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code < 5000)) {
      throw new Error("InvalidAccessError");
    }
    this.closedWith = code;
    this.readyState = 3;
  }

  /** The network lets it through. */
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  /** Opens, takes `connect` and answers it. Returns what `connect` said. */
  accept(answer: Partial<Connected> = {}): Record<string, Json> {
    this.open();
    const { connect } = this.take() as { connect: Record<string, Json> };
    this.say({ connected: connectedFrame(answer) });
    return connect;
  }

  /** Frames from the server, in one message. */
  say(...frames: unknown[]): void {
    this.onmessage?.({ data: frames.map((frame) => JSON.stringify(frame)).join("\n") });
  }

  /** The connection breaks, or the server closes it. */
  drop(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** Takes the next frame that the client sent. */
  take(): Record<string, Json> {
    const frame = this.sent.shift();
    if (!frame) throw new Error("Cannot take a frame: the client sent none");
    return frame;
  }
}

/** An event stream that the client reads. */
export interface FakeStream {
  /** An event of these frames. */
  say(...frames: unknown[]): Promise<void>;
  /** Bytes as they are. */
  text(text: string | Uint8Array<ArrayBuffer>): Promise<void>;
  end(): Promise<void>;
}

/** A request that the client made and that waits for its answer. */
export interface FakeRequest {
  readonly path: string;
  readonly lines: Record<string, Json>[];
  readonly aborted: boolean;
  answer(frames: readonly unknown[], status?: number): Promise<void>;
  /** Answers with an event stream, which says what it is told to until it ends. */
  stream(): FakeStream;
  /** Answers with text as it is. */
  answerText(text: string, status?: number): Promise<void>;
  fail(): Promise<void>;
}

/** What the server says to `connect` unless a test says otherwise. */
export function connectedFrame(answer: Partial<Connected> = {}): Connected {
  return {
    session: "s1",
    resume: "s1.secret",
    resumed: false,
    from: 0,
    lastId: 0,
    ping: 25,
    maxBytes: 65536,
    subscribed: {},
    ...answer,
  };
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** What the tabs of one browser share: the buses by which they talk, and locks. */
export class FakeBrowser {
  readonly #buses = new Set<Bus & { readonly name: string }>();
  readonly #locks = new Map<string, FakeLock[]>();
  /** Tabs that are frozen: they hear nothing. */
  readonly frozen = new Set<FakeWorld>();

  BroadcastChannel(world: FakeWorld): new (name: string) => Bus {
    const buses = this.#buses;
    const frozen = this.frozen;
    return class implements Bus {
      onmessage: ((event: { data: unknown }) => void) | null = null;

      constructor(readonly name: string) {
        buses.add(this);
        world.buses.add(this);
      }

      hear(data: unknown): void {
        if (!frozen.has(world)) this.onmessage?.({ data });
      }

      postMessage(message: unknown): void {
        if (!buses.has(this)) throw new Error("InvalidStateError");
        const data = structuredClone(message);
        for (const bus of buses) {
          if (bus === this || bus.name !== this.name) continue;
          const copy = structuredClone(data);
          queueMicrotask(() => buses.has(bus) && (bus as unknown as this).hear(copy));
        }
      }

      close(): void {
        buses.delete(this);
      }
    };
  }

  locks(world: FakeWorld): Locks {
    return {
      request: (name, { signal, steal }, callback) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(new Error("AbortError"));
          const queue = this.#locks.get(name) ?? [];
          this.#locks.set(name, queue);
          const lock: FakeLock = { world, held: false, callback, resolve, reject };
          if (steal && queue[0]?.held) {
            queue.shift()!.reject(new Error("AbortError: stolen"));
          }
          if (steal) queue.unshift(lock);
          else queue.push(lock);
          signal?.addEventListener("abort", () => {
            if (lock.held || !queue.includes(lock)) return;
            queue.splice(queue.indexOf(lock), 1);
            reject(new Error("AbortError"));
          });
          this.#grant(queue);
        }),
    };
  }

  #grant(queue: FakeLock[]): void {
    const [lock] = queue;
    if (!lock || lock.held) return;
    lock.held = true;
    queueMicrotask(async () => {
      await lock.callback();
      if (queue[0] !== lock) return;
      queue.shift();
      lock.resolve(undefined);
      this.#grant(queue);
    });
  }

  /** The tab is gone: its buses are silent and its locks are free. */
  kill(world: FakeWorld): void {
    for (const bus of world.buses) this.#buses.delete(bus as Bus & { name: string });
    for (const queue of this.#locks.values()) {
      for (const lock of queue.filter((lock) => lock.world === world)) {
        queue.splice(queue.indexOf(lock), 1);
      }
      this.#grant(queue);
    }
  }
}

interface FakeLock {
  readonly world: FakeWorld;
  held: boolean;
  callback(): Promise<void> | void;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** One such world: a tab, if it is told of its browser. */
export class FakeWorld {
  readonly sockets: FakeSocket[] = [];
  readonly requests: FakeRequest[] = [];
  readonly reported: unknown[] = [];
  readonly #watchers = new Set<(event: { readonly type: string }) => void>();
  /** What `random` gives. */
  chance = 0.5;
  #now = 1_000_000;
  #nextTimer = 1;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();
  readonly environment: Environment;

  /** The buses of this tab. */
  readonly buses = new Set<Bus>();

  constructor(browser?: FakeBrowser) {
    // deno-lint-ignore no-this-alias -- a constructor of its own is made below
    const world = this;
    this.environment = {
      WebSocket: class {
        constructor(url: string) {
          const socket = new FakeSocket(url);
          world.sockets.push(socket);
          return socket;
        }
      } as unknown as new (url: string) => WebSocket,
      BroadcastChannel: browser?.BroadcastChannel(this) ?? null,
      locks: browser?.locks(this) ?? null,
      fetch: (url, init) => this.#fetch(url, init),
      setTimeout: (callback, ms) => {
        this.#timers.set(this.#nextTimer, { at: this.#now + ms, callback });
        return this.#nextTimer++;
      },
      clearTimeout: (timer) => this.#timers.delete(timer as number),
      worked: new Map(),
      now: () => this.#now,
      watch: (listener) => {
        this.#watchers.add(listener);
        return () => this.#watchers.delete(listener);
      },
      random: () => this.chance,
      report: (error) => this.reported.push(error),
    };
  }

  /** Makes a client that lives here. */
  chloe(options: ChloeOptions = {}): Chloe {
    return new Chloe({ url: "http://chloe.test", ...options, environment: this.environment });
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  /** How many wait for what happens to the page. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** Tells the client that this event happened to the page. */
  notice(type: "online" | "offline" | "visibilitychange"): void {
    for (const listener of [...this.#watchers]) listener({ type });
  }

  /** How many timers run. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, and fires what falls due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end)
        .sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [timer, { at, callback }] = due;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      callback();
    }
    this.#now = end;
  }

  /** Lets time pass as it does while the machine sleeps: no timer fires. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  /** Takes the oldest request that no test has looked at; waits until promises have settled first. */
  async request(): Promise<FakeRequest> {
    await settle();
    const request = this.requests.shift();
    if (!request) throw new Error("Cannot take a request: the client made none");
    return request;
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (init.signal!.aborted) return reject(new Error("aborted"));
      init.signal!.addEventListener("abort", () => reject(new Error("aborted")));
      const answerText = (text: string, status = 200) => {
        resolve(new Response(status === 204 ? null : text, { status }));
        return settle();
      };
      this.requests.push({
        path: new URL(url).pathname,
        lines: String(init.body).split("\n").map((line) => JSON.parse(line)),
        get aborted() {
          return init.signal!.aborted;
        },
        answerText,
        stream() {
          let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
          const body = new ReadableStream({ start: (c) => void (controller = c) });
          init.signal!.addEventListener("abort", () => controller.error(new Error("aborted")));
          resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
          const text = (text: string | Uint8Array<ArrayBuffer>) => {
            controller.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
            return settle();
          };
          return {
            text,
            say: (...frames) =>
              text(frames.map((frame) => `data: ${JSON.stringify(frame)}\n`).join("") + "\n"),
            end() {
              controller.close();
              return settle();
            },
          };
        },
        answer: (frames, status) =>
          answerText(frames.map((frame) => JSON.stringify(frame)).join("\n"), status),
        fail() {
          reject(new TypeError("Failed to fetch"));
          return settle();
        },
      });
    });
  }
}
