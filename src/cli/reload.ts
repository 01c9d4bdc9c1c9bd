/**
 * `chloe reload`: has a running server read its config anew.
 *
 * @module
 */
import { keys } from "../config/keys.ts";
import { addCommand, type Cli } from "./command.ts";
import type { Options } from "./config_options.ts";
import { addDaemonOptions, daemonFiles, daemonState, isOwn, pause, signal } from "./daemon.ts";
import { Failure } from "./failure.ts";
import { type Note, readReloadNote, remarks } from "./reload_note.ts";
import { complain, say } from "./terminal.ts";

const TIMEOUT_MS = 30_000;

/** Adds the command to the program. */
export function addReload(cli: Cli): void {
  const command = addCommand(cli, "reload", reload)
    .description("have the server in the background read its config anew, with nobody disconnected")
    .addHelpText("after", `\n${afterHelp()}`);
  addDaemonOptions(command, { log: false });
}

function afterHelp(): string {
  const others = keys.filter(({ live }) => live === undefined).map(({ name }) => name);
  return `Takes the config file that the server was started with; its flags and its environment stay.
A config with a problem is refused as a whole. What needs 'chloe restart' is said, and left as it is:
${others.join(", ")}.
Exit codes: 0 the config is in force, 1 it is not.`;
}

async function reload(options: Options): Promise<number> {
  const { pidFile } = daemonFiles(options);
  const found = await daemonState(pidFile);
  if (found.state !== "running") {
    throw new Failure(
      `Cannot reload: no server holds the pid file ${pidFile}; name its own with --pid-file, ` +
        "or send SIGHUP to one that has none (as a package: systemctl reload chloe)",
    );
  }
  const { pid } = found;
  if (pid === null) throw new Failure(`Cannot reload: ${pidFile} is held, but names no process`);
  // Another program, or a Chloe that does not know of it, is killed by this signal.
  const before = await readReloadNote(pidFile);
  if (before === null || !await isOwn(pid, found.url)) {
    throw new Failure(
      `Cannot reload: process ${pid}, which ${pidFile} names, does not answer as a Chloe that can`,
    );
  }
  const asked = { pid, count: before.count, atMs: Date.now() };
  if (!signal(pid, "SIGHUP")) throw new Failure(`Cannot reload: process ${pid} has ended`);
  return tell(pid, await outcome(pidFile, asked));
}

/** Waits for what becomes of a reload that began after it was asked for, whoever asked for it. */
async function outcome(
  pidFile: string,
  { pid, count, atMs }: { readonly pid: number; readonly count: number; readonly atMs: number },
): Promise<Note> {
  const deadline = atMs + TIMEOUT_MS;
  for (;;) {
    const note = await readReloadNote(pidFile);
    if (note !== null && note.count > count && note.atMs >= atMs) return note;
    const found = await daemonState(pidFile);
    if (found.state !== "running" || found.pid !== pid) {
      throw new Failure(`Cannot reload: process ${pid} has ended`);
    }
    if (Date.now() >= deadline) {
      throw new Failure(
        `Process ${pid} did not say within ${
          TIMEOUT_MS / 1000
        } s what became of the reload: see its log`,
      );
    }
    await pause();
  }
}

function tell(pid: number, note: Note): number {
  if (!note.ok) {
    note.problems.forEach(complain);
    throw new Failure(`Cannot reload: process ${pid} goes on with the config of before`);
  }
  const { changed } = note;
  say(
    changed.length === 0
      ? `Chloe (process ${pid}) goes on as before: nothing has changed that it could take`
      : `Chloe (process ${pid}) has taken the new config: ${changed.join(", ")}`,
  );
  remarks(note).forEach(say);
  return 0;
}
