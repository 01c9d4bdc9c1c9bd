import { Hono } from "hono";
import { errorResponse } from "../web/errors.ts";
import type { Connection, RemoteEnv } from "../web/remote.ts";
import type { Authenticator, Requester, Verdict } from "./authentication.ts";
import { BodyReader } from "../web/body_reader.ts";
import { checkMessage, type Delivery, parseForm, type Problem } from "./send_schema.ts";
import type { SendLimit } from "./send_limit.ts";
import type { MessageSender, RequestId, Sent } from "./sender.ts";

/** The longest body that is read. */
export const MAX_BODY_BYTES = 1024 * 1024;

const MAX_REQUEST_ID = 200;

/** How `/send` is set up. */
export interface SendOptions {
  readonly sender: MessageSender;
  readonly authenticator: Authenticator;
  /** Whether messages are still taken; default: always. */
  isOpen?(): boolean;
  readonly counters?: SendCounters;
  /** How often each key may be used; default: as often as it likes. */
  limit?: SendLimit | null;
  /** For how long a body is waited for, in milliseconds. Default: 10 s. */
  readonly bodyTimeoutMs?: number;
}

/** What `/send` counts, as plain numbers: read on demand, never reset. */
export class SendCounters {
  requests = 0;
  /** Requests that were answered with 200. */
  ok = 0;
  /** Messages sent, repeats included. */
  messages = 0;
  /** Requests refused, by status. */
  readonly refused: Record<number, number> = {};
}

const CLOSED = "Cannot send: the server is shutting down";
const NOT_JSON = "body: is not JSON";
const TYPE_HELP = "Content-Type: must be application/x-www-form-urlencoded or application/json";

/** What a request asks for, once it is let in and read. */
interface Reading {
  readonly deliveries: readonly Delivery[];
  readonly answer: (sent: readonly Sent[]) => Response;
}

/** Answers a `POST /send`, whatever came before; never throws or rejects but for a bug. */
export type SendEndpoint = (
  request: Request,
  connection: Connection,
) => Response | Promise<Response>;

/** What answers `POST /send`: the app's messages to browsers. docs/http-api.md is its specification. */
export function sendEndpoint(options: SendOptions): SendEndpoint {
  const { sender, authenticator, isOpen = () => true, counters = new SendCounters() } = options;
  const bodies = new BodyReader({
    maxBytes: MAX_BODY_BYTES,
    ...(options.bodyTimeoutMs !== undefined && { timeoutMs: options.bodyTimeoutMs }),
  });

  function refuse(response: Response): Response {
    const { status } = response;
    counters.refused[status] = (counters.refused[status] ?? 0) + 1;
    return response;
  }

  /** Sends what was read, where it can be sent. */
  function finish(
    reading: Reading | Problem,
    { key, requestId }: { readonly key: string; readonly requestId?: RequestId },
  ): Response {
    const waitS = options.limit?.take(key) ?? 0;
    if (waitS > 0) return refuse(tooFast(waitS));
    if ("status" in reading) return refuse(refusal(reading.status, reading.message));
    if (!isOpen()) return refuse(refusal(503, CLOSED));
    const result = sender.send(reading.deliveries, requestId);
    if (!result.ok) return refuse(refusal(result.status, result.message));
    counters.ok++;
    counters.messages += result.sent.length;
    return reading.answer(result.sent);
  }

  /** A message as JSON, from who was let in by its headers: nobody needs to see its bytes. */
  async function takeJson(request: Request, key: string): Promise<Response> {
    const body = await bodies.readJson(request);
    if (body.ok) return finish(readMessages(body.value, sender.messageBytes), { key });
    return body.status === 400
      ? finish({ status: 400, message: NOT_JSON }, { key })
      : refuse(bodyRefusal(body.status));
  }

  async function take(
    request: Request,
    { from, type, early, id }: {
      readonly from: Requester;
      readonly type: "form" | "json";
      readonly early: Verdict & { readonly ok: true } | null;
      readonly id: string | null;
    },
  ): Promise<Response> {
    const body = await bodies.read(request);
    if (!body.ok) return refuse(bodyRefusal(body.status));
    const text = decoder.decode(body.bytes);
    const form = type === "form" ? parseForm(text) : null;
    const legacyForm = form === null || "status" in form || form.sig === null
      ? null
      : { data: String(form.message.data ?? ""), sig: form.sig };
    const verdict = early ??
      authenticator.authenticate(from, { body: body.bytes, form: legacyForm });
    if (!verdict.ok) return refuse(refusal(401, verdict.message));
    const { messageBytes } = sender;
    const { key, goodUntilMs } = verdict;
    if (id === "" || (id?.length ?? 0) > MAX_REQUEST_ID) {
      const message = `webhook-id: must have 1 to ${MAX_REQUEST_ID} characters`;
      return finish({ status: 400, message }, { key });
    }
    const reading = form === null ? readJson(text, messageBytes) : readForm(form, messageBytes);
    if (id === null) return finish(reading, { key });
    return finish(reading, { key, requestId: { id, body: body.bytes, untilMs: goodUntilMs } });
  }

  return function send(request, connection) {
    counters.requests++;
    if (!isOpen()) return refuse(refusal(503, CLOSED));
    const { headers } = request;
    const type = contentType(headers.get("content-type"));
    if (type === null) return refuse(refusal(415, TYPE_HELP));
    const from: Requester = { headers, ...connection };
    const early = authenticator.byHeaders(from, { takesLegacy: true });
    if (early?.ok === false) return refuse(refusal(401, early.message));
    const id = headers.get("webhook-id");
    return early !== null && type === "json" && id === null
      ? takeJson(request, early.key)
      : take(request, { from, type, early, id });
  };
}

