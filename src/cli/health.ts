import { request } from "./request.ts";

const TIMEOUT_MS = 2000;

/** What a server said of itself. */
export interface Health {
  /** Its process id; it tells only its own machine's loopback address. */
  readonly pid: number | null;
}

/** The URL at which a program on this machine reaches a server that listens on `host`. */
export function localUrl(host: string, port: number): string {
  const name = host.replace(/^\[(.*)\]$/, "$1");
  if (name === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (name === "::") return `http://[::1]:${port}`;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/** Asks the Chloe at `url` how it is; `null` where none answers. */
export async function health(url: string): Promise<Health | null> {
  try {
    const { status, body } = await request(`${url}/healthz`, { timeoutMs: TIMEOUT_MS });
    const answer = JSON.parse(body);
    if (status !== 200 || answer?.status !== "ok") return null;
    return { pid: Number.isSafeInteger(answer.pid) ? answer.pid : null };
  } catch {
    return null; // nothing there, or something that is not Chloe
  }
}
