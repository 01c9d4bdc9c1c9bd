import type { Hono } from "hono";
import { errorResponse } from "../web/errors.ts";
import type { RemoteEnv } from "../web/remote.ts";
import { faultAnswer } from "./app.ts";
import type { SendEndpoint } from "./send.ts";

type Connection = RemoteEnv["Bindings"];

/** Answers any request. */
export type Handler = (request: Request, connection: Connection) => Response | Promise<Response>;

/**
 * Answers requests by `app`, but for `POST /send`, which it hands to the endpoint that `app` has for it as well.
 *
 * To find a route costs Hono 2 µs, an eighth of all that a short message takes. Whatever is not exactly that
 * request, say one with a query, takes Hono's way.
 */
export function frontDoor(app: Hono<RemoteEnv>, send: SendEndpoint): Handler {
  return function handle(request, connection) {
    try {
      if (request.method === "POST" && isSend(request.url)) {
        return send(request, connection).catch(faultAnswer);
      }
      return app.fetch(request, connection);
    } catch {
      // A Host header that is none makes the request's URL unreadable.
      return errorResponse(
        400,
        "bad_request",
        "Cannot read the request's address: mend its Host",
      );
    }
  };
}

const PATH = "/send";

/** Before a host's first character there are at least these, of `http://`. */
const SCHEME_LENGTH = 7;

/** Whether a URL has the path `/send` and nothing behind it. */
function isSend(url: string): boolean {
  return url.endsWith(PATH) && url.indexOf("/", SCHEME_LENGTH + 1) === url.length - PATH.length;
}
