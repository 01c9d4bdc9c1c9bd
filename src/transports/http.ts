/**
 * Protocol 2 over plain HTTP: an event stream or long polls down, `up` for what the browser says.
 *
 * @module
 */
import { CLOSES, type ErrorCode, ERRORS, ProtocolError } from "../protocol/codes.ts";
import { parseFrame } from "../protocol/native.ts";
import { countFrame, takeLine, utf8LengthExceeds } from "../hub/commands.ts";
import type { Session } from "../hub/session.ts";
import { errorResponse } from "../web/errors.ts";
import { EVENT_STREAM_HEADERS, EventStream } from "./event_stream.ts";
import type { Gateway, Peer } from "./gateway.ts";
import { Poll } from "./poll.ts";

type Headers_ = Record<string, string>;

const NO_STORE: Headers_ = {
  "cache-control": "no-store",
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
};

const FRAMES_HEADERS: Headers_ = { ...NO_STORE, "content-type": "text/plain; charset=utf-8" };

/** Answers `POST /chloe/events`: the body is `connect`, the answer a stream of frames. */
export async function acceptEventStream(
  gateway: Gateway,
  request: Request,
  { peer, cors }: { peer: Peer; cors: Headers_ },
): Promise<Response> {
  const lines = await readLines(gateway, request, cors);
  if (lines instanceof Response) return lines;
  const frame = parseFrame(lines[0] ?? "");
  if (frame.kind !== "connect") return needsConnect(frame, cors);
  // Others may have come while the body was read.
  const noRoom = gateway.room.noConnection(cors, peer);
  if (noRoom !== null) return noRoom;
  const stream = new EventStream("frames", gateway.hub.counters, peer.addressKey);
  try {
    const session = await gateway.begin(frame.connect, peer, stream);
    stream.session = session;
    if (!stream.isOpen) session.detach(stream);
    takeLines(gateway, peer, session, lines.slice(1));
  } catch (error) {
    await stream.body.cancel(); // nobody is going to read it
    return refusal(error, cors);
  }
  return new Response(stream.body, { headers: { ...EVENT_STREAM_HEADERS, ...cors } });
}

/**
 * Answers `POST /chloe/poll`: with `connect` at once; with `resume` as soon as there is something to say, or
 * at the end of the hold.
 */
export async function acceptPoll(
  gateway: Gateway,
  request: Request,
  { peer, cors }: { peer: Peer; cors: Headers_ },
): Promise<Response> {
  const lines = await readLines(gateway, request, cors);
  if (lines instanceof Response) return lines;
  const frame = parseFrame(lines[0] ?? "");
  if (frame.kind !== "connect" && frame.kind !== "resume") return needsConnect(frame, cors);
  const noRoom = gateway.room.noConnection(cors, peer);
  if (noRoom !== null) return noRoom;
  const poll = new Poll({
    kind: "poll",
    counters: gateway.hub.counters,
    addressKey: peer.addressKey,
    signal: request.signal,
    format: framesText,
  });
  try {
    let session: Session | null;
    if (frame.kind === "connect") {
      session = await gateway.begin(frame.connect, peer, poll);
      poll.session = session;
      takeLines(gateway, peer, session, lines.slice(1));
      if (session.transport === poll) {
        poll.flush();
        session.detach(poll);
      }
    } else {
      session = gateway.find(frame.resume);
      const isOvertaken = session !== null && frame.received < session.outbox.acknowledged;
      if (session === null || !(isOvertaken || gateway.goOn(session, frame.received))) {
        poll.flush();
        return unknownSession(cors);
      }
      if (gateway.hub.isTokenOver(session)) {
        poll.flush();
        return tokenExpired(cors);
      }
      // Only connect brings a session from a transport of another kind: this one may have come late.
      if (session.transport !== null && session.transport.kind !== poll.kind) {
        poll.flush();
        return errorResponse(409, "taken_over", ERRORS.taken_over.message, cors);
      }
      // A later request came before this one: it ends as does one whose place a newer poll took.
      if (isOvertaken) poll.close(CLOSES.replaced, null);
      poll.session = session;
      // A browser that went already takes no live poll's place.
      if (poll.isHeld) session.attach(poll);
      poll.control(`{"from":${session.outbox.from}}`);
      takeLines(gateway, peer, session, lines.slice(1));
      session.flush();
    }
  } catch (error) {
    poll.flush();
    return refusal(error, cors);
  }
  const body = await poll.answer;
  return new Response(body, { headers: { ...FRAMES_HEADERS, ...cors } });
}

