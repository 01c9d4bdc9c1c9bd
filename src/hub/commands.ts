import { ALL_CHANNEL, channelName } from "../protocol/channel_name.ts";
import type { ChannelClaims, ConnectionClaims } from "../protocol/claims.ts";
import { CLOSES, errorBody, type ErrorCode, ProtocolError } from "../protocol/codes.ts";
import type { Command, Json } from "../protocol/frames.ts";
import { toJson } from "../protocol/json.ts";
import { parseFrame } from "../protocol/native.ts";
import { cancelAsking, enter, subscribedText } from "./admission.ts";
import type { CommandPace } from "./command_pace.ts";
import type { Hub } from "./hub.ts";
import { presenceText } from "./presence.ts";
import type { Session } from "./session.ts";

/** What the app made of an event. */
export type Outcome =
  | { readonly ok: true; readonly data?: string }
  | { readonly ok: false; readonly code: ErrorCode };

/** Whether the app lets a session into a channel; `info` is what others are told of it, as JSON text. */
export type Permission =
  | { readonly ok: true; readonly info?: string }
  | { readonly ok: false; readonly code: ErrorCode };

/** The way to the app. */
export interface Uplink {
  /**
   * Takes a message for the app. `done` is called once, later, whatever comes of it.
   *
   * @param data JSON text.
   */
  message(source: Session, data: string, done: (outcome: Outcome) => void): void;
  /** Asks whether a session may enter a channel. `done` is called once, later. */
  subscribe(
    source: Session,
    asked: { readonly channel: string; readonly info?: string },
    done: (permission: Permission) => void,
  ): void;
}

/** What a token says, or what is wrong with it. */
export type Verified<Claims> =
  | { readonly ok: true; readonly claims: Claims }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** Who knows a good token from a bad one. No promise rejects. */
export interface TokenVerifier {
  connection(token: string): Promise<Verified<ConnectionClaims>>;
  channel(
    token: string,
    who: { readonly channel: string; readonly user: string | null },
  ): Promise<Verified<ChannelClaims>>;
}

/** What commands are carried out with; it can be changed while they are. */
export interface CommandContext {
  readonly hub: Hub;
  readonly uplink: Uplink | null;
  /** `null` where no keys are configured: tokens are passed over then. */
  tokens: TokenVerifier | null;
  /** Bound of one line, in bytes; several lines that come together may be four times that. */
  maxBytes: number;
  /** Bound of the data of one message, in bytes of its JSON text. */
  messageBytes: number;
  /** How fast each session may send. Default: as fast as it likes. */
  pace?: CommandPace | null;
  /** True once the server is on its way out: it takes nothing new for the app. */
  draining: boolean;
}

/**
 * Does what one line of protocol 2 asks of a session, and queues the answer.
 *
 * A command that cannot be done is answered with an error and the session goes on.
 *
 * @throws ProtocolError where the connection must end.
 */
export function takeLine(context: CommandContext, session: Session, line: string): void {
  const { hub } = context;
  countFrame(context, session);
  const tooLong = utf8LengthExceeds(line, context.maxBytes);
  const frame = parseFrame(line);
  switch (frame.kind) {
    case "received":
      if (frame.received !== null && !session.acknowledge(frame.received)) {
        throw new ProtocolError("bad_frame", CLOSES.badFrame, "received: more than was ever sent");
      }
      return;
    case "connect":
    case "resume":
      return refuse(hub, session, null, "already_connected");
    case "bad": // a command that cannot be read is counted all the same: its client did so too
    case "command":
      // Its browser has yet to be told that it is over: what it says until then comes too late.
      if (session.released) return;
      if (frame.id !== null) {
        if (frame.id <= session.lastId) return; // a repeat after a resume: it was answered, or will be
        if (frame.id > session.lastId + 1) return refuse(hub, session, frame.id, "out_of_order");
        session.lastId = frame.id;
      }
      if (!mayCommand(context, session)) return refuse(hub, session, frame.id, "too_fast");
      if (tooLong) {
        hub.counters.limitsHit.maxBytesRefused++;
        return refuse(hub, session, frame.id, "too_large");
      }
      if (frame.kind === "bad") {
        return refuse(hub, session, frame.id, frame.error.code, frame.error.message);
      }
      return carryOut(context, session, frame.id, frame.command);
  }
}

