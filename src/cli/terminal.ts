/**
 * The two ways in which a command speaks: answers on stdout, complaints on stderr. Logs are not written here.
 *
 * @module
 */

const encoder = new TextEncoder();

function write(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += stream.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    // The reader went away, as `head` does: nobody is left to tell.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Writes text to stdout as it is. */
export function writeOut(text: string): void {
  write(Deno.stdout, text);
}

/** Writes text to stderr as it is. */
export function writeErr(text: string): void {
  write(Deno.stderr, text);
}

/** Says a line on stdout. */
export function say(line: string): void {
  writeOut(`${line}\n`);
}

/** Says what is wrong, as a line on stderr that names the program. */
export function complain(line: string): void {
  writeErr(`chloe: ${line}\n`);
}
