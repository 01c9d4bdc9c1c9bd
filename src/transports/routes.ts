import { type Context, Hono } from "hono";
import type { RemoteEnv } from "../web/remote.ts";
import type { Gateway, Peer } from "./gateway.ts";
import { acceptEventSource } from "./event_source.ts";
import { acceptEventStream, acceptPoll, acceptUp } from "./http.ts";
import { noHead } from "./no_head.ts";
import { acceptWebSocket } from "./websocket.ts";

/** What a route does once the request may enter. */
type Accept = (
  request: Request,
  entry: { readonly cors: Record<string, string>; readonly peer: Peer },
) => Response | Promise<Response>;

/** The endpoints of protocol 2, and the plain event stream. */
export function transportRoutes(gateway: Gateway): Hono<RemoteEnv> {
  const routes = new Hono<RemoteEnv>();

  /** Lets a request in by its origin and, where it will hold a connection, by the room that is left. */
  function enter(accept: Accept, { holds }: { holds: boolean }) {
    return function route(c: Context<RemoteEnv>): Response | Promise<Response> {
      const entry = gateway.enter(c.req.raw.headers, c.env);
      if ("refusal" in entry) return entry.refusal;
      const peer = gateway.peerOf(c.req.raw, c.env);
      const noRoom = holds ? gateway.room.noConnection(entry.cors, peer) : null;
      return noRoom ?? accept(c.req.raw, { cors: entry.cors, peer });
    };
  }

  routes.get(
    "/chloe/ws",
    noHead,
    enter((request, entry) => acceptWebSocket(gateway, request, entry), { holds: true }),
  );
  routes.post(
    "/chloe/events",
    enter((request, entry) => acceptEventStream(gateway, request, entry), { holds: true }),
  );
  routes.post(
    "/chloe/poll",
    enter((request, entry) => acceptPoll(gateway, request, entry), { holds: true }),
  );
  routes.get(
    "/chloe/events",
    noHead,
    enter((request, entry) => acceptEventSource(gateway, request, entry), { holds: true }),
  );
  routes.post(
    "/chloe/up",
    enter((request, entry) => acceptUp(gateway, request, entry), { holds: false }),
  );
  return routes;
}
