/**
 * Which runs of the server there were before this one: what an app knows of their sessions is over, and it
 * has to be told so even where the run before ended by a crash. A small file remembers it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";

const logger = getLogger(["chloe", "boots"]);

/** Boots that are remembered while no app is there to be told of them; beyond, the oldest are forgotten. */
const MAX_OVER = 100;

/** A file that is longer is none of ours. */
const MAX_FILE_BYTES = 64 * 1024;

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

/** What the file holds. */
interface State {
  /** The run that is there, or was there last. */
  readonly boot: string;
  /** The runs before of which the app has not been told, oldest first. */
  readonly over: readonly string[];
}

/** The runs before this one. */
export interface Boots {
  /** Those of which the app has not been told, oldest first; 100 at most. */
  readonly previous: readonly string[];
  /** Forgets one of them, as the app has been told. Rejects with an error of the file system. */
  taken(boot: string): Promise<void>;
}

/** Whose state is kept where. */
export interface BootOptions {
  /** The folder; it is made where there is none, for this user alone. */
  readonly dir: string;
  /** Tells servers with the same folder apart: the port. Needs no more than to be the same after a restart. */
  readonly name: string | number;
  /** What this run is called. */
  readonly boot: string;
}

/**
 * Where state is kept unless the config says so: systemd's folder for it, root's, or the user's. Throws an
 * Error where there is no telling.
 *
 * @param env The environment's variables.
 */
export function defaultStateDir(
  env: Readonly<Record<string, string | undefined>>,
  isRoot: boolean,
): string {
  const [systemd] = (env.STATE_DIRECTORY ?? "").split(":");
  if (systemd) return systemd;
  if (isRoot) return "/var/lib/chloe";
  // Where XDG_STATE_HOME is relative it is to be ignored, says its specification.
  if (env.XDG_STATE_HOME?.startsWith("/")) return `${env.XDG_STATE_HOME}/chloe`;
  if (env.HOME) return `${env.HOME}/.local/state/chloe`;
  throw new Error("Cannot tell where to keep state: set state_dir, or HOME");
}

/**
 * Notes that this run has begun, before its first session does, and says which runs were before. A file that
 * cannot be understood counts as none, with a warning.
 *
 * Rejects with an Error that says what to do where the folder or the file cannot be used.
 */
export async function rememberBoot({ dir, name, boot }: BootOptions): Promise<Boots> {
  const path = `${dir}/boot-${encodeURIComponent(name)}.json`;
  let over: readonly string[];
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    const state = await read(path);
    over = state === null ? [] : without(boot, [...new Set([...state.over, state.boot])]);
    if (over.length > MAX_OVER) {
      logger.warn("Forgetting {count} runs of the server that the app was never told of", {
        count: over.length - MAX_OVER,
      });
      over = over.slice(-MAX_OVER);
    }
    await write(path, { boot, over });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Cannot keep the state that the restarted event needs in ${dir}: let Chloe write there, ` +
        `set state_dir to another folder, or take restarted out of app.events: ${why}`,
      { cause: error },
    );
  }

  const previous = over;
  let writing = Promise.resolve();
  return {
    previous,
    taken(taken) {
      over = without(taken, over);
      // One after the other, each with what is true by then; one that failed does not stop the next.
      const written = writing.then(() => write(path, { boot, over }));
      writing = written.catch(() => {});
      return written;
    },
  };
}

/** How to tell the app of the runs before. */
export interface AnnounceOptions {
  readonly boots: Boots;
  /** Tells the app of one. Resolves with whether that is settled; never rejects. */
  restarted(boot: string): Promise<boolean>;
  /** Aborts where the server ends: what the app has not been told it is told by the next run. */
  readonly signal: AbortSignal;
  /** Waits so many milliseconds, or until the signal aborts; never rejects. For tests. */
  wait?(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Tells the app of the runs before, oldest first, each until it took it: with pauses of 1 s, doubled up to
 * 60 s. Resolves when all is told, or when the signal aborts and what is under way has ended. Never rejects.
 */
export async function announceBoots(
  { boots, restarted, signal, wait = realWait }: AnnounceOptions,
): Promise<void> {
  for (const boot of boots.previous) {
    for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      if (signal.aborted) return;
      if (await restarted(boot)) break;
      if (signal.aborted) return;
      await wait(pauseMs, signal);
    }
    try {
      await boots.taken(boot);
    } catch (error) {
      // Told once more after the next start: an app can hear of it twice, but must not miss it.
      logger.warn("Cannot note that the app knows of the run before: {error}", {
        error: String(error),
      });
    }
  }
}

function without(boot: string, boots: readonly string[]): readonly string[] {
  return boots.filter((each) => each !== boot);
}

/** What the file says; `null` where there is none, or none of ours. */
async function read(path: string): Promise<State | null> {
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    text = size > MAX_FILE_BYTES ? "" : await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const state = understand(text);
  if (state === null) {
    logger.warn(
      "Passing over {path}, which is broken: the app is not told that the sessions of the run before " +
        "are over",
      { path },
    );
  }
  return state;
}

function understand(text: string): State | null {
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof state !== "object" || state === null) return null;
  const { boot, over } = state as { boot?: unknown; over?: unknown };
  if (!isBoot(boot) || !Array.isArray(over) || !over.every(isBoot)) return null;
  return { boot, over };
}

function isBoot(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 100;
}

/** Puts a new file in the place of the old: whoever reads finds one or the other, after a crash too. */
async function write(path: string, state: State): Promise<void> {
  const newPath = `${path}.new`;
  // What a crash left there goes, and a link that somebody put there is not followed.
  await Deno.remove(newPath).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.writeTextFile(newPath, `${JSON.stringify(state)}\n`, { mode: 0o600, createNew: true });
  {
    using file = await Deno.open(newPath, { write: true });
    await file.sync();
  }
  await Deno.rename(newPath, path);
}

/** Waits in real time. */
function realWait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}