/** Answers `POST /chloe/up`: whose it is on the first line, then commands; replies go down. */
export async function acceptUp(
  gateway: Gateway,
  request: Request,
  { peer, cors }: { peer: Peer; cors: Headers_ },
): Promise<Response> {
  const lines = await readLines(gateway, request, cors);
  if (lines instanceof Response) return lines;
  const frame = parseFrame(lines[0] ?? "");
  if (frame.kind !== "resume") {
    return errorResponse(
      400,
      "bad_frame",
      'Cannot tell whose this is: the first line must be {"resume":"...","received":<n>}',
      cors,
    );
  }
  // What was let go unacknowledged ends no session while its transport lives: only a resume needs it.
  const session = gateway.find(frame.resume);
  if (session === null) return unknownSession(cors);
  if (gateway.hub.isTokenOver(session)) return tokenExpired(cors);
  try {
    session.heard();
    takeLines(gateway, peer, session, [`{"received":${frame.received}}`, ...lines.slice(1)]);
  } catch (error) {
    return refusal(error, cors);
  }
  return new Response(null, { status: 204, headers: { ...NO_STORE, ...cors } });
}

const decoder = new TextDecoder();

function framesText(frames: readonly string[]): string {
  return frames.join("\n");
}

async function readLines(
  gateway: Gateway,
  request: Request,
  cors: Headers_,
): Promise<string[] | Response> {
  const body = await gateway.bodies.read(request, gateway.maxMessageBytes);
  if (!body.ok) {
    if (body.status === 413) gateway.hub.counters.limitsHit.maxBytesRefused++;
    if (body.status === 413) gateway.hub.counters.refuseFrame("too_large");
    const close = { ...cors, connection: "close" };
    return body.status === 413
      ? errorResponse(
        413,
        "too_large",
        `Send at most ${gateway.maxMessageBytes} bytes at once`,
        close,
      )
      : errorResponse(408, "too_slow", "The body did not come in time: send it at once", close);
  }
  gateway.hub.counters.bytesIn += body.bytes.length;
  const text = decoder.decode(body.bytes);
  const lines = text.includes("\n") ? text.split("\n").filter((line) => line !== "") : [text];
  if (lines.length > 0 && utf8LengthExceeds(lines[0]!, gateway.commands.maxBytes)) {
    gateway.hub.counters.limitsHit.maxBytesRefused++;
    gateway.hub.counters.refuseFrame("too_large");
    return errorResponse(413, "too_large", ERRORS.too_large.message, cors);
  }
  return lines;
}

/** Takes a request and the lines of its body; a violation ends the session, as it would on a socket. */
function takeLines(
  { commands, room }: Gateway,
  peer: Peer,
  session: Session,
  lines: readonly string[],
): void {
  try {
    countFrame(commands, session);
    for (const line of lines) takeLine(commands, session, line);
  } catch (error) {
    if (error instanceof ProtocolError) {
      session.end(error.close);
      room.noteEnd(peer, error.close);
    }
    throw error;
  }
}

function needsConnect(frame: ReturnType<typeof parseFrame>, cors: Headers_): Response {
  if (frame.kind === "bad") return errorResponse(400, frame.error.code, frame.error.message, cors);
  return errorResponse(400, "not_connected", ERRORS.not_connected.message, cors);
}

function tokenExpired(cors: Headers_): Response {
  return errorResponse(401, "token_expired", ERRORS.token_expired.message, cors);
}

function unknownSession(cors: Headers_): Response {
  return errorResponse(404, "unknown_session", ERRORS.unknown_session.message, cors);
}

/**
 * The answer that says why somebody is not let in.
 *
 * @param later Whether another try may succeed.
 */
export function refusalResponse(
  { code, message, later, retryAfterS = 5 }: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly later: boolean;
    readonly retryAfterS?: number;
  },
  cors: Headers_,
): Response {
  const status = statusOf(code, later);
  const retry: Headers_ = status === 503 || status === 429
    ? { "retry-after": String(retryAfterS) }
    : {};
  return errorResponse(status, code, message, { ...cors, ...retry });
}

function statusOf(code: ErrorCode, later: boolean): number {
  switch (code) {
    case "connect_refused":
    case "forbidden":
      return 403;
    case "bad_token":
    case "token_expired":
      return 401;
    case "taken_over":
      return 409;
    case "too_fast":
    case "too_many_connections":
      return 429;
    default:
      return later ? 503 : 400;
  }
}

/** The answer to a request that broke the protocol, or could not be let in. */
export function refusal(error: unknown, cors: Headers_): Response {
  if (!(error instanceof ProtocolError)) throw error;
  const { code, message, close, retryAfterS } = error;
  const when = retryAfterS === undefined ? {} : { retryAfterS };
  return refusalResponse({ code, message, later: close.reconnect, ...when }, cors);
}
