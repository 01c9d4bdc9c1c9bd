import { request } from "./request.ts";

const TIMEOUT_MS = 2000;

/** What a server said of itself. */
export interface Health {
  /** Its process id; it tells only its own machine's loopback address. */
  readonly pid: number | null;
}

/** Asks the Chloe at `url` how it is; `null` where none answers. */
export async function health(url: string): Promise<Health | null> {
  try {
    // Nothing is sent that another might not know, so any certificate will do.
    const { status, body } = await request(url, "/healthz", {
      timeoutMs: TIMEOUT_MS,
      certFile: null,
    });
    const answer = JSON.parse(body);
    if (status !== 200 || answer?.status !== "ok") return null;
    return { pid: Number.isSafeInteger(answer.pid) ? answer.pid : null };
  } catch {
    return null; // nothing there, or something that is not Chloe
  }
}