/** `/send` as a route. */
export function sendRoutes(send: SendEndpoint): Hono<RemoteEnv> {
  const routes = new Hono<RemoteEnv>();
  routes.post("/send", (c) => send(c.req.raw, c.env));
  routes.all("/send", () => {
    return errorResponse(
      405,
      "method_not_allowed",
      "POST a message here: curl -d 'data=hello' .../send",
      { allow: "POST" },
    );
  });
  return routes;
}

function contentType(header: string | null): "form" | "json" | null {
  if (header === "application/json") return "json";
  if (header === null) return null;
  const end = header.indexOf(";");
  switch ((end < 0 ? header : header.slice(0, end)).trim().toLowerCase()) {
    case "application/x-www-form-urlencoded":
      return "form";
    case "application/json":
      return "json";
    default:
      return null;
  }
}

const decoder = new TextDecoder();

function readForm(form: ReturnType<typeof parseForm>, messageBytes: number): Reading | Problem {
  if ("status" in form) return form;
  const delivery = checkMessage(form.message, { messageBytes });
  if ("status" in delivery) return delivery;
  return { deliveries: [delivery], answer: formAnswer };
}

function readJson(text: string, messageBytes: number): Reading | Problem {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { status: 400, message: NOT_JSON };
  }
  return readMessages(body, messageBytes);
}

function readMessages(body: unknown, messageBytes: number): Reading | Problem {
  if (!Array.isArray(body)) {
    const delivery = checkMessage(body, { messageBytes });
    if ("status" in delivery) return delivery;
    return { deliveries: [delivery], answer: oneAnswer };
  }
  if (body.length === 0) return { status: 400, message: "body: has no message in it" };
  const deliveries: Delivery[] = [];
  for (const [index, message] of body.entries()) {
    const delivery = checkMessage(message, { messageBytes, path: `[${index}].` });
    if ("status" in delivery) return delivery;
    deliveries.push(delivery);
  }
  return { deliveries, answer: jsonAnswer };
}

// Deno 2.9 sends an answer with one header of a known type at once, without making Headers of it.
const FORM_ANSWER = { headers: { "content-type": "text/plain; charset=utf-8" } };
const JSON_ANSWER = { headers: { "content-type": "application/json" } };

function formAnswer(): Response {
  return new Response("success", FORM_ANSWER);
}

function oneAnswer([sent]: readonly Sent[]): Response {
  return jsonAnswer(sent);
}

function jsonAnswer(value: unknown): Response {
  return new Response(`${JSON.stringify(value)}\n`, JSON_ANSWER);
}

const CODES = {
  400: "bad_request",
  401: "unauthorized",
  409: "conflict",
  413: "too_large",
  415: "unsupported_media_type",
  503: "unavailable",
} as const;

function refusal(status: keyof typeof CODES, message: string): Response {
  return errorResponse(
    status,
    CODES[status],
    message,
    status === 401
      ? { "www-authenticate": "Bearer" }
      : status === 503
      ? { "retry-after": "1" }
      : {},
  );
}

function tooFast(waitS: number): Response {
  return errorResponse(
    429,
    "too_fast",
    "Cannot take more than limits.send_per_second requests of one key: wait, or send arrays",
    { "retry-after": String(waitS) },
  );
}

/** What is left of the body is not read on; Deno 2.9 closes the connection when it has come, or its peer goes. */
function bodyRefusal(status: 408 | 413): Response {
  return status === 413
    ? errorResponse(413, "too_large", `body: is over ${MAX_BODY_BYTES} bytes`, {
      connection: "close",
    })
    : errorResponse(408, "timeout", "body: did not arrive in time", { connection: "close" });
}
