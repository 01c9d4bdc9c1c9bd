/**
 * The demo app: a web app as it may stand behind Chloe. Whatever a browser sends, it sends to everyone.
 *
 * @module
 */
import { errorText } from "../web/error_text.ts";
import { getLogger } from "@logtape/logtape";
import { webhookSigner, webhookVerifier } from "../signing/standard_webhooks.ts";
import { readBody } from "../web/body.ts";
import { errorResponse } from "../web/errors.ts";
import { reason } from "./failure.ts";
import { request } from "./request.ts";

const logger = getLogger(["chloe", "demo"]);

const HOSTNAME = "127.0.0.1";
const PATHS = ["/", "/updates"];
const MAX_EVENT_BYTES = 1024 * 1024;
/** Shorter than what Chloe gives an app for its answer. */
const SEND_TIMEOUT_MS = 5000;
const SHUTDOWN_MS = 1000;

/** How the demo app is started. */
export interface DemoAppOptions extends DemoCredentials {
  /** 0: any that is free. */
  readonly port: number;
  /** Where Chloe is, without a slash at the end; as a function where that is known only later. */
  readonly chloeUrl: string | (() => string);
  /** The file of the certificate by which Chloe is known, where it speaks TLS. */
  readonly certFile?: string | undefined;
}

/** What Chloe and the demo app know each other by. */
export interface DemoCredentials {
  /** Events must be signed with one of these. None: whoever reaches the app is believed. */
  readonly secrets: readonly string[];
  /** Whether `/send` asks for a signature, and takes the first secret's. */
  readonly signSend?: boolean;
  /** Chloe's `api_keys`: the first opens `/send` where it is not signed. */
  readonly apiKeys?: readonly string[];
}

/** A demo app that listens. */
export interface DemoApp extends AsyncDisposable {
  /** What `app.url` should be. */
  readonly url: string;
  readonly port: number;
  /** From now on goes by others. */
  configure(credentials: DemoCredentials): void;
  /** Stops listening, and waits a moment for answers that are under way. */
  shutdown(): Promise<void>;
}

/** What is read of an event. */
interface MessageEvent {
  readonly session: string;
  readonly time: string;
  readonly data: unknown;
}

/** What a status page sends, to see it come back. */
interface Ping {
  readonly id: unknown;
  readonly text: unknown;
  /** Milliseconds since 1970, as the page's clock has them. */
  readonly sent: unknown;
}

/**
 * Starts the demo app, on loopback only.
 *
 * @throws Error where the port cannot be had; its message is for the person who started it.
 */
export function startDemoApp(options: DemoAppOptions): DemoApp {
  let verify = verifier(options);
  let sendToAll = sender(options);

  async function handle(request: Request): Promise<Response> {
    const receivedMs = timeOfDay();
    if (!PATHS.includes(URL.parse(request.url)?.pathname ?? "")) {
      return errorResponse(404, "not_found", `Events are POSTed to ${PATHS.join(" or ")}`);
    }
    if (request.method !== "POST") {
      return errorResponse(405, "method_not_allowed", "Events are POSTed", { allow: "POST" });
    }
    const body = await readBody(request, { maxBytes: MAX_EVENT_BYTES });
    if (!body.ok) {
      return errorResponse(body.status, "bad_body", "Cannot read the event: too long or too late", {
        connection: "close",
      });
    }
    const verification = verify?.({ headers: request.headers, body: body.bytes });
    if (verification?.ok === false) {
      logger.warn("Refusing an event: {why}", { why: verification.reason });
      return errorResponse(
        401,
        verification.reason,
        "Cannot take the event: is the secret Chloe's?",
      );
    }
    const event = parseEvent(body.bytes);
    if (event === null) {
      return errorResponse(400, "bad_event", "Cannot read the event: it is none of Chloe's");
    }
    if (event === "other") return new Response(null, { status: 204 });
    const status = await sendToAll(() => answerTo(event, receivedMs), request.headers);
    return status === 204
      ? new Response(null, { status })
      : errorResponse(status, "not_sent", "Cannot pass the event on: the log says why");
  }

  return {
    ...listen(options.port, handle),
    configure(credentials) {
      verify = verifier(credentials);
      sendToAll = sender({ ...options, ...credentials });
    },
  };
}

function verifier({ secrets }: DemoCredentials) {
  return secrets.length === 0 ? null : webhookVerifier(secrets);
}

