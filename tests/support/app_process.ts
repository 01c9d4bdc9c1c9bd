/**
 * Apps in other languages, each as a process of its own.
 *
 * @module
 */
import { eventually, within } from "./within.ts";

/** The languages that examples are written in. */
export type Language = "ruby" | "js" | "python" | "php";

/** What ends well where a language, with what an example needs of it, is installed. */
const PROBES: Readonly<Record<Language, readonly [string, ...string[]]>> = {
  ruby: ["ruby", "-e", 'require "sinatra/base"'],
  js: ["node", "-e", "process.exit(globalThis.fetch ? 0 : 1)"],
  python: ["python3", "-c", "str.removeprefix"],
  php: ["php", "-r", "exit(PHP_MAJOR_VERSION < 8 ? 1 : 0);"],
};

/** What an app sees of the environment of a test: enough to run. */
const KEPT = ["PATH", "HOME", "TMPDIR", "GEM_HOME", "GEM_PATH", "PYENV_ROOT", "PYENV_VERSION"];

/** Whether a test of this language is passed over. Never where `CI` is set: there all have to be installed. */
export function isMissing(language: Language): boolean {
  if (Deno.env.get("CI")) return false;
  const [program, ...args] = PROBES[language];
  try {
    return !new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return true;
  }
}

/** Systems give the ports above these to connections. */
const PORTS = { from: 20_000, to: 32_000 };

/**
 * A port of loopback that nothing listens on. None that the system gives for 0: it could give the same to a
 * connection before the app has it, even to the one that asks whether the app is there.
 */
export function freePort(): number {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** How an app is started. */
export interface AppOptions {
  /** Where it is going to listen, on 127.0.0.1. */
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts an app and waits until it takes connections. Disposing ends it. */
export async function startApp(
  command: readonly string[],
  { port, env = {}, cwd = "/" }: AppOptions,
): Promise<AsyncDisposable> {
  const [program, ...args] = command as [string, ...string[]];
  const child = new Deno.Command(program, {
    args,
    cwd,
    clearEnv: true,
    env: { ...keptEnvironment(), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let running = true;
  const ended = Promise.all([
    child.status.finally(() => running = false),
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  async function stop(): Promise<void> {
    if (running) child.kill("SIGTERM");
    await within(ended, `the end of ${program}`);
  }
  try {
    await eventually(async () => {
      if (!running) throw new Error(`${program} ended: ${(await ended).slice(1).join("\n")}`);
      return await answers(port) ? true : undefined;
    }, `${program} to listen`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { [Symbol.asyncDispose]: stop };
}

function keptEnvironment(): Record<string, string> {
  const all = Deno.env.toObject();
  return Object.fromEntries(KEPT.flatMap((name) => name in all ? [[name, all[name]!]] : []));
}

async function answers(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
