import { createRoute, type OpenAPIHono, type RouteConfig, type z } from "@hono/zod-openapi";
import { errorResponse } from "../../web/errors.ts";
import type { RemoteEnv } from "../../web/remote.ts";
import { JSON_HEADERS } from "./guard.ts";

/** Where the operations of the API are added. */
export type Routes = OpenAPIHono<RemoteEnv>;

/** The refusals of the API: the names of their components in the document, and when they come. */
export const REFUSALS = {
  400: [
    "BadRequest",
    "Something in the request is missing, wrong or unknown; the message names it.",
  ],
  401: ["Unauthorized", "Nothing proves that you may; the message says what would."],
  404: ["NotFound", "There is no such thing; the code says what: `unknown_session`, ..."],
  408: ["Timeout", "The body did not come within 10 seconds."],
  409: [
    "Conflict",
    "It cannot be done as things are, or the `webhook-id` stands for another request.",
  ],
  413: ["TooLarge", "The body, or a member of it, is too large."],
  415: ["UnsupportedMediaType", "The body is not of a type that is taken here."],
  503: ["Unavailable", "Not now: shutting down, or no room; the same may succeed later."],
} as const satisfies Record<number, readonly [name: string, description: string]>;

type RefusalStatus = keyof typeof REFUSALS;

/** The references to the refusals of these statuses. */
export function refusals(...statuses: readonly RefusalStatus[]): Record<number, { $ref: string }> {
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${REFUSALS[status][0]}` }]),
  );
}

/** One operation, as it is documented; the schemas in it are what is checked. */
export interface Operation {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly operationId: string;
  readonly tag: "sessions" | "users" | "channels" | "messages" | "server";
  readonly summary: string;
  readonly description?: string;
  /** What a good answer says, and its schema. */
  readonly answer: readonly [description: string, schema: z.ZodType];
  /** Beside what comes with every request, and with every body. */
  readonly refuses?: readonly RefusalStatus[];
}

/** To the compiler a refusal has no content, so that handlers may answer with any Response. */
interface JsonAnswer {
  description: string;
  content: { "application/json": { schema: z.ZodType } };
}

/** The route of an operation that answers in JSON, and of what it takes. */
export function operation<
  P extends string,
  const R extends NonNullable<RouteConfig["request"]>,
>(
  { method, path, tag, operationId, summary, description, answer: [said, schema], refuses = [] }:
    & Operation
    & { readonly path: P },
  request: R,
) {
  const ofBody = "body" in request ? [408, 413, 415] as const : [];
  return createRoute({
    method,
    path,
    operationId,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    request,
    responses: {
      200: { description: said, content: { "application/json": { schema } } },
      ...refusals(400, 401, 409, 503, ...ofBody, ...refuses),
    } as { 200: JsonAnswer; 400: { $ref: string } },
  });
}

/** A JSON body with this schema. */
export function jsonBody<S extends z.ZodType>(schema: S) {
  return { required: true, content: { "application/json": { schema } } } as const;
}

/** Answers with what the schema says. */
export function answer<S extends z.ZodType>(_schema: S, value: z.infer<S>): Response {
  return jsonAnswer(JSON.stringify(value));
}

/** Answers with JSON text. */
export function jsonAnswer(json: string): Response {
  return new Response(`${json}\n`, { headers: JSON_HEADERS });
}

export function unknownSession(): Response {
  return errorResponse(
    404,
    "unknown_session",
    "No such session is here; it may have ended: GET /api/sessions lists those that are",
  );
}

export function unknownChannel(): Response {
  return errorResponse(
    404,
    "unknown_channel",
    "Nobody is in that channel, and it has no history: GET /api/channels lists those that are",
  );
}