function listen(
  port: number,
  handle: (request: Request) => Promise<Response>,
): Omit<DemoApp, "configure"> {
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: HOSTNAME,
      port,
      handler: handle,
      onListen() {},
      onError(error) {
        logger.error("Cannot answer an event: {error}", { error: errorText(error) });
        return errorResponse(500, "internal", "Something went wrong here; the log says what");
      },
    });
  } catch (error) {
    throw new Error(`Cannot listen on ${HOSTNAME}:${port}: ${reason(error)}`, { cause: error });
  }
  async function shutdown(): Promise<void> {
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, SHUTDOWN_MS);
    // Deno cannot cut a request that stalls; it ends with the process, or when its body is waited for too long.
    await Promise.race([server.shutdown(), patience]);
    clearTimeout(timer);
  }
  return {
    url: `http://${HOSTNAME}:${server.addr.port}/updates`,
    port: server.addr.port,
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

/** Reads an event: `null` where it is none, `"other"` where it is no browser's message. */
function parseEvent(bytes: Uint8Array): MessageEvent | "other" | null {
  let event: Partial<Record<keyof MessageEvent | "type", unknown>> | null;
  try {
    event = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
  if (typeof event?.type !== "string") return null;
  if (event.type !== "message") return "other";
  const { session, time, data } = event;
  if (typeof session !== "string" || typeof time !== "string" || data === undefined) return null;
  return { session, time, data };
}

/** What everyone gets to see of a message. */
function answerTo({ session, time, data }: MessageEvent, receivedMs: number): unknown {
  if (typeof data === "string") return `Handled by the demo app: ${data}`;
  if (!isPing(data)) return { echo: data };
  const { id, text, sent } = data.demo;
  return {
    demo: {
      id,
      text,
      session,
      sent,
      relayed: Date.parse(time),
      received: receivedMs,
      posted: timeOfDay(),
    },
  };
}

function isPing(data: unknown): data is { readonly demo: Ping } {
  const demo = (data as { readonly demo?: unknown } | null)?.demo;
  return typeof demo === "object" && demo !== null && "id" in demo && "text" in demo &&
    "sent" in demo;
}

/**
 * What POSTs to `/send`; with what status the app should answer its event then. Data is made at the last
 * moment, for the time that is in it.
 */
function sender({ chloeUrl, certFile, secrets, signSend = false, apiKeys = [] }: DemoAppOptions) {
  const sign = signSend ? webhookSigner(secrets.slice(0, 1)) : null;

  function credentials(body: string): Record<string, string> {
    if (sign === null) {
      return apiKeys[0] === undefined ? {} : { authorization: `Bearer ${apiKeys[0]}` };
    }
    const id = `msg_${crypto.randomUUID()}`;
    const timestampS = Math.floor(Date.now() / 1000);
    return {
      "webhook-id": id,
      "webhook-timestamp": String(timestampS),
      "webhook-signature": sign(id, timestampS, body),
    };
  }

  return async function sendToAll(data: () => unknown, event: Headers): Promise<number> {
    const url = typeof chloeUrl === "string" ? chloeUrl : chloeUrl();
    // An event that Chloe posts again has the same id: whoever got it the first time gets it only once.
    const id = event.get("webhook-id") ?? undefined;
    const body = JSON.stringify({ data: data(), id });
    try {
      const { status } = await request(url, "/send", {
        certFile,
        method: "POST",
        headers: { "content-type": "application/json", ...credentials(body) },
        body,
        timeoutMs: SEND_TIMEOUT_MS,
      });
      // 409: it was sent, with other times in it.
      if (status === 200 || status === 409) return 204;
      logger.warn("Cannot send to Chloe at {url}: it answered {status}", { url, status });
      return status === 413 ? 413 : 502; // Chloe tries a 502 again; what is too long stays so
    } catch (error) {
      logger.warn("Cannot send to Chloe at {url}: {why}", { url, why: reason(error) });
      return 502;
    }
  };
}

/**
 * Milliseconds since 1970 with a fraction. The fraction is of the clock that never jumps, which loses the
 * time of day while a machine sleeps: it has no say in the whole milliseconds.
 */
function timeOfDay(): number {
  const wholeMs = Date.now();
  const fineMs = performance.timeOrigin + performance.now();
  return Math.min(Math.max(fineMs, wholeMs), wholeMs + 0.999);
}
