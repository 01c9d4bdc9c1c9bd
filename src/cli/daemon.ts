/**
 * The server as a process in the background: where its files are, how it is started, waited for and stopped.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";
import type { Command } from "commander";
import type { Options } from "./config_options.ts";
import { Failure, reason } from "./failure.ts";
import { health } from "./health.ts";
import { pidFileRemedy, type PidFileState, readPidFile } from "./pid_file.ts";
import { DENO_RUN_FLAGS } from "./version.ts";

const POLL_MS = 50;
const LAST_LINES = 20;

/** Where a daemon keeps what others need of it. */
export interface DaemonFiles {
  readonly pidFile: string;
  readonly logFile: string;
}

/** Adds `--pid-file` and, where `log` is asked for, `--log-file`. */
export function addDaemonOptions(command: Command, { log }: { log: boolean }): Command {
  command.option(
    "--pid-file <file>",
    "the daemon's pid file (default: /run/chloe/chloe.pid as root, else ~/.local/state/chloe/chloe.pid)",
  );
  if (log) {
    command.option(
      "--log-file <file>",
      "the daemon's log (default: /var/log/chloe/chloe.log as root, else ~/.local/state/chloe/chloe.log)",
    );
  }
  return command;
}

/** Who runs the command, and where. */
export interface User {
  /** `null` where the system has no such number. */
  readonly uid: number | null;
  readonly os: typeof Deno.build.os;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The files that `options` name, or those that `user` has by default. */
export function daemonFiles(options: Options, user: User = thisUser()): DaemonFiles {
  const { pidFile, logFile } = options;
  const [run, log] = defaultFolders(user);
  if (typeof pidFile !== "string" && run === null) {
    throw new Failure("Cannot tell where the pid file is: set HOME, or name it with --pid-file");
  }
  return {
    pidFile: typeof pidFile === "string" ? pidFile : `${run}/chloe/chloe.pid`,
    logFile: typeof logFile === "string"
      ? logFile
      : log === null
      ? "/dev/null"
      : `${log}/chloe/chloe.log`,
  };
}

function thisUser(): User {
  return { uid: Deno.uid(), os: Deno.build.os, env: Deno.env.toObject() };
}

function defaultFolders({ uid, os, env }: User): [run: string, log: string] | [null, null] {
  if (uid === 0) return [os === "linux" ? "/run" : "/var/run", "/var/log"];
  const state = env.XDG_STATE_HOME || (env.HOME && `${env.HOME}/.local/state`);
  return state ? [state, state] : [null, null];
}

/** Reads the pid file, or says why it cannot. */
export async function daemonState(pidFile: string): Promise<PidFileState> {
  try {
    return await readPidFile(pidFile);
  } catch (error) {
    throw new Failure(
      `Cannot read the pid file ${pidFile}: ${reason(error)}; ${pidFileRemedy(error)}`,
      { cause: error },
    );
  }
}

/**
 * As {@linkcode daemonState}; but a server that is only starting is waited for until it has said where it is, or
 * has ended.
 *
 * @param options.pause For tests: what passes between two looks.
 */
export async function settledState(
  pidFile: string,
  { timeoutMs, pause: rest = pause }: { timeoutMs: number; pause?: () => Promise<void> },
): Promise<PidFileState> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await daemonState(pidFile);
    if (found.state !== "running" || found.url !== null || Date.now() >= deadline) return found;
    await rest();
  }
}

/** Keeps the flags of a start beside its pid file, so that a restart is one of the same server. */
export async function rememberStart(pidFile: string, options: Options): Promise<void> {
  // Flags hold no secrets: everyone on the machine can read a process's flags.
  await Deno.writeTextFile(startFile(pidFile), `${JSON.stringify(options)}\n`);
}

/** The flags of the last start; none where it is not known. */
export async function recallStart(pidFile: string): Promise<Options> {
  try {
    return JSON.parse(await Deno.readTextFile(startFile(pidFile)));
  } catch {
    return {};
  }
}

function startFile(pidFile: string): string {
  return `${pidFile}.start`;
}

/** The start of a daemon that did not come up, with what it wrote. */
export interface StillBorn {
  readonly why: string;
  /** The last lines that it wrote to its log. */
  readonly lines: readonly string[];
}

/** Where a daemon that came up is. */
export interface Running {
  readonly pid: number;
  readonly url: string;
}

/**
 * Runs `chloe serve` with `args` in a session of its own, and waits until it answers at its URL.
 *
 * @param timeoutMs Until then it is waited for; after that it is killed.
 */
