/**
 * The pid file of a running server: its first line is the process id, the second the URL at which this
 * machine reaches it, as soon as there is one.
 *
 * The server keeps the file locked (flock) while it lives. The system undoes the lock when the process ends,
 * however it ends, so a file without a lock is stale, whatever process has that number by now.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";

/** What a pid file says. */
export type PidFileState =
  | { readonly state: "none" }
  | { readonly state: "stale"; readonly pid: number | null }
  | { readonly state: "running"; readonly pid: number | null; readonly url: string | null };

/** How often a file is tried that somebody else holds: another that is starting lets it go at once. */
const MAX_ATTEMPTS = 5;

/** How often one is tried that is only being looked at: on a busy machine that may take a while. */
const MAX_LOOKS = 500;

const PAUSE_MS = 20;

/** The pid file of this process. Disposing removes it. */
export class PidFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Makes the file, and its folder, and locks it; `null` where a living server holds it. Throws what the
   * file system throws.
   *
   * @param options.pause For tests: what passes between two attempts.
   */
  static async claim(
    path: string,
    { pause = wait }: { pause?: () => Promise<void> } = {},
  ): Promise<PidFile | null> {
    await Deno.mkdir(dirname(path), { recursive: true });
    for (let attempts = 0, looks = 0;;) {
      const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o644 });
      const isLocked = await file.tryLock(true);
      if (isLocked && await isAt(file, path)) {
        const pidFile = new PidFile(path, file);
        try {
          pidFile.#write([Deno.pid]);
        } catch (error) {
          pidFile[Symbol.dispose]();
          throw error;
        }
        return pidFile;
      }
      // A look at the file by readPidFile() shares its lock for a moment: that is no server.
      const isLookedAt = !isLocked && await file.tryLock(false);
      file.close();
      if (isLookedAt ? ++looks >= MAX_LOOKS : ++attempts >= MAX_ATTEMPTS) return null;
      await pause();
    }
  }

  /** Adds the URL at which this machine reaches the server. */
  publish(url: string): void {
    this.#write([Deno.pid, url]);
  }

  #write(lines: readonly (string | number)[]): void {
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#file.truncateSync(0);
    this.#file.writeSync(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#path);
    } catch {
      // Somebody removed it, or its folder: it is gone, which was the aim.
    }
    this.#file.close();
  }
}

function wait(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** What to do about a pid file that cannot be read or written. */
export function pidFileRemedy(error: unknown): string {
  const isForbidden = error instanceof Deno.errors.PermissionDenied;
  return isForbidden
    ? "it, or its folder, is another user's: run this as that user, or name another file with --pid-file"
    : "mend that, or name another file with --pid-file";
}

/** Whether `file` still is what stands at `path`: the one before us may have removed it as it ended. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [ours, there] = await Promise.all([file.stat(), Deno.stat(path)]);
    return ours.ino === there.ino && ours.dev === there.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Says whether a server holds the pid file at `path`. Throws where the file cannot be read. */
export async function readPidFile(path: string): Promise<PidFileState> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { state: "none" };
    throw error;
  }
  using _closing = file;
  const held = !await file.tryLock(false);
  const buffer = new Uint8Array(1024);
  const size = await file.read(buffer) ?? 0;
  const [first = "", second = ""] = new TextDecoder().decode(buffer.subarray(0, size)).split("\n");
  const pid = /^[1-9]\d{0,9}$/.test(first.trim()) ? Number(first) : null;
  if (!held) return { state: "stale", pid };
  return { state: "running", pid, url: second.trim() || null };
}
