/** What was counted is good for this long: a count costs a process where Deno does not let us look. */
const GOOD_FOR_MS = 5000;

/** Says how many files its parent has open, by a shell's own means alone. */
const SCRIPT = '[ -d "/proc/$PPID/fd" ] && set -- "/proc/$PPID/fd/"* && echo "$#"';

/** How many files this process has open: each connection is one. Only Linux says so. */
export class OpenFiles {
  readonly #now: () => number;
  #counted: Promise<number | null> = Promise.resolve(null);
  #goodUntil = -Infinity;

  /** @param now Milliseconds on a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts them, or tells what was counted within the last 5 s. `null` where nobody can. Never rejects. */
  count(): Promise<number | null> {
    const now = this.#now();
    if (now >= this.#goodUntil) {
      this.#goodUntil = now + GOOD_FOR_MS;
      this.#counted = countOpenFiles();
    }
    return this.#counted;
  }

  /** Resolves when no count is under way. */
  async idle(): Promise<void> {
    await this.#counted;
  }
}

async function countOpenFiles(): Promise<number | null> {
  if (Deno.build.os !== "linux") return null;
  try {
    let files = 0;
    for await (const _ of Deno.readDir("/proc/self/fd")) files++;
    return files;
  } catch {
    // Deno 2.9 shows /proc only to who may do everything: a shell may look.
  }
  try {
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", SCRIPT],
      stdin: "null",
      stderr: "null",
    }).output();
    return Number(new TextDecoder().decode(stdout)) || null;
  } catch {
    return null; // no file is left to ask by, or no shell
  }
}