export async function startDaemon(
  args: readonly string[],
  { pidFile, logFile, firstLine, timeoutMs }: DaemonFiles & {
    /** What begins its part of the log. */
    readonly firstLine: string;
    readonly timeoutMs: number;
  },
): Promise<Running | StillBorn> {
  const logged = await openLog(logFile, firstLine);
  const child = new Deno.Command("/bin/sh", {
    // A SIGHUP that comes before it listens for that would kill it; it has yet to read the config then.
    args: ["-c", `trap "" HUP; exec "$@" >>"$0" 2>&1 </dev/null`, logFile, ...serveCommand(args)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  let exitCode: number | null = null;
  child.status.then(({ code }) => exitCode = code);
  const deadline = Date.now() + timeoutMs;
  while (exitCode === null && Date.now() < deadline) {
    const found = await daemonState(pidFile);
    if (found.state === "running" && found.pid === child.pid && found.url !== null) {
      const answer = await health(found.url);
      if (answer !== null && (answer.pid ?? child.pid) === child.pid) {
        child.unref();
        return { pid: child.pid, url: found.url };
      }
    }
    await pause();
  }
  if (exitCode === null) {
    child.kill("SIGKILL");
    await child.status;
  }
  return {
    why: exitCode === null
      ? `it did not answer within ${timeoutMs / 1000} s`
      : `it ended with exit code ${exitCode}`,
    lines: await linesSince(logFile, logged),
  };
}

/** This program, as it was started: the binary itself, or the same Deno with the same flags. */
function serveCommand(args: readonly string[]): string[] {
  const program = Deno.build.standalone
    ? [Deno.execPath()]
    : [Deno.execPath(), "run", ...DENO_RUN_FLAGS, new URL(Deno.mainModule).pathname];
  return [...program, "serve", ...args];
}

/**
 * Makes sure that the log can be written, by a line: that a disk is full shows in nothing else.
 *
 * @returns Its size.
 */
async function openLog(path: string, line: string): Promise<number> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    using file = await Deno.open(path, { append: true, create: true, mode: 0o640 });
    await file.write(new TextEncoder().encode(`${line}\n`));
    return (await file.stat()).size;
  } catch (error) {
    const remedy = error instanceof Deno.errors.PermissionDenied
      ? "run this as the user whose it is, or name another with --log-file"
      : "make room there, or name another with --log-file";
    throw new Failure(`Cannot write the log ${path}: ${reason(error)}; ${remedy}`, {
      cause: error,
    });
  }
}

async function linesSince(path: string, start: number): Promise<string[]> {
  try {
    using file = await Deno.open(path, { read: true });
    await file.seek(start, Deno.SeekMode.Start);
    const text = await new Response(file.readable).text();
    return text.split("\n").filter((line) => line !== "").slice(-LAST_LINES).map(readable);
  } catch {
    return []; // a log that cannot be read, as /dev/null
  }
}

/** A line of the log for a person: level and message where it is a JSON record. */
function readable(line: string): string {
  try {
    const { level, message } = JSON.parse(line);
    return `${level}: ${message}`;
  } catch {
    return line.replace(/^chloe: /, "");
  }
}

/** How a daemon ended. */
export type Stopped = "drained" | "killed" | "gone";

/**
 * Whether the process that a pid file names is the Chloe that answers at its URL. The lock on the file alone
 * does not say so: anybody who can read it can hold it.
 */
export async function isOwn(pid: number, url: string | null): Promise<boolean> {
  const answer = url === null ? null : await health(url);
  return answer !== null && (answer.pid ?? pid) === pid;
}

/** Asks the daemon to stop and waits until it is gone; after `timeoutMs` it is killed. */
export async function stopDaemon(
  pid: number,
  { pidFile, timeoutMs }: { pidFile: string; timeoutMs: number },
): Promise<Stopped> {
  if (!signal(pid, "SIGTERM")) return "gone";
  const deadline = Date.now() + timeoutMs;
  let how: Stopped = "drained";
  for (;;) {
    const found = await daemonState(pidFile);
    if (found.state !== "running" || found.pid !== pid) return how;
    if (Date.now() >= deadline && how === "drained") {
      signal(pid, "SIGKILL");
      how = "killed";
    }
    await pause();
  }
}

/** Sends a signal. @returns False where there is no such process any more. */
export function signal(pid: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(pid, name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    const remedy = error instanceof Deno.errors.PermissionDenied
      ? "; it is another user's: run this as that user, or as root"
      : "";
    throw new Failure(`Cannot send ${name} to process ${pid}: ${reason(error)}${remedy}`, {
      cause: error,
    });
  }
}

/** Waits a little before one looks again. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
