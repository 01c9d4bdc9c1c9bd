import type { Hono } from "hono";
import { errorResponse } from "../web/errors.ts";
import type { Connection, RemoteEnv } from "../web/remote.ts";
import { refuseAmbiguous } from "./ambiguous.ts";
import type { ConnectionOf } from "./proxies.ts";
import type { SendEndpoint } from "./send.ts";

/** What the door leads to. */
export interface FrontDoorOptions {
  readonly app: Hono<RemoteEnv>;
  /** What `app` has for `POST /send` as well. */
  readonly send: SendEndpoint;
  readonly connectionOf: ConnectionOf;
}

/** Answers any request. @param peerAddress The address of the other end; `""`: none. */
export type Handler = (request: Request, peerAddress: string) => Response | Promise<Response>;

/**
 * Answers requests by `app`, but for `POST /send`, which it hands to its endpoint at once.
 *
 * To find a route costs Hono 2 µs, an eighth of all that a short message takes. Whatever is not exactly that
 * request, say one with a query, takes Hono's way.
 */
export function frontDoor({ app, send, connectionOf }: FrontDoorOptions): Handler {
  return function handle(request, peerAddress) {
    let connection: Connection;
    let url: string;
    try {
      const refusal = refuseAmbiguous(request.headers);
      if (refusal !== null) return refusal;
      connection = connectionOf(request, peerAddress);
      url = request.url;
    } catch {
      // A Host header that is none makes the request's URL unreadable.
      return errorResponse(
        400,
        "bad_request",
        "Cannot read the request's address: mend its Host",
      );
    }
    if (request.method === "POST" && isSend(url)) return send(request, connection);
    return app.fetch(request, connection);
  };
}

const PATH = "/send";

/** Before a host's first character there are at least these, of `http://`. */
const SCHEME_LENGTH = 7;

/** Whether a URL has the path `/send` and nothing behind it. */
function isSend(url: string): boolean {
  return url.endsWith(PATH) && url.indexOf("/", SCHEME_LENGTH + 1) === url.length - PATH.length;
}
