import type { Context, Next } from "hono";
import { errorResponse } from "../web/errors.ts";

/**
 * Refuses HEAD. Hono answers it by the route for GET and drops the body: a session that was begun for that
 * body would wait for ever for somebody to read it.
 */
export async function noHead(c: Context, next: Next): Promise<Response | void> {
  if (c.req.method !== "HEAD") return await next();
  return errorResponse(405, "method_not_allowed", "Use GET for this address", { allow: "GET" });
}
