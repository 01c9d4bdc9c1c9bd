import { Hono } from "hono";
import { ERRORS, ProtocolError } from "../../protocol/codes.ts";
import {
  legacyCodec,
  legacyConnected,
  legacyData,
  type LegacyMessage,
  parseLegacyMessage,
} from "../../protocol/legacy.ts";
import { countFrame } from "../../hub/commands.ts";
import type { Session } from "../../hub/session.ts";
import { errorResponse } from "../../web/errors.ts";
import type { RemoteEnv } from "../../web/remote.ts";
import type { Gateway, Peer } from "../gateway.ts";
import { refusal } from "../http.ts";
import { noHead } from "../no_head.ts";
import { Poll, type PollFormat } from "../poll.ts";
import { takeLegacyMessage } from "./conversation.ts";
import { askAgainLaterScript, jsonpFormat, responseScript } from "./jsonp.ts";
import { acceptLegacyWebSocket } from "./websocket.ts";
import { xhrFormat } from "./xhr.ts";

/** How long a page of a session that is gone waits before it is given a new one. */
const NEW_SESSION_AFTER_MS = 1000;

const NO_STORE = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
const SCRIPT = { ...NO_STORE, "content-type": "application/javascript; charset=utf-8" };
const JSON_TEXT = { ...NO_STORE, "content-type": "application/json" };

/** The endpoints of protocol 1. */
export function legacyRoutes(gateway: Gateway): Hono<RemoteEnv> {
  const routes = new Hono<RemoteEnv>();

  routes.get("/chloe/websocket", noHead, (c) => {
    const entry = gateway.enter(c.req.raw.headers, c.env);
    if ("refusal" in entry) return entry.refusal;
    const peer = gateway.peerOf(c.req.raw, c.env);
    return gateway.room.noConnection(entry.cors, peer) ??
      acceptLegacyWebSocket(gateway, c.req.raw, { peer, cors: entry.cors });
  });

  routes.get("/chloe/jsonp.js", noHead, (c) => {
    const headers = scriptHeaders(c.req.raw.headers);
    const entry = gateway.enter(headers, c.env);
    if ("refusal" in entry) return entry.refusal;
    const query = queryOf(c.req.raw.url);
    gateway.hub.counters.bytesIn += query.length;
    const message = readMessage(query);
    if (message instanceof Response) return message;
    const peer = gateway.peerOf(c.req.raw, c.env, headers);
    return answerJsonp(gateway, c.req.raw, message, peer);
  });

  routes.post("/chloe/xhr", async (c) => {
    const entry = gateway.enter(c.req.raw.headers, c.env);
    if ("refusal" in entry) return entry.refusal;
    const body = await gateway.bodies.read(c.req.raw, gateway.maxMessageBytes);
    if (!body.ok) {
      if (body.status === 413) gateway.hub.counters.limitsHit.maxBytesRefused++;
      return errorResponse(body.status, "too_large", "Send less, and at once", {
        ...entry.cors,
        connection: "close",
      });
    }
    gateway.hub.counters.bytesIn += body.bytes.length;
    const message = readMessage(new TextDecoder().decode(body.bytes), entry.cors);
    if (message instanceof Response) return message;
    const peer = gateway.peerOf(c.req.raw, c.env);
    if (message.type === "connect") {
      const session = await openSession(gateway, peer);
      if (session instanceof ProtocolError) return refusal(session, entry.cors);
      const body = legacyConnected(message.id, gateway.hub.secretOf(session));
      return new Response(body, { headers: { ...JSON_TEXT, ...entry.cors } });
    }
    const session = findSession(gateway, message);
    if (session === null) return unknownSession(entry.cors);
    return unlessTooFast(gateway, { session, peer, cors: entry.cors }, () => {
      takeLegacyMessage(gateway, session, message);
      return new Response("", { headers: { ...NO_STORE, ...entry.cors } });
    });
  });

  routes.get("/chloe/xhr/:time", noHead, async (c) => {
    const entry = gateway.enter(c.req.raw.headers, c.env);
    if ("refusal" in entry) return entry.refusal;
    const message = readMessage(queryOf(c.req.raw.url), entry.cors);
    if (message instanceof Response) return message;
    const peer = gateway.peerOf(c.req.raw, c.env);
    const noRoom = gateway.room.noConnection(entry.cors, peer);
    if (noRoom !== null) return noRoom;
    const session = findSession(gateway, message);
    if (session === null) return unknownSession(entry.cors);
    return await unlessTooFast(gateway, { session, peer, cors: entry.cors }, async () => {
      const holding = { peer, kind: "legacy-xhr", format: xhrFormat };
      const body = await holdPoll(gateway, session, c.req.raw, holding);
      if (body === null) {
        return errorResponse(503, "shutting_down", ERRORS.shutting_down.message, entry.cors);
      }
      return new Response(body, { headers: { ...JSON_TEXT, ...entry.cors } });
    });
  });

  return routes;
}

