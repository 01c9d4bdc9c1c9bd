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
   */
  static async claim(path: string): Promise<PidFile | null> {
    await Deno.mkdir(dirname(path), { recursive: true });
    // A look at the file by readPidFile() holds a lock for a moment: one refusal is not yet an answer.
    for (let attempt = 0; attempt < 5; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o644 });
      if (await file.tryLock(true) && await isAt(file, path)) {
        const pidFile = new PidFile(path, file);
        try {
          pidFile.#write([Deno.pid]);
        } catch (error) {
          pidFile[Symbol.dispose]();
          throw error;
        }
        return pidFile;
      }
      file.close();
    }
    return null;
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