/**
 * Notes that something came from a session, whatever it is.
 *
 * @throws ProtocolError where it is far too much. Who floods is then banned for a while by whoever knows its
 * address: or else it comes back at once.
 */
export function countFrame({ hub, pace }: CommandContext, session: Session): void {
  hub.counters.framesIn++;
  if (pace?.takeFrame(session, hub.now(), hub.counters) !== false) return;
  throw new ProtocolError("too_fast", CLOSES.tooFast);
}

/** Whether a session may have something done now; counts it. */
export function mayCommand({ hub, pace }: CommandContext, session: Session): boolean {
  return pace?.takeCommand(session, hub.now(), hub.counters) ?? true;
}

/**
 * Whether `text` is longer than `bytes` in UTF-8. Its length in UTF-16 decides most cases at once.
 */
export function utf8LengthExceeds(text: string, bytes: number): boolean {
  if (text.length * 3 <= bytes) return false;
  return text.length > bytes || new TextEncoder().encode(text).length > bytes;
}

function carryOut(
  context: CommandContext,
  session: Session,
  id: number | null,
  command: Command,
): void {
  const { hub } = context;
  if ("subscribe" in command) {
    const { channel, since } = command.subscribe;
    return enter(context, session, channel, command.subscribe, (name, refusal, renewed) => {
      if (refusal !== null) return refuse(hub, session, id, refusal.code, refusal.message);
      if (id === null) return;
      answer(hub, session, id, subscribedText(hub, session, name, since, { renewed }));
    });
  }
  if ("unsubscribe" in command) {
    const name = channelName(command.unsubscribe.channel);
    if (name === null) return refuse(hub, session, id, "bad_channel");
    const wasAsking = cancelAsking(session, name);
    if (!hub.unsubscribe(session, name) && !wasAsking) {
      return refuse(hub, session, id, "not_subscribed");
    }
    return answer(hub, session, id, "{}");
  }
  if ("publish" in command) {
    const name = channelName(command.publish.channel);
    if (name === null) return refuse(hub, session, id, "bad_channel");
    const rule = hub.ruleOf(name);
    if (!rule.clientsPublish) return refuse(hub, session, id, "forbidden");
    if (name === ALL_CHANNEL) return refuse(hub, session, id, "bad_channel");
    if (!isInside(hub, session, name)) return refuse(hub, session, id, "not_subscribed");
    const data = dataText(context, command.publish.data);
    if (data === null) return refuse(hub, session, id, "too_large");
    if (!hub.hasRoom()) return refuse(hub, session, id, "busy");
    const by = rule.presence === null ? null : authorText(session);
    hub.publish({ kind: "channel", channel: name }, data, undefined, by);
    return answer(hub, session, id, "{}");
  }
  if ("send" in command) {
    const data = dataText(context, command.send.data);
    if (data === null) return refuse(hub, session, id, "too_large");
    return sendToApp(context, session, data, (outcome) => {
      if (session.ended) return;
      if (!outcome.ok) return refuse(hub, session, id, outcome.code);
      answer(hub, session, id, outcome.data === undefined ? "{}" : `{"data":${outcome.data}}`);
    });
  }
  if ("refresh" in command) return refresh(context, session, id, command.refresh.token);
  const name = channelName(command.presence.channel);
  if (name === null || name === ALL_CHANNEL) return refuse(hub, session, id, "bad_channel");
  const presence = hub.presenceOf(name, session);
  if (presence === null) {
    return refuse(hub, session, id, "unsupported", "The channel's rule does not tell who is there");
  }
  if (!isInside(hub, session, name)) return refuse(hub, session, id, "not_subscribed");
  answer(hub, session, id, presenceText(presence));
}

/** What a browser says, as JSON text; `null`, and counted, where that is too long. */
export function dataText({ hub, messageBytes }: CommandContext, data: Json): string | null {
  const text = toJson(data);
  if (text !== null && !utf8LengthExceeds(text, messageBytes)) return text;
  hub.counters.limitsHit.messageBytes++;
  return null;
}

