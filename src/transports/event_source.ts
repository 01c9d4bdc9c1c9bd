/**
 * `GET /chloe/events`: channels for a browser's own `EventSource`, or curl, with no client library.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ALL_CHANNEL, channelName } from "../protocol/channel_name.ts";
import { ERRORS } from "../protocol/codes.ts";
import type { Position } from "../protocol/frames.ts";
import {
  gapEvent,
  lastEventId,
  parseLastEventId,
  plainCodec,
  plainCodecOf,
} from "../protocol/plain.ts";
import { enter, type Refusal } from "../hub/admission.ts";
import type { Session } from "../hub/session.ts";
import { errorResponse } from "../web/errors.ts";
import { EVENT_STREAM_HEADERS, EventStream } from "./event_stream.ts";
import type { Gateway, Peer } from "./gateway.ts";
import { refusal, refusalResponse } from "./http.ts";

type Headers_ = Record<string, string>;

/** What all channels of one reader may recover, in bytes. */
const MAX_RECOVERY_BYTES = 128 * 1024;

/** Where channels keep history each event says where all of them stand: that has to stay short. */
const MAX_CHANNELS = 50;

/** Answers `GET /chloe/events?channel=a&channel=b`. */
export async function acceptEventSource(
  gateway: Gateway,
  request: Request,
  { peer, cors }: { peer: Peer; cors: Headers_ },
): Promise<Response> {
  const { hub } = gateway;
  const asked = new URL(request.url).searchParams.getAll("channel");
  if (asked.length === 0) {
    return errorResponse(
      400,
      "bad_channel",
      "Cannot tell what to stream: name a channel, as in /chloe/events?channel=news",
      cors,
    );
  }
  // Two spellings of a channel are one. What is no name is refused below.
  const names = [...new Set(asked.map((text) => channelName(text) ?? text))];
  const token = bearerToken(peer.headers);
  const problem = problemOf(gateway, names, {
    mayBeOpened: token !== undefined || gateway.asksApp,
  });
  if (problem !== null) return refusalResponse({ ...problem, later: false }, cors);
  const since = parseLastEventId(peer.headers.get("last-event-id"), names);
  const keepsHistory = names.some((name) => hub.ruleOf(name).history !== null);
  const own = names.length > 1 && keepsHistory ? plainCodecOf(names) : null;
  const label = (name: string) => names.length === 1 ? "" : name;
  // From now on it counts: others may come while somebody is asked.
  const stream = new EventStream("events", hub.counters, peer.addressKey);
  let session: Session;
  try {
    session = await gateway.openSession(own?.codec ?? plainCodec, {
      peer,
      onlyReads: true,
      graceMs: 0,
      token,
      labels: new Map(names.map((name) => [name, label(name)])),
    });
  } catch (error) {
    await stream.body.cancel(); // nobody is going to read it
    return refusal(error, cors);
  }
  // Whoever is asked has a time to answer in.
  hub.wheel.cancel(session);

  // Until a channel is recovered its reader stands where it said.
  const positions = own?.positions ?? new Map<string, Position>();
  for (const [name, position] of since) positions.set(name, position);
  const budget = { bytes: MAX_RECOVERY_BYTES };
  const refusals = await Promise.all(names.map((name) => {
    return new Promise<Refusal | null>((resolve) => {
      enter(gateway.commands, session, name, { label: label(name) }, (_name, refused) => {
        if (refused === null) {
          recover(gateway, session, name, { label: label(name), since: since.get(name), budget });
          const position = hub.positionOf(name);
          if (position !== null) positions.set(name, position);
        }
        resolve(refused);
      });
    });
  }));
  const refused = refusals.find((each) => each !== null);
  if (refused !== undefined) {
    session.end(null);
    await stream.body.cancel();
    const { code, message = ERRORS[code].message } = refused;
    const later = ERRORS[code].retry;
    return refusalResponse({ code, message: `channel: ${message}`, later }, cors);
  }
  if (session.released) {
    await stream.body.cancel();
    const message = "The session was ended while it began: come back later";
    return refusalResponse({ code: "shutting_down", message, later: true }, cors);
  }

  // Where it stands now, for a browser that comes back before there was anything to tell.
  if (positions.size > 0) hub.sendTo(session, `id: ${lastEventId(names, positions)}\n\n`);
  stream.session = session;
  session.attach(stream);
  // Says that the stream is open, and when to come back: EventSource has no backoff of its own.
  stream.control(`retry: ${2000 + Math.floor(Math.random() * 3000)}\n\n`);
  session.flush();
  return new Response(stream.body, { headers: { ...EVENT_STREAM_HEADERS, ...cors } });
}

/** What nobody has to be asked about: it is said before there is a session, of which the app would be told. */
function problemOf(
  { hub }: Gateway,
  names: readonly string[],
  { mayBeOpened }: { readonly mayBeOpened: boolean },
): Required<Refusal> | null {
  if (names.length > MAX_CHANNELS) {
    const message = `channel: name at most ${MAX_CHANNELS}, or use chloe.js`;
    return { code: "too_many_subscriptions", message };
  }
  for (const text of names) {
    const name = channelName(text);
    const code = name === null || name === ALL_CHANNEL
      ? "bad_channel"
      : hub.ruleOf(name).authorize === "closed" && !mayBeOpened
      ? "forbidden"
      : null;
    if (code !== null) return { code, message: `channel: ${ERRORS[code].message}` };
  }
  return null;
}

/** Queues what a reader missed, in the turn in which it was let in; or that nobody knows what that is. */
function recover(
  { hub }: Gateway,
  session: Session,
  name: string,
  { label, since, budget }: {
    readonly label: string;
    readonly since: Position | undefined;
    readonly budget: { bytes: number };
  },
): void {
  if (since === undefined) return;
  const { recovered, messages } = hub.recover(session, name, since, budget.bytes);
  if (!recovered) return hub.sendTo(session, gapEvent(name));
  for (const { data, offset, by } of messages) {
    budget.bytes -= Buffer.byteLength(data);
    const position = { epoch: since.epoch, offset };
    hub.sendTo(session, session.codec.push(label, data, { position, by }));
  }
}

/** A token as programs send it; a browser's own `EventSource` cannot. */
function bearerToken(headers: Headers): string | undefined {
  return /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
}
