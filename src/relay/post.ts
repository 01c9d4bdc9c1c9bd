import { getLogger } from "@logtape/logtape";
import { retryAfterMs } from "./backoff.ts";
import { TimeLimit } from "../web/time_limit.ts";
import type { Timers } from "./timers.ts";

const logger = getLogger(["chloe", "relay"]);

/** The longest body of an answer that is read. */
export const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * Idle connections to the app are closed after this time. Many servers close theirs after five seconds, and
 * a request that is sent at that very moment is lost.
 */
const IDLE_MS = 4000;

/** What the app said to one request. */
export interface Answer {
  /** The HTTP status, or 0 where there was no answer. */
  readonly status: number;
  /** The body of a 2xx that says it is JSON. */
  readonly json?: string;
  /** Whether the body was too large, or ended before it was whole. */
  readonly cut?: "too_large" | "broken_off";
  /** For how long the app asks to be left alone. */
  readonly retryAfterMs?: number;
  /** Why there was no answer: for the log. */
  readonly problem?: string;
  /** Whether there was none in time. */
  readonly isLate?: boolean;
}

/** How requests are made. */
export interface PosterOptions {
  readonly url: string;
  /** Bound of a request from its first byte to its answer's last, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxConnections: number;
  readonly timers: Timers;
  /** For tests. */
  readonly fetch?: typeof fetch;
}

/** Whether an answer is a yes. */
export function isYes({ status }: Answer): boolean {
  return status >= 200 && status <= 299;
}

/** Makes requests to one URL, over connections that are kept. */
export class Poster {
  readonly #timers: Timers;
  #url: string;
  #limit: TimeLimit;
  readonly #fetch: typeof fetch;
  readonly #client: Deno.HttpClient;
  readonly #underWay = new Set<AbortController>();

  constructor(options: PosterOptions) {
    this.#timers = options.timers;
    this.#url = options.url;
    this.#limit = new TimeLimit(options.timeoutMs, options.timers);
    this.#fetch = options.fetch ?? fetch;
    this.#client = Deno.createHttpClient({
      poolMaxIdlePerHost: options.maxConnections,
      poolIdleTimeout: IDLE_MS,
    });
  }

  /** Posts what comes from now on to another URL, or with another bound. */
  configure({ url, timeoutMs }: Pick<PosterOptions, "url" | "timeoutMs">): void {
    this.#url = url;
    if (timeoutMs !== this.#limit.ms) this.#limit = new TimeLimit(timeoutMs, this.#timers);
  }

  /** Posts a body. Never rejects: what went wrong is in the answer. */
  async post(headers: Record<string, string>, body: string): Promise<Answer> {
    const limit = this.#limit;
    const controller = new AbortController();
    this.#underWay.add(controller);
    let isLate = false;
    const limited = limit.begin(() => {
      isLate = true;
      controller.abort();
    });
    try {
      const response = await this.#fetch(this.#url, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
        signal: controller.signal,
        client: this.#client,
      });
      return await readAnswer(response, this.#timers.now());
    } catch (error) {
      return isLate
        ? { status: 0, problem: `no answer within ${limit.ms} ms`, isLate }
        : { status: 0, problem: reason(error) };
    } finally {
      limit.end(limited);
      this.#underWay.delete(controller);
    }
  }

  /** Breaks off what is under way and lets the connections go. */
  close(): void {
    for (const controller of this.#underWay) controller.abort();
    this.#client.close();
  }
}

/** Reads what is of interest in a response, and otherwise just enough to use its connection again. */
async function readAnswer(response: Response, nowMs: number): Promise<Answer> {
  const { status, headers } = response;
  const yes = isYes({ status });
  const length = headers.get("content-length");
  if (response.body === null || length === "0") {
    await response.body?.cancel();
    return yes ? { status } : refusal(response, nowMs);
  }
  try {
    // The length of what is compressed says nothing of what comes out.
    const text = length === null || headers.has("content-encoding")
      ? await readText(response.body)
      : Number(length) <= MAX_ANSWER_BYTES
      ? await response.text()
      : null;
    if (!yes) return refusal(response, nowMs);
    if (text === null) return { status, cut: "too_large" };
    return isJson(headers.get("content-type"), text) ? { status, json: text } : { status };
  } catch (error) {
    logger.debug("An answer of the app broke off: {problem}", { problem: reason(error) });
    return yes ? { status, cut: "broken_off" } : refusal(response, nowMs);
  } finally {
    // A body that was not read to its end takes its connection with it.
    if (!response.bodyUsed) response.body?.cancel().catch(() => {});
  }
}

function refusal({ status, headers }: Response, nowMs: number): Answer {
  return { status, retryAfterMs: retryAfterMs(headers.get("retry-after"), nowMs) };
}

/** The text of a body of unknown length, or `null` where it is too large. */
async function readText(body: ReadableStream<Uint8Array>): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  // Leaving the loop early cancels the body.
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * Whether an answer is to be read as JSON: it says so, or it looks like an object. Most frameworks call what
 * an app just prints `text/html`.
 */
function isJson(contentType: string | null, text: string): boolean {
  if (text === "") return false;
  if (contentType !== null && /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)) {
    return true;
  }
  return /^\s*\{\s*["}]/.test(text);
}

/** Why a request failed, without the URL that fetch puts before it: its query may hold a key. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Deno 2.9 puts what happened into the cause.
  if (error.cause instanceof Error) return reason(error.cause);
  return error.message.replace(/^error sending request (?:from \S+ )?for url \(.*?\): /, "")
    .replace(
      /^error sending request (?:from \S+ )?for url \(.*\)$/,
      "the request could not be sent",
    );
}