async function answerJsonp(
  gateway: Gateway,
  request: Request,
  message: LegacyMessage,
  peer: Peer,
): Promise<Response> {
  const { id } = message;
  if (message.type === "connect") {
    const session = await openSession(gateway, peer);
    if (session instanceof ProtocolError) return refusal(session, {});
    return script(responseScript(legacyConnected(id, gateway.hub.secretOf(session))));
  }
  const session = findSession(gateway, message);
  if (message.type !== "poll") {
    if (session === null) return unknownSession();
    return unlessTooFast(gateway, { session, peer, cors: {} }, () => {
      takeLegacyMessage(gateway, session, message);
      return script("");
    });
  }
  if (id === null) return errorResponse(400, "bad_frame", "id: must be a number");
  if (gateway.room.noConnection({}, peer) !== null) return script(askAgainLaterScript(id));
  if (session !== null) {
    return await unlessTooFast(gateway, { session, peer, cors: {} }, async () => {
      const holding = { peer, kind: "legacy-jsonp", format: jsonpFormat(id) };
      return script(await holdPoll(gateway, session, request, holding) ?? "");
    });
  }
  // Its session is gone, most likely by a restart: a new one, on which the page subscribes again. Not at
  // once, so that pages that all lost theirs do not come back in a closed loop.
  const { counters } = gateway.hub;
  counters.enter(peer.addressKey);
  await new Promise((resolve) => setTimeout(resolve, NEW_SESSION_AFTER_MS));
  counters.leave(peer.addressKey);
  const renewed = await openSession(gateway, peer);
  if (renewed instanceof ProtocolError) {
    return renewed.close.reconnect ? script(askAgainLaterScript(id)) : refusal(renewed, {});
  }
  return script(responseScript(legacyConnected(id, gateway.hub.secretOf(renewed))));
}

/** Answers for a session; one that asks far too often ends. */
async function unlessTooFast(
  { room }: Gateway,
  { session, peer, cors }: {
    readonly session: Session;
    readonly peer: Peer;
    readonly cors: Record<string, string>;
  },
  answer: () => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof ProtocolError) {
      session.end(error.close);
      room.noteEnd(peer, error.close);
    }
    return refusal(error, cors);
  }
}

/** Holds a poll until there is something to say. @throws ProtocolError where far too many came. */
function holdPoll(
  { commands, hub: { counters } }: Gateway,
  session: Session,
  { signal }: Request,
  { peer, kind, format }: {
    readonly peer: Peer;
    readonly kind: string;
    readonly format: PollFormat;
  },
): Promise<string | null> {
  countFrame(commands, session);
  const poll = new Poll({ kind, format, counters, addressKey: peer.addressKey, signal });
  poll.session = session;
  // A browser that went already takes no live poll's place.
  if (poll.isHeld) session.attach(poll);
  session.flush();
  return poll.answer;
}

/** A new session, or why there is none. */
async function openSession(gateway: Gateway, peer: Peer): Promise<Session | ProtocolError> {
  try {
    return await gateway.openSession(legacyCodec, { peer });
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}

function findSession(gateway: Gateway, { sessionId }: LegacyMessage): Session | null {
  return sessionId === null ? null : gateway.hub.findBySecret(sessionId, legacyCodec);
}

function readMessage(raw: string, cors: Record<string, string> = {}): LegacyMessage | Response {
  const data = legacyData(raw);
  const message = data === null ? "data: is missing" : parseLegacyMessage(data);
  return typeof message === "string" ? errorResponse(400, "bad_frame", message, cors) : message;
}

/**
 * The headers by which a script is let in. A script tag sends no `Origin` and what it loads can be read by
 * any site, so one of another site has to be listed; its `Referer` says which it is.
 */
function scriptHeaders(headers: Headers): Headers {
  if (headers.get("sec-fetch-site") !== "cross-site" || headers.has("origin")) return headers;
  const named = new Headers(headers);
  try {
    named.set("origin", new URL(headers.get("referer") ?? "").origin);
  } catch {
    // not named: refused as it stands
  }
  return named;
}

function queryOf(url: string): string {
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at + 1);
}

function script(body: string): Response {
  return new Response(body, { headers: SCRIPT });
}

function unknownSession(cors: Record<string, string> = {}): Response {
  return errorResponse(404, "unknown_session", ERRORS.unknown_session.message, cors);
}
