/**
 * What the relay's tests run on.
 *
 * @module
 */
import { FakeTimers } from "./fake_timers.ts";
import type { Outcome } from "../../src/hub/commands.ts";
import type { Actions } from "../../src/relay/actions.ts";
import type { EventSource } from "../../src/relay/event.ts";
import { Relay, type RelayOptions } from "../../src/relay/relay.ts";

/** A request that waits for the test to answer it. */
export interface Asked {
  readonly headers: Headers;
  readonly body: string;
  // deno-lint-ignore no-explicit-any
  readonly event: any;
  answer(status: number, options?: { json?: unknown; headers?: Record<string, string> }): void;
  answerWith(response: Response): void;
  fail(message?: string): void;
}

/** An app that a test answers for. */
export class FakeApp {
  readonly #asked: Asked[] = [];
  readonly #waiting: ((asked: Asked) => void)[] = [];

  readonly fetch = (_url: unknown, init: RequestInit | undefined): Promise<Response> => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const body = String(init!.body);
    init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason));
    const asked: Asked = {
      headers: new Headers(init!.headers),
      body,
      event: body.startsWith("{") ? JSON.parse(body) : null,
      answer(status, { json, headers = {} } = {}) {
        resolve(
          json === undefined ? new Response(null, { status, headers }) : Response.json(json, {
            status,
            headers,
          }),
        );
      },
      answerWith: resolve,
      fail: (message = "connection refused") => reject(new TypeError(message)),
    };
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#asked.push(asked);
    else waiting(asked);
    return promise;
  };

  /** The next request, be it here or yet to come. */
  next(): Promise<Asked> {
    const asked = this.#asked.shift();
    if (asked !== undefined) return Promise.resolve(asked);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** How many requests are here that no test has taken. */
  get waiting(): number {
    return this.#asked.length;
  }
}

/** A relay to an app that the test answers for, in time that stands still. */
export function setUp(options: Partial<RelayOptions<EventSource>> = {}) {
  const app = new FakeApp();
  const timers = new FakeTimers();
  const acted: Actions[] = [];
  const relay = new Relay({
    url: "http://app.test/updates",
    boot: "b00t",
    act: (_source, actions) => {
      acted.push(actions);
      return [];
    },
    timers,
    random: () => 1,
    fetch: app.fetch as typeof fetch,
    ...options,
  });
  return {
    app,
    timers,
    acted,
    relay,
    send: (source: EventSource, data: unknown) =>
      new Promise<Outcome>((resolve) => relay.message(source, JSON.stringify(data), resolve)),
    [Symbol.dispose]: () => relay.close(),
  };
}

/** A session that has sent nothing yet. */
export function source(id: string): EventSource {
  return { id, user: null, seq: 0 };
}

/** Lets everything happen that does not wait for time or for the app. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}
