/**
 * A server that runs already, as the commands that speak with it find it and ask it.
 *
 * @module
 */
import type { Command } from "commander";
import { addConfigFile, type Options, requireConfig } from "./config_options.ts";
import { credentials, type Keys } from "./credentials.ts";
import { Failure, reason } from "./failure.ts";
import { isSocketUrl, listeningOf, localUrl } from "./local_url.ts";
import { type Answer, request, requestLines } from "./request.ts";
import { complain } from "./terminal.ts";

const TIMEOUT_MS = 10_000;
/** What is listed is asked for in pages of so many, which stay well below what an answer may hold. */
const PAGE = 500;

/** Adds `--config` and `--url`: where the server is, and what lets one in. */
export function addServerOptions(command: Command): Command {
  return addConfigFile(command)
    .option("--url <url>", "where the server is (default: as the config says)");
}

/** The server that the config, or `--url`, names. It need not be there. */
export async function findServer(options: Options): Promise<RunningServer> {
  const { config, warnings } = await requireConfig(options);
  for (const warning of warnings) complain(`warning: ${warning}`);
  if (options.url === undefined) {
    return new RunningServer(localUrl(listeningOf(config)), config, config.tls.cert);
  }
  const url = String(options.url);
  if (!(URL.canParse(url) && /^https?:/.test(url)) && !/^unix:\/./.test(url)) {
    throw new Failure("--url: must be an http or https URL, or unix: and a socket's path", {
      exitCode: 2,
    });
  }
  return new RunningServer(isSocketUrl(url) ? url : url.replace(/\/+$/, ""), config);
}

/** Asks a running server. Whatever goes wrong is a Failure that says what could not be done. */
export class RunningServer {
  readonly #url: string;
  readonly #config: Keys;
  readonly #certFile: string | undefined;

  /** @param certFile The file of its certificate, where it is this machine's own. */
  constructor(url: string, config: Keys, certFile?: string) {
    this.#url = url;
    this.#config = config;
    this.#certFile = certFile;
  }

  /** Asks for JSON. @param what What this is for, for a person: `read from`. @returns What was answered. */
  get(path: string, what: string): Promise<unknown> {
    return this.#ask(path, { method: "GET", body: "" }, what);
  }

  /** POSTs JSON. @param what What this is for, for a person: `send`. @returns What was answered. */
  post(path: string, body: unknown, what: string): Promise<unknown> {
    return this.#ask(path, { method: "POST", body: JSON.stringify(body) }, what);
  }

  /**
   * What a list of the API holds, over all of its pages.
   *
   * @param name The member of the answer that has the list.
   */
  async *list<T>(
    { path, query, name, what }: {
      readonly path: string;
      readonly query: Readonly<Record<string, string | undefined>>;
      readonly name: string;
      readonly what: string;
    },
  ): AsyncIterable<T> {
    const parameters = new URLSearchParams({ limit: String(PAGE) });
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(key, value);
    }
    for (;;) {
      const page = await this.#ask(`${path}?${parameters}`, { method: "GET", body: "" }, what) as
        & { readonly [name: string]: readonly T[] }
        & { readonly next: string | null };
      yield* page[name] ?? [];
      if (page.next === null) return;
      parameters.set("cursor", page.next);
    }
  }

  /**
   * Takes the lines of a stream as they come.
   *
   * @param onLine Called with each line.
   * @returns How it ended, if not by `signal`.
   */
  async watch(
    path: string,
    { what, signal, onOpen, onLine }: {
      readonly what: string;
      readonly signal: AbortSignal;
      onOpen(): void;
      onLine(line: string): void;
    },
  ): Promise<void> {
    const url = this.#url + path;
    const headers = credentials(this.#config, "");
    let refused: Answer | null;
    try {
      refused = await requestLines(this.#url, path, {
        headers,
        certFile: this.#certFile,
        timeoutMs: TIMEOUT_MS,
        signal,
        onOpen,
        onLine,
      });
    } catch (error) {
      throw new Failure(`Cannot ${what} at ${url}: ${whyUnreachable(error)}`, { cause: error });
    }
    if (refused !== null) throw new Failure(`Cannot ${what} at ${url}: ${whyRefused(refused)}`);
  }

  async #ask(
    path: string,
    { method, body }: { readonly method: string; readonly body: string },
    what: string,
  ): Promise<unknown> {
    const target = this.#url + path;
    const headers = {
      ...(body !== "" && { "content-type": "application/json" }),
      ...credentials(this.#config, body),
    };
    let answer: Answer;
    try {
      answer = await request(this.#url, path, {
        method,
        headers,
        body,
        timeoutMs: TIMEOUT_MS,
        certFile: this.#certFile,
      });
    } catch (error) {
      throw new Failure(`Cannot ${what} ${target}: ${whyUnreachable(error)}`, { cause: error });
    }
    if (answer.status !== 200) {
      throw new Failure(`Cannot ${what} ${target}: ${whyRefused(answer)}`);
    }
    try {
      return JSON.parse(answer.body);
    } catch (error) {
      throw new Failure(`Cannot ${what} ${target}: what answers there is not Chloe`, {
        cause: error,
      });
    }
  }
}

function whyUnreachable(error: unknown): string {
  const { code } = error as { code?: string };
  return code === "ECONNREFUSED" || code === "ENOENT"
    ? "nothing listens there; is Chloe running?"
    : reason(error);
}

function whyRefused({ status, body }: Answer): string {
  try {
    return `${JSON.parse(body).error.message} (${status})`;
  } catch {
    return `it answered ${status}`;
  }
}
