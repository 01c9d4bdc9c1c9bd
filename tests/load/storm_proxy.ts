import type { Address } from "../support/server.ts";

/** A stretch of network that can be cut. */
export interface Proxy extends Address, AsyncDisposable {
  /** Breaks every connection, and refuses new ones. */
  cut(): void;
  /** Lets new ones through again, at the same port. */
  mend(): void;
}

/** Passes every connection to a free port of loopback on to `target`. */
export function startProxy(target: Address): Proxy {
  // What else a target has is not for Deno.connect().
  const destination = { hostname: target.hostname, port: target.port };
  const hostname = "127.0.0.1";
  const open = new Set<Deno.Conn>();
  /** One a connection, until both of its halves are done. */
  const passing = new Set<Promise<void>>();
  let listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr;

  function close(connection: Deno.Conn): void {
    if (open.delete(connection)) connection.close();
  }

  async function pass(near: Deno.Conn): Promise<void> {
    open.add(near);
    let far: Deno.Conn | undefined;
    try {
      far = await Deno.connect(destination);
      if (!open.has(near)) return far.close(); // it was cut meanwhile
      open.add(far);
      await Promise.race([copy(near, far), copy(far, near)]);
    } catch {
      // Whatever broke one side breaks the other.
    } finally {
      close(near);
      if (far) close(far);
    }
  }

  async function accept(from: Deno.Listener): Promise<void> {
    // Ends when its listener is closed.
    for await (const connection of from) {
      const passed = pass(connection);
      passing.add(passed);
      passed.then(() => passing.delete(passed));
    }
  }
  let accepting = accept(listener);

  function cut(): void {
    listener.close();
    for (const connection of open) close(connection);
  }

  return {
    hostname,
    port,
    cut,
    mend() {
      listener = Deno.listen({ hostname, port });
      accepting = accept(listener);
    },
    async [Symbol.asyncDispose]() {
      cut();
      await Promise.all([accepting, ...passing]);
    },
  };
}

/** Copies until one of them ends; throws where one breaks. */
async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  for (;;) {
    const length = await from.read(buffer);
    if (length === null) return;
    for (let sent = 0; sent < length;) sent += await to.write(buffer.subarray(sent, length));
  }
}
