/**
 * Small HTTP requests of the command line. Not by fetch, which hands even 127.0.0.1 to the proxy that the
 * environment names.
 *
 * @module
 */
import http from "node:http";
import https from "node:https";
import { isSocketUrl } from "./local_url.ts";
import { exchangePinned } from "./pinned_https.ts";

const MAX_ANSWER_BYTES = 1024 * 1024;

/** What lets a request through to a server that a URL names. */
export interface ServerAccess {
  /**
   * The server is this machine's own and speaks TLS. Its certificate is for another name than one reaches it
   * by here, so it is known by being the one in this file; with `null` by nothing: for what holds no secret.
   */
  readonly certFile?: string | null | undefined;
}

/** What to ask. */
export interface RequestOptions extends ServerAccess {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What becomes of an exchange. */
export interface ExchangeEvents {
  onHead(status: number): void;
  onData(chunk: Uint8Array): void;
  onEnd(): void;
  onError(error: Error): void;
}

/** An exchange that is under way. */
export interface Exchange {
  /** Ends it, with `onError`. */
  destroy(error: Error): void;
}

/** What is sent. */
export interface Outgoing {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function exchange(
  server: string,
  path: string,
  outgoing: Outgoing & ServerAccess,
  events: ExchangeEvents,
): Exchange {
  const { certFile, ...sent } = outgoing;
  if (certFile !== undefined && server.startsWith("https:")) {
    return exchangePinned(new URL(server + path), { ...sent, certFile }, events);
  }
  const { method, headers, body } = sent;
  const { request } = server.startsWith("https:") ? https : http;
  const onSocket = isSocketUrl(server);
  const options = {
    method,
    headers: { ...headers, ...(onSocket && { host: "localhost" }) },
    agent: false as const,
    ...(onSocket && { socketPath: server.slice("unix:".length) }),
  };
  const url = (onSocket ? "http://localhost" : server) + path;
  const asked = request(url, options, (response) => {
    events.onHead(response.statusCode ?? 0);
    response.on("data", events.onData);
    response.on("error", events.onError);
    let ended = false;
    response.on("end", () => {
      ended = true;
      events.onEnd();
    });
    response.on("close", () => {
      if (!ended) events.onError(new Error("the connection broke off"));
    });
  });
  asked.on("error", events.onError);
  asked.end(body);
  return { destroy: (error) => void asked.destroy(error) };
}

/**
 * Asks for `path` at `server`, a URL without a path. Rejects where nothing answers in time, or with more than
 * 1 MiB.
 */
export function request(server: string, path: string, options: RequestOptions): Promise<Answer> {
  const { method = "GET", headers = {}, body = "", timeoutMs, certFile } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let status = 0;
  const asked = exchange(server, path, { method, headers, body, certFile }, {
    onHead: (code) => status = code,
    onData(chunk) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) asked.destroy(new Error("the answer is too long"));
      else chunks.push(chunk);
    },
    async onEnd() {
      resolve({ status, body: await new Blob(chunks as BlobPart[]).text() });
    },
    onError: reject,
  });
  const timer = setTimeout(
    () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  return promise.finally(() => clearTimeout(timer));
}

/** How to ask for lines. */
export interface LinesOptions extends ServerAccess {
  readonly headers: Readonly<Record<string, string>>;
  /** For how long the beginning of the answer is waited for. */
  readonly timeoutMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** The server has agreed. */
  onOpen(): void;
  onLine(line: string): void;
}

/** A stream on which nothing comes for this long, not even a sign of life, is dead. */
const SILENT_MS = 90_000;

/**
 * Asks for a stream, and takes its lines until it ends. Rejects where nothing answers in time, and where the
 * stream breaks off or falls silent.
 *
 * @returns What was answered in place of a stream.
 */
export function requestLines(
  server: string,
  path: string,
  options: LinesOptions,
): Promise<Answer | null> {
  const { headers, timeoutMs, signal, onOpen, onLine, certFile } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer | null>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const giveUpAfter = (ms: number, why: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => asked.destroy(new Error(`${why} ${ms / 1000} s`)), ms);
  };
  const decoder = new TextDecoder();
  let status = 0;
  let text = "";
  const asked = exchange(server, path, { method: "GET", headers, body: "", certFile }, {
    onHead(code) {
      status = code;
      if (status === 200) onOpen();
      giveUpAfter(SILENT_MS, "nothing came for");
    },
    onData(chunk) {
      giveUpAfter(SILENT_MS, "nothing came for");
      text += decoder.decode(chunk, { stream: true });
      if (status === 200) {
        const lines = text.split("\n");
        text = lines.pop()!;
        lines.forEach(onLine);
      }
      if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error("the answer is too long"));
    },
    onEnd: () => resolve(status === 200 ? null : { status, body: text }),
    onError: reject,
  });
  giveUpAfter(timeoutMs, "no answer within");
  const stop = () => {
    resolve(null);
    asked.destroy(new Error("stopped"));
  };
  signal.addEventListener("abort", stop);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  });
}
