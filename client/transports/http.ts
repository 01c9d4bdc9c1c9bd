import { ChloeError, refusal } from "../errors.ts";
import { UP_TIMEOUT_MS } from "../constants.ts";
import type { Session } from "../session.ts";
import {
  parse,
  type Transport,
  type TransportListener,
  type TransportOptions,
} from "./transport.ts";

/**
 * Posts to `/chloe/<path>`. Throws where the answer is a refusal, or not one of Chloe's, and when the transport
 * is closed.
 */
export type Post = (path: string, body: string) => Promise<Response>;

/**
 * Opens one of them: `listen` brings frames down for as long as it runs; what goes up is posted to
 * `/chloe/up`, one request at a time, so that commands arrive in their order.
 */
export function openHttp(
  { environment, base, session }: TransportOptions,
  listener: TransportListener,
  listen: (post: Post) => Promise<void>,
): Transport {
  const abort = new AbortController();
  const outbox: string[] = [];
  let posting = false;
  /** Calls it a turn later: what the page sends in one go then leaves in one request. */
  const start = (work: () => Promise<void>) => void Promise.resolve().then(work).catch(fail);

  const fail = (error: unknown) => {
    abort.abort();
    listener.lost(String(error), { error: error instanceof ChloeError ? error : undefined });
  };

  const post: Post = async (path, body) => {
    const response = await environment.fetch(`${base}/chloe/${path}`, {
      method: "POST",
      body,
      signal: abort.signal,
    });
    if (response.ok) return response;
    const { error } = parse(await response.text()) || {};
    throw error ? refusal(error) : new Error(`/chloe/${path} answered ${response.status}`);
  };

  const speak = async () => {
    if (posting) return;
    posting = true;
    while (outbox[0]) {
      const timer = environment.setTimeout(() => fail("no answer"), UP_TIMEOUT_MS);
      try {
        await (await post("up", batch(position(session), outbox, 4 * session.state.maxBytes)))
          .text();
      } finally {
        environment.clearTimeout(timer);
      }
    }
    posting = false;
  };

  start(() => listen(post));
  return {
    send(line) {
      outbox.push(line);
      start(speak);
    },
    close: () => abort.abort(),
  };
}

/** The line that a request of an open session begins with. */
export function position(session: Session): string {
  return JSON.stringify(session.resumption());
}

/** Takes from the outbox as many lines as one body may hold, and at least one. */
function batch(head: string, outbox: string[], maxBody: number): string {
  let body = head;
  // A character of JavaScript's has three bytes at most.
  do body += "\n" + outbox.shift(); while (
    outbox[0] && (body.length + outbox[0].length) * 3 < maxBody
  );
  return body;
}
