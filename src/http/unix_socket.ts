/**
 * The file of a Unix socket: it outlives a server that was killed, and then is in the way of the next.
 *
 * @module
 */

/**
 * Makes sure that a socket can be made at `path`; what a dead server left there is removed.
 *
 * @throws Error where that cannot be, with what to do about it.
 */
export async function freeSocketPath(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isSocket) throw new Error("there is a file that is no socket; move it away");
  if (await isListenedTo(path)) {
    throw new Error("somebody listens there; stop that, or name another path with --host");
  }
  removeSocket(path);
}

/**
 * Whether a server accepts at `path`; true also where there is no telling, as it may be there. Each call is a
 * connection to it, which says nothing.
 */
export async function isListenedTo(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.ConnectionRefused ||
      error instanceof Deno.errors.NotFound);
  }
}

/** Removes the socket at `path`, if it is one. */
export function removeSocket(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket) Deno.removeSync(path);
  } catch {
    // There is none, which was the aim; or who listens next says why it cannot be.
  }
}
