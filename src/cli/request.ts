/**
 * Small HTTP requests of the command line. By node:http and not fetch: fetch hands even 127.0.0.1 to the
 * proxy that the environment names.
 *
 * @module
 */
import http from "node:http";
import https from "node:https";

const MAX_ANSWER_BYTES = 1024 * 1024;

/** What to ask. */
export interface RequestOptions {
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

/** Asks `url`. Rejects where nothing answers in time, or with more than 1 MiB. */
export function request(url: string, options: RequestOptions): Promise<Answer> {
  const { method = "GET", headers = {}, body = "", timeoutMs } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { request } = url.startsWith("https:") ? https : http;
  const asked = request(url, { method, headers, agent: false }, (response) => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    response.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) asked.destroy(new Error("the answer is too long"));
      else chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", async () => {
      resolve({
        status: response.statusCode ?? 0,
        body: await new Blob(chunks as BlobPart[]).text(),
      });
    });
  });
  const timer = setTimeout(
    () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  asked.on("error", reject);
  asked.end(body);
  return promise.finally(() => clearTimeout(timer));
}

/** How to ask for lines. */
export interface LinesOptions {
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
 * Asks `url` for a stream, and takes its lines until it ends. Rejects where nothing answers in time, and where
 * the stream breaks off or falls silent.
 *
 * @returns What was answered in place of a stream.
 */
export function requestLines(url: string, options: LinesOptions): Promise<Answer | null> {
  const { headers, timeoutMs, signal, onOpen, onLine } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer | null>();
  const { request } = url.startsWith("https:") ? https : http;
  let timer: ReturnType<typeof setTimeout>;
  const giveUpAfter = (ms: number, why: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => asked.destroy(new Error(`${why} ${ms / 1000} s`)), ms);
  };
  const asked = request(url, { headers, agent: false }, (response) => {
    const { statusCode: status = 0 } = response;
    const isStream = status === 200;
    if (isStream) onOpen();
    const decoder = new TextDecoder();
    let text = "";
    giveUpAfter(SILENT_MS, "nothing came for");
    response.on("data", (chunk: Uint8Array) => {
      giveUpAfter(SILENT_MS, "nothing came for");
      text += decoder.decode(chunk, { stream: true });
      if (isStream) {
        const lines = text.split("\n");
        text = lines.pop()!;
        lines.forEach(onLine);
      }
      if (text.length > MAX_ANSWER_BYTES) asked.destroy(new Error("the answer is too long"));
    });
    response.on("error", reject);
    response.on("close", () => reject(new Error("the connection broke off")));
    response.on("end", () => resolve(isStream ? null : { status, body: text }));
  });
  giveUpAfter(timeoutMs, "no answer within");
  const stop = () => {
    resolve(null);
    asked.destroy();
  };
  signal.addEventListener("abort", stop);
  asked.on("error", reject);
  asked.end();
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  });
}
