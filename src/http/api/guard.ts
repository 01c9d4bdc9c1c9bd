import { createHash } from "node:crypto";
import type { Context, MiddlewareHandler, Next } from "hono";
import { BodyReader } from "../../web/body_reader.ts";
import { errorResponse } from "../../web/errors.ts";
import type { RemoteEnv } from "../../web/remote.ts";
import type { Authenticator, Requester } from "../authentication.ts";
import { IdempotencyStore } from "../idempotency.ts";

/** The longest body that is read. */
export const MAX_BODY_BYTES = 64 * 1024;

const MAX_REQUEST_ID = 200;

/** What lets a request in. */
export interface GuardOptions {
  readonly authenticator: Authenticator;
  /** Bound of a body. Default: 64 KiB. */
  readonly maxBodyBytes?: number;
  /** For tests. */
  readonly store?: IdempotencyStore;
}

/**
 * Lets the app in, reads its body within bounds, and does nothing twice under one `webhook-id`.
 *
 * A signature covers neither method nor path. What it is good for is settled by who comes first: its id is
 * bound to the method, the path, the query and the body of the request that it came with, whatever becomes of
 * that, and with anything else it is refused. A body that was signed for something else, an event or a message,
 * fits no address here: the bodies are strict, and where none belongs there must be none.
 */
export function guard(options: GuardOptions): MiddlewareHandler<RemoteEnv> {
  const { authenticator, maxBodyBytes = MAX_BODY_BYTES, store = new IdempotencyStore() } = options;
  const bodies = new BodyReader({ maxBytes: maxBodyBytes });
  /** Requests under way by their ids: what comes again meanwhile waits for the first one's answer. */
  const underWay = new Map<string, { readonly digest: string; readonly done: Promise<void> }>();

  return async function guarded(c: Context<RemoteEnv>, next: Next): Promise<Response | void> {
    const { req: { raw: request }, env: connection } = c;
    const { headers, method } = request;
    const from: Requester = { headers, ...connection };
    const early = authenticator.byHeaders(from);
    if (early?.ok === false) return unauthorized(early.message);

    const read = await bodies.read(request);
    if (!read.ok) return bodyRefusal(read.status, maxBodyBytes);
    const { bytes } = read;
    const verdict = authenticator.authenticate(from, { body: bytes });
    if (!verdict.ok) return unauthorized(verdict.message);

    const refusal = checkBody(method, headers.get("content-type"), bytes);
    if (refusal !== null) return refusal;
    // It was read here: whoever reads it again is given these bytes.
    if (method === "POST") c.req.raw = new Request(request.url, { method, headers, body: bytes });

    const id = headers.get("webhook-id");
    if (id === null) return await next();
    if (id === "" || id.length > MAX_REQUEST_ID) {
      return badRequest(`webhook-id: must have 1 to ${MAX_REQUEST_ID} characters`);
    }
    const digest = digestOf(method, request.url, bytes);
    for (;;) {
      const same = underWay.get(id);
      if (same === undefined) break;
      if (same.digest !== digest) return conflict(id);
      await same.done;
    }
    const known = store.find(id, digest);
    if (known.kind === "conflict") return conflict(id);
    if (known.kind === "repeat" && known.answer !== "") return repeated(known.answer);
    if (known.kind === "new" && !store.hasRoom(1)) {
      return errorResponse(
        503,
        "unavailable",
        "Cannot remember more ids: use a bearer key, or try later",
        { "retry-after": "1" },
      );
    }
    const remember = (answer: string) => {
      store.put(id, { digest, answer, untilMs: verdict.goodUntilMs });
    };
    remember("");
    const { promise: done, resolve } = Promise.withResolvers<void>();
    underWay.set(id, { digest, done });
    try {
      await next();
      // What only looks is done anew each time, and what was refused may succeed later.
      if (method !== "GET" && c.res.status === 200) remember(await c.res.clone().text());
    } finally {
      underWay.delete(id);
      resolve();
    }
  };
}

/** A body is JSON where there is one, and there is none where none belongs. */
function checkBody(method: string, type: string | null, bytes: Uint8Array): Response | null {
  if (method !== "POST") {
    return bytes.length === 0 ? null : badRequest(`body: must be empty with ${method}`);
  }
  if (type?.split(";", 1)[0]?.trim().toLowerCase() !== "application/json") {
    return errorResponse(
      415,
      "unsupported_media_type",
      "Content-Type: must be application/json",
    );
  }
  try {
    JSON.parse(decoder.decode(bytes));
    return null;
  } catch {
    return badRequest("body: is not JSON in UTF-8; where nothing is to be said, send {}");
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function digestOf(method: string, url: string, body: Uint8Array): string {
  const target = url.slice(url.indexOf("/", url.indexOf("://") + 3));
  return createHash("sha256").update(`${method} ${target}\n`).update(body).digest("base64");
}

function repeated(answer: string): Response {
  return new Response(answer, { headers: JSON_HEADERS });
}

/** The headers of every good answer. */
export const JSON_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** A refusal of what the request says. */
export function badRequest(message: string): Response {
  return errorResponse(400, "bad_request", message);
}

function unauthorized(message: string): Response {
  return errorResponse(401, "unauthorized", message, { "www-authenticate": "Bearer" });
}

function conflict(id: string): Response {
  return errorResponse(
    409,
    "conflict",
    `webhook-id: ${JSON.stringify(id)} was used for something else in the last 5 minutes`,
  );
}

/** What is left of the body is not read on; Deno 2.9 closes the connection when it has come, or its peer goes. */
function bodyRefusal(status: 408 | 413, maxBytes: number): Response {
  return status === 413
    ? errorResponse(413, "too_large", `body: is over ${maxBytes} bytes`, { connection: "close" })
    : errorResponse(408, "timeout", "body: did not arrive in time", { connection: "close" });
}
