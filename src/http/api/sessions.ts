/**
 * The sessions, and the users whose they are.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { z } from "@hono/zod-openapi";
import { MAX_INFO_BYTES } from "../../protocol/native.ts";
import { channelName } from "../../protocol/channel_name.ts";
import { ERRORS } from "../../protocol/codes.ts";
import { toJson } from "../../protocol/json.ts";
import { errorResponse } from "../../web/errors.ts";
import type { Control, SessionFacts } from "./control.ts";
import { badRequest } from "./guard.ts";
import { answer, jsonBody, operation, type Routes, unknownSession } from "./operation.ts";
import { pageOf, readCursor, writeCursor } from "./page.ts";
import * as schema from "./schema.ts";

const ONE = "/api/sessions/{session}";

/** Adds what can be asked of sessions and users, and done with them. */
export function addSessions(routes: Routes, control: Control): void {
  routes.openapi(
    operation({
      method: "get",
      path: "/api/sessions",
      operationId: "listSessions",
      tag: "sessions",
      summary: "List sessions",
      description: "Every session, or those of a user, in a channel, or both; ordered by id.",
      answer: ["A page of sessions.", schema.SessionPage],
    }, { query: schema.SessionQuery }),
    (c) => list(c.req.valid("query")),
  );
  routes.openapi(
    operation({
      method: "get",
      path: ONE,
      operationId: "getSession",
      tag: "sessions",
      summary: "Show a session",
      answer: ["The session, with the channels that it is in.", schema.Session],
      refuses: [404],
    }, { params: schema.SessionParam }),
    (c) => {
      const session = control.session(c.req.valid("param").session);
      if (session === null) return unknownSession();
      const channels = [...session.channels.keys()];
      return answer(schema.Session, { ...membersOf(session), channels });
    },
  );
  routes.openapi(
    operation({
      method: "post",
      path: `${ONE}/subscribe`,
      operationId: "subscribeSession",
      tag: "sessions",
      summary: "Put a session into a channel",
      description:
        "Whatever the channel's rule says of who may enter: the app is not bound by it. What a " +
        "token let in for a time stays then; where it is in already, `info` stays as it was.",
      answer: ["It is in the channel now.", schema.Changed],
      refuses: [404],
    }, { params: schema.SessionParam, body: jsonBody(schema.SubscribeBody) }),
    (c) => {
      const { session } = c.req.valid("param");
      const { channel, info } = c.req.valid("json");
      const infoJson = info === undefined ? null : toJson(info);
      if (infoJson === null && info !== undefined) {
        return badRequest("info: is nested too deeply");
      }
      if (infoJson !== null && Buffer.byteLength(infoJson) > MAX_INFO_BYTES) {
        return errorResponse(
          413,
          "too_large",
          `info: is over ${MAX_INFO_BYTES} bytes as JSON text`,
        );
      }
      const changed = control.subscribe(session, channelName(channel)!, infoJson);
      if (changed === "unknown_session") return unknownSession();
      if (typeof changed === "string") return errorResponse(409, changed, ERRORS[changed].message);
      return answer(schema.Changed, { changed });
    },
  );
  routes.openapi(
    operation({
      method: "post",
      path: `${ONE}/unsubscribe`,
      operationId: "unsubscribeSession",
      tag: "sessions",
      summary: "Take a session out of a channel",
      description: "Its browser is told.",
      answer: ["It is not in the channel now.", schema.Changed],
      refuses: [404],
    }, { params: schema.SessionParam, body: jsonBody(schema.UnsubscribeBody) }),
    (c) => {
      const { session } = c.req.valid("param");
      if (control.session(session) === null) return unknownSession();
      const changed = control.unsubscribe(session, channelName(c.req.valid("json").channel)!);
      return answer(schema.Changed, { changed });
    },
  );
  routes.openapi(
    operation({
      method: "post",
      path: `${ONE}/disconnect`,
      operationId: "disconnectSession",
      tag: "sessions",
      summary: "End a session",
      description: "Its browser is told why, now or, between two polls, when it comes back.",
      answer: ["It is over.", schema.Disconnected],
      refuses: [404],
    }, { params: schema.SessionParam, body: jsonBody(schema.DisconnectBody) }),
    (c) => {
      const isThere = control.disconnect(c.req.valid("param").session, c.req.valid("json"));
      return isThere ? answer(schema.Disconnected, { disconnected: 1 }) : unknownSession();
    },
  );
  routes.openapi(
    operation({
      method: "get",
      path: "/api/users/{user}/sessions",
      operationId: "listUserSessions",
      tag: "users",
      summary: "List a user's sessions",
      description: "None where the user has none: Chloe knows users by their sessions alone.",
      answer: ["A page of sessions.", schema.SessionPage],
    }, { params: schema.UserParam, query: schema.PageQuery }),
    (c) => list({ ...c.req.valid("query"), user: c.req.valid("param").user }),
  );
  routes.openapi(
    operation({
      method: "post",
      path: "/api/users/{user}/disconnect",
      operationId: "disconnectUser",
      tag: "users",
      summary: "End all of a user's sessions",
      answer: ["They are over; 0 where there were none.", schema.Disconnected],
    }, { params: schema.UserParam, body: jsonBody(schema.DisconnectBody) }),
    (c) => {
      // All at once, in this turn: no other request comes in between.
      const ids = [...control.sessionIds({ user: c.req.valid("param").user })];
      for (const id of ids) control.disconnect(id, c.req.valid("json"));
      return answer(schema.Disconnected, { disconnected: ids.length });
    },
  );

  function list(
    { user, channel, limit, cursor }: z.infer<typeof schema.SessionQuery>,
  ): Response {
    const after = cursor === undefined ? null : readCursor("sessions", cursor);
    if (after === null && cursor !== undefined) return badCursor();
    const ids = control.sessionIds({
      ...(user !== undefined && { user }),
      ...(channel !== undefined && { channel: channelName(channel)! }),
    });
    const { names, next } = pageOf(ids, { after, limit });
    const sessions = names.flatMap((id) => {
      const session = control.session(id);
      return session === null ? [] : [{ ...membersOf(session), channels: session.channels.size }];
    });
    return answer(schema.SessionPage, {
      sessions,
      next: next === null ? null : writeCursor("sessions", next),
    });
  }
}

/** The refusal of a cursor that no page gave. */
export function badCursor(): Response {
  return badRequest("cursor: is none: take `next` from the page before, as it is");
}

function membersOf(session: SessionFacts) {
  const { id, user, transport, protocol, seq, openedAtMs, expiresAtMs, address, client } = session;
  return {
    id,
    user,
    transport,
    protocol,
    seq,
    opened: timeText(openedAtMs),
    expires: timeText(expiresAtMs),
    address,
    client,
  };
}

function timeText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
