/**
 * The real program as a process of its own: from the source, or the binary that `CHLOE_BIN` names.
 *
 * @module
 */
import { DENO_RUN_FLAGS } from "../../src/cli/version.ts";
import { within } from "./within.ts";

/** The binary under test, where there is one. */
export const CHLOE_BIN: string | undefined = Deno.env.get("CHLOE_BIN");

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** The words that run Chloe; its arguments follow. */
export const CHLOE_COMMAND: readonly [string, ...string[]] = CHLOE_BIN === undefined
  ? [Deno.execPath(), "run", ...DENO_RUN_FLAGS, MAIN]
  : [CHLOE_BIN];

/** What of the environment of a test Chloe may see: enough to run, and no config. */
const KEPT = ["PATH", "HOME", "DENO_DIR", "DENO_TLS_CA_STORE", "XDG_CACHE_HOME", "TMPDIR"];

/** How to run Chloe. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** The folder to run in; without it one without any `chloe.toml`. */
  readonly cwd?: string;
  /** Words that run the command which follows them, as `nice` does. */
  readonly by?: readonly string[];
}

/** What a command came to. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function command(
  args: readonly string[],
  { env = {}, cwd = "/", by = [], stdout = "piped" }: RunOptions & { stdout?: "piped" | "null" },
): Deno.Command {
  const kept = KEPT.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const [program, ...words] = [...by, ...CHLOE_COMMAND, ...args] as [string, ...string[]];
  return new Deno.Command(program, {
    args: words,
    cwd,
    clearEnv: true,
    env: { ...Object.fromEntries(kept), ...env },
    stdin: "null",
    stdout,
    stderr: "piped",
  });
}

/** Runs a command of Chloe to its end. */
export async function runChloe(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const output = command(args, options).output();
  const { code, stdout, stderr } = await within(output, `the end of chloe ${args.join(" ")}`);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A `chloe serve` that listens. */
export interface ChloeProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** What it wrote to stderr so far: its log, a JSON record a line. */
  stderrLines(): readonly string[];
  /** Resolves to the first line that matches, written before or after the call. */
  lineLike(pattern: RegExp): Promise<string>;
  signal(name: Deno.Signal): void;
  /** Resolves to the exit code when it has ended. */
  readonly ended: Promise<number>;
  /** Sends SIGTERM and waits for the end; the exit code. */
  stop(): Promise<number>;
}

/** How to start Chloe. */
export interface StartOptions extends RunOptions {
  /** The command, where it is not `serve`, which listens on a free port unless `config` names one. */
  readonly command?: readonly string[];
  /** More words for the command. */
  readonly args?: readonly string[];
  /** The text of its `chloe.toml`. */
  readonly config?: string;
}

/** Starts `chloe serve` and waits until it listens. */
export async function startChloe(options: StartOptions = {}): Promise<ChloeProcess> {
  const { args = [], config = "" } = options;
  const folder = await Deno.makeTempDir({ prefix: "chloe-test-" });
  if (config !== "") await Deno.writeTextFile(`${folder}/chloe.toml`, config);
  const port = /^port *=/m.test(config) ? [] : ["--port=0"];
  const serve = options.command ?? ["serve", "--log-format=json", ...port];
  const child = command([...serve, ...args], { cwd: folder, ...options, stdout: "null" })
    .spawn();
  const log = readLines(child.stderr);
  const ended = child.status.then(async ({ code }) => {
    await log.finished;
    await Deno.remove(folder, { recursive: true });
    return code;
  });
  const signal = (name: Deno.Signal) => {
    try {
      child.kill(name);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
  };
  const stop = () => {
    signal("SIGTERM");
    return within(ended, "Chloe to end after SIGTERM");
  };
  const listening = log.find(/" listens on /);
  try {
    const line = await within(listening, "Chloe to listen");
    const { url, port, pid } = JSON.parse(line).properties;
    return {
      ...{ url, port, pid, signal, ended, stop },
      stderrLines: () => log.lines,
      lineLike: (pattern) => within(log.find(pattern), `a line like ${pattern}`),
      [Symbol.asyncDispose]: async () => void await stop(),
    };
  } catch (error) {
    signal("SIGKILL");
    await ended;
    throw error;
  }
}

interface Lines {
  readonly lines: readonly string[];
  readonly finished: Promise<void>;
  /** The first line that matches; rejects where the stream ends without one. */
  find(pattern: RegExp): Promise<string>;
}

function readLines(stream: ReadableStream<Uint8Array>): Lines {
  const lines: string[] = [];
  const waiting = new Set<{ pattern: RegExp; found: (line: string) => void; none: () => void }>();
  let isFinished = false;
  const take = (line: string) => {
    lines.push(line);
    for (const each of waiting) {
      if (!each.pattern.test(line)) continue;
      waiting.delete(each);
      each.found(line);
    }
  };
  const read = async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop()!;
      parts.forEach(take);
    }
    if (rest !== "") take(rest);
    isFinished = true;
    for (const { none } of waiting) none();
  };
  return {
    lines,
    finished: read(),
    find(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const none = () =>
        reject(new Error(`Chloe ended without a line like ${pattern}:\n${lines.join("\n")}`));
      const line = lines.find((line) => pattern.test(line));
      if (line !== undefined) resolve(line);
      else if (isFinished) none();
      else waiting.add({ pattern, found: resolve, none });
      return promise;
    },
  };
}