/** Who publishes: told only where it is told anyway who is there. */
function authorText({ id, user }: Session): string {
  return `{"session":"${id}","user":${JSON.stringify(user)}}`;
}

/** Whether a session is in a channel, or could be at once. */
function isInside(hub: Hub, session: Session, name: string): boolean {
  return session.groups.has(name) || hub.ruleOf(name).authorize === "open";
}

/** Gives a session a new token of the same user, before the old one ends. */
function refresh(
  { hub, tokens }: CommandContext,
  session: Session,
  id: number | null,
  token: string,
): void {
  if (tokens === null) {
    return refuse(hub, session, id, "unsupported", "This server checks no tokens");
  }
  if (session.isRefreshing) return refuse(hub, session, id, "busy", REFRESHING);
  session.isRefreshing = true;
  tokens.connection(token).then((verified) => {
    session.isRefreshing = false;
    if (session.released) return;
    if (!verified.ok) return refuse(hub, session, id, verified.code, verified.message);
    const { claims } = verified;
    if (claims.user !== session.tokenUser) {
      return refuse(hub, session, id, "bad_token", ANOTHER_USER);
    }
    const joined = applyToken(hub, session, claims).map((name) => {
      return `${JSON.stringify(name)}:${subscribedText(hub, session, name, undefined)}`;
    });
    const expires = expiresIn(hub, session);
    const members = expires === null ? [] : [`"expires":${expires}`];
    if (joined.length > 0) members.push(`"subscribed":{${joined.join()}}`);
    answer(hub, session, id, `{${members.join()}}`);
  });
}

const REFRESHING = "Another refresh is under way: wait for its answer";
const ANOTHER_USER = "The token is another user's: connect anew to become that user";

/**
 * Puts a session where its token says. With its first or with a new one: it leaves the channels then of which
 * the new one does not speak, and hears nothing of what waits for it there.
 *
 * Its connection is closed when the token ends; until it comes back with another it misses nothing.
 *
 * @returns The channels that it was not in before.
 */
export function applyToken(hub: Hub, session: Session, claims: ConnectionClaims): string[] {
  const { info, expiresAtMs } = claims;
  hub.endTokenAt(session, expiresAtMs === null ? null : hub.atTimeOfDay(expiresAtMs));
  const named = new Set(claims.channels);
  const before = session.tokenChannels;
  for (const name of before ?? []) {
    const mayStay = named.has(name) || session.grants?.has(name) ||
      hub.ruleOf(name).authorize === "open";
    if (!mayStay) hub.takeBack(session, name);
  }
  const joined: string[] = [];
  for (const name of named) {
    if (session.groups.has(name)) {
      // What another token gave for a time this one gives for as long as it lasts.
      hub.subscribe(session, name, { untilMs: null });
      continue;
    }
    // What the page has left since it does not want back by itself.
    if (before?.has(name)) continue;
    if (hub.subscribe(session, name, { info }) === null) joined.push(name);
  }
  session.tokenChannels = named.size === 0 ? null : named;
  return joined;
}

/** Whole seconds until a session's token ends, or `null`. */
export function expiresIn(hub: Hub, { tokenEnd }: Session): number | null {
  if (tokenEnd === null) return null;
  return Math.max(Math.floor((tokenEnd.dueAt - hub.now()) / 1000), 0);
}

/** Hands a message to the app, or says why that cannot be. */
export function sendToApp(
  { uplink, draining }: CommandContext,
  session: Session,
  data: string,
  done: (outcome: Outcome) => void,
): void {
  if (uplink === null) return done({ ok: false, code: "no_app" });
  if (draining) return done({ ok: false, code: "shutting_down" });
  uplink.message(session, data, done);
}

function answer(hub: Hub, session: Session, id: number | null, ok: string): void {
  if (id !== null) hub.sendTo(session, session.codec.ok(id, ok));
}

function refuse(
  hub: Hub,
  session: Session,
  id: number | null,
  code: ErrorCode,
  message?: string,
): void {
  hub.counters.refuseFrame(code);
  hub.sendTo(session, session.codec.error(id, errorBody(code, message)));
}
