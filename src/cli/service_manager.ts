/**
 * What the server tells the service manager that started it: a datagram to the socket that NOTIFY_SOCKET
 * names, as sd_notify(3) of systemd has it. Where there is no such socket nothing is told.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline } from "@std/async/deadline";

const logger = getLogger(["chloe", "cli"]);

/** A service manager that reads nothing must not keep a server from stopping. */
const TIMEOUT_MS = 1000;

/** Whom the server reports to. No call ever rejects: a server runs on, whether it was heard or not. */
export interface ServiceManager {
  /** The server takes connections, or has done what {@linkcode reloading} announced. */
  ready(status: string): Promise<void>;
  /** The config is read anew; `ready` has to follow, also where it was refused. */
  reloading(): Promise<void>;
  /** The server ends, and needs up to `timeoutMs` for it: so long it is not to be killed. */
  stopping(timeoutMs: number): Promise<void>;
}

const NOBODY: ServiceManager = {
  ready: () => Promise.resolve(),
  reloading: () => Promise.resolve(),
  stopping: () => Promise.resolve(),
};

/** The service manager that `env`, the environment's variables, speaks of. */
export function serviceManager(
  env: Readonly<Record<string, string | undefined>>,
): ServiceManager {
  const path = env.NOTIFY_SOCKET;
  if (!path) return NOBODY;
  const tell = async (lines: readonly string[]) => {
    try {
      await send(path, lines.join("\n"));
    } catch (error) {
      logger.warn("Cannot tell the service manager at {path}: {error}", {
        path,
        error: String(error),
      });
    }
  };
  return {
    ready: (status) => tell(["READY=1", `STATUS=${onOneLine(status)}`]),
    reloading: () => tell(["RELOADING=1", "STATUS=Reading the config anew"]),
    stopping: (timeoutMs) =>
      tell([
        "STOPPING=1",
        `EXTEND_TIMEOUT_USEC=${Math.ceil(timeoutMs) * 1000}`,
        "STATUS=Letting the app take what browsers sent",
      ]),
  };
}

async function send(path: string, text: string): Promise<void> {
  // A name that begins with @ stands for one outside of the file system, whose first byte is 0.
  const to = path.replace(/^@/, "\0");
  // Deno sends from a socket that has a path of its own.
  const folder = await Deno.makeTempDir({ prefix: "chloe-" });
  try {
    const socket = Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/notify` });
    try {
      const bytes = new TextEncoder().encode(text);
      await deadline(socket.send(bytes, { transport: "unixpacket", path: to }), TIMEOUT_MS);
    } finally {
      socket.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function onOneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ");
}
