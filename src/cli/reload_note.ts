/**
 * What became of a server's last reload, in a small file beside its pid file: for `chloe reload`, which asks for
 * one by a signal, and signals have no answer.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Reloaded } from "../server.ts";
import { reason } from "./failure.ts";

const logger = getLogger(["chloe", "cli"]);

/** What the file says; nothing in it is secret. */
export type Note = Reloaded & {
  /** How many reloads there were, this one included. */
  readonly count: number;
  /** When the config began to be read, in milliseconds since 1970. */
  readonly atMs: number;
};

/** The note of this process. Disposing removes it. */
export class ReloadNote implements Disposable {
  readonly #path: string;
  #count = 0;

  /** Says at once that this server knows of reloads. */
  constructor(pidFile: string) {
    this.#path = pathOf(pidFile);
    this.#write({ ok: true, changed: [], restart: [], count: 0, atMs: Date.now() });
  }

  /**
   * Says what became of a reload, in place of what it said before. Where that cannot be, the log says so.
   *
   * @param atMs When the config began to be read, in milliseconds since 1970.
   */
  write(reloaded: Reloaded, atMs: number): void {
    this.#write({ ...reloaded, count: ++this.#count, atMs });
  }

  #write(note: Note): void {
    const draft = `${this.#path}.new`;
    try {
      Deno.writeTextFileSync(draft, `${JSON.stringify(note)}\n`, { mode: 0o644 });
      Deno.renameSync(draft, this.#path);
    } catch (error) {
      logger.warn("Cannot tell 'chloe reload' what becomes of it: {why}", { why: reason(error) });
      remove(draft);
    }
  }

  [Symbol.dispose](): void {
    remove(this.#path);
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Somebody removed it, or its folder: it is gone, which was the aim.
  }
}

/** What a running server's file says; `null` where there is none. */
export async function readReloadNote(pidFile: string): Promise<Note | null> {
  try {
    return JSON.parse(await Deno.readTextFile(pathOf(pidFile)));
  } catch {
    return null;
  }
}

function pathOf(pidFile: string): string {
  return `${pidFile}.reload`;
}

/** What there is to say of the config in force, a line each; nothing where it is as the file has it. */
export function remarks(note: Note | null): string[] {
  if (note === null) return [];
  if (!note.ok) {
    return ["The last reload was refused, the config of before is in force:", ...note.problems];
  }
  return note.restart.length === 0 ? [] : [
    `Changed in the config, but in force only after 'chloe restart': ${note.restart.join(", ")}`,
  ];
}
