/**
 * Who may enter a channel: nobody is asked, or a token, or the app, as the channel's rule says.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ALL_CHANNEL, channelName } from "../protocol/channel_name.ts";
import { errorBody, type ErrorCode } from "../protocol/codes.ts";
import type { Json, Position } from "../protocol/frames.ts";
import { infoText, isPosition, pushDetails } from "../protocol/native.ts";
import type { CommandContext } from "./commands.ts";
import type { Hub } from "./hub.ts";
import type { Placement } from "./hub_options.ts";
import { presenceText } from "./presence.ts";
import type { Session } from "./session.ts";

/** What all the recoveries of one `connect` may hold, in bytes: many channels could have something for it. */
const MAX_RECOVERY_BYTES = 1024 * 1024;

/** How somebody asks to be let in. */
export interface Request {
  /** How the session's protocol spells the channel in pushes. Default: its name. */
  readonly label?: string;
  readonly token?: string | undefined;
  /** What others are told of the session. */
  readonly info?: Json | undefined;
}

/** Why somebody is not let in. */
export interface Refusal {
  readonly code: ErrorCode;
  /** More exact than the code's own words. */
  readonly message?: string;
}

/**
 * Lets a session into a channel, or not. Who is in already stays in.
 *
 * @param channel As the browser spells it.
 * @param done Called once: at once, or when the token or the app has spoken. With the channel's name, `null`
 * or why not, and whether it was in all the while by a token before this one.
 */
export function enter(
  context: CommandContext,
  session: Session,
  channel: string,
  request: Request,
  done: (name: string, refusal: Refusal | null, renewed: boolean) => void,
): void {
  const { hub } = context;
  const name = channelName(channel);
  let renewed = false;
  const finish = (refusal: Refusal | null) => {
    if (refusal !== null) hub.counters.refuseSubscription(refusal.code);
    done(name ?? channel, refusal, renewed);
  };
  if (name === null || name === ALL_CHANNEL) return finish({ code: "bad_channel" });
  const info = infoText(request.info);
  if (info === "too_large") {
    return finish({ code: "too_large", message: "info: may have 1 KiB as JSON text, send less" });
  }
  const { authorize } = hub.ruleOf(name);
  const place = (placement: Placement) => {
    // While somebody was asked, the channel may have got a rule by which nobody would have been.
    const now = hub.ruleOf(name).authorize;
    if (now !== authorize && now !== "open") return finish({ code: "forbidden" });
    const label = request.label ?? name;
    renewed = hub.grantedUntil(session, name) !== null;
    const code = hub.subscribe(session, name, { label, ...placement });
    finish(code === null ? null : { code });
  };
  const isIn = session.groups.has(name);
  switch (authorize) {
    case "open":
      return place({ info });
    case "closed":
      return finish(isIn ? null : { code: "forbidden" });
    case "token":
      if (request.token !== undefined && context.tokens !== null) {
        return askToken(context, session, name, { token: request.token, info, place, finish });
      }
      if (session.tokenChannels?.has(name)) return place({ info });
      return finish(
        isIn ? null : {
          code: "forbidden",
          message: "The channel asks for a token: get one from the app, and send it with subscribe",
        },
      );
    case "app":
      return isIn ? finish(null) : askApp(context, session, name, { info, place, finish });
  }
}

/** What is to be done with an answer that is waited for. */
interface Waiting {
  readonly info: string | null;
  place(placement: Placement): void;
  finish(refusal: Refusal | null): void;
}

function askToken(
  context: CommandContext,
  session: Session,
  channel: string,
  { token, info, place, finish }: Waiting & { readonly token: string },
): void {
  const question = ask(context, session, channel);
  if (question === null) return finish({ code: "too_many_subscriptions" });
  context.tokens!.channel(token, { channel, user: session.user }).then((verified) => {
    if (!answered(session, question)) return finish({ code: "not_subscribed", message: LEFT });
    if (!verified.ok) return finish(verified);
    const { claims } = verified;
    const untilMs = claims.expiresAtMs === null
      ? null
      : context.hub.atTimeOfDay(claims.expiresAtMs);
    place({ info: claims.info ?? info, untilMs });
  });
}

function askApp(
  context: CommandContext,
  session: Session,
  channel: string,
  { info, place, finish }: Waiting,
): void {
  if (context.uplink === null) return finish({ code: "no_app" });
  if (context.draining) return finish({ code: "shutting_down" });
  const question = ask(context, session, channel);
  if (question === null) return finish({ code: "too_many_subscriptions" });
  const asked = info === null ? { channel } : { channel, info };
  context.uplink.subscribe(session, asked, (outcome) => {
    const isWanted = answered(session, question);
    if (!outcome.ok) finish(refusalBy(outcome.code));
    else if (isWanted) place({ info: outcome.info ?? info, appKnows: !question.isOutdated });
    else finish({ code: "not_subscribed", message: LEFT });
    const wasAdmitted = outcome.ok || question.wasAdmitted;
    if (!wasAdmitted || session.groups.has(channel)) return;
    // It was asked once more meanwhile: what becomes of that decides whether it has to hear of it.
    const next = waitingQuestion(session, channel);
    if (next !== null) next.wasAdmitted = true;
    else context.hub.noteAbsence(session, channel);
  });
}

/** The app's no is not the rule's. */
function refusalBy(code: ErrorCode): Refusal {
  return code === "forbidden"
    ? { code, message: "The app does not let you into the channel" }
    : { code };
}

const LEFT = "The channel was left before the answer came";

interface Question {
  readonly channel: string;
  isCancelled: boolean;
  /** Whether the app believes that the session is in the channel, by an earlier answer of its. */
  wasAdmitted: boolean;
  /** Whether the app is going to hear, behind this question, that the session is not in the channel. */
  isOutdated: boolean;
}

/** Notes that somebody is asked about a channel; `null` where that is one too many. */
function ask({ hub }: CommandContext, session: Session, channel: string): Question | null {
  const asking = session.asking ??= new Set();
  // Who is in already takes no other place.
  const size = session.groups.has(channel) ? 0 : session.groups.size;
  if (size + asking.size >= hub.maxSubscriptions) {
    hub.counters.limitsHit.subscriptions++;
    return null;
  }
  const question = { channel, isCancelled: false, wasAdmitted: false, isOutdated: false };
  asking.add(question);
  return question;
}

/** Whether the answer to a question still means something. */
function answered(session: Session, question: Question): boolean {
  session.asking?.delete(question);
  return !question.isCancelled && !session.released;
}

/** What is being asked about a channel, and is wanted still. */
function waitingQuestion(session: Session, channel: string): Question | null {
  for (const question of session.asking ?? []) {
    if (question.channel === channel && !question.isCancelled) return question;
  }
  return null;
}

/** Takes back the wish to be in a channel about which somebody is being asked. @returns Whether there was one. */
export function cancelAsking(session: Session, channel: string): boolean {
  let found = false;
  for (const question of session.asking ?? []) {
    if (question.channel !== channel) continue;
    question.isCancelled = true;
    found = true;
  }
  return found;
}

/**
 * What a subscription begins with, as JSON text: to be made in the turn in which the session was put into the
 * channel, so that nothing is in it and is pushed besides.
 *
 * @param options.budget What may still be recovered, in bytes; lessened by what is.
 * @param options.renewed Whether it was in the channel all the while: nothing is missing then.
 */
export function subscribedText(
  hub: Hub,
  session: Session,
  name: string,
  since: Partial<Position> | undefined,
  { budget = { bytes: Infinity }, renewed = false }: {
    readonly budget?: { bytes: number };
    readonly renewed?: boolean;
  } = {},
): string {
  const members: string[] = [];
  const position = hub.positionOf(name);
  if (position !== null) {
    members.push(`"epoch":${JSON.stringify(position.epoch)},"offset":${position.offset}`);
  }
  if (isPosition(since)) {
    const { recovered, messages } = hub.recover(session, name, since, budget.bytes);
    const texts = messages.map(({ data, offset, by }) => {
      const more = pushDetails({ position: { epoch: since.epoch, offset }, by });
      return `{"data":${data}${more}}`;
    });
    budget.bytes -= texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    members.push(
      recovered ? `"recovered":true,"messages":[${texts.join()}]` : `"recovered":false`,
    );
  } else if (renewed) {
    members.push('"recovered":true');
  }
  const presence = hub.presenceOf(name, session);
  if (presence !== null) members.push(`"presence":${presenceText(presence)}`);
  return `{${members.join()}}`;
}

/**
 * Subscribes to all that `connect` named.
 *
 * @param resumed Whether the session goes on: its frames tell it what it missed where it is in already.
 * @param done Called once, with what to say of each, by its name: members of an object as JSON text.
 */
export function subscribeAll(
  context: CommandContext,
  session: Session,
  channels: Readonly<Record<string, Partial<Position> & Request>>,
  { resumed }: { readonly resumed: boolean },
  done: (members: readonly string[]) => void,
): void {
  const { hub } = context;
  const names = Object.keys(channels);
  if (names.length === 0) return done([]);
  const budget = { bytes: MAX_RECOVERY_BYTES };
  const members: string[] = [];
  let waiting = names.length;
  for (const channel of names) {
    const asked = channels[channel]!;
    const goesOn = resumed && session.groups.has(channelName(channel) ?? "");
    enter(context, session, channel, asked, (name, refusal) => {
      const text = refusal !== null
        ? JSON.stringify({ error: errorBody(refusal.code, refusal.message) })
        : goesOn || session.released
        ? "{}"
        : subscribedText(hub, session, name, asked, { budget });
      members.push(`${JSON.stringify(channel)}:${text}`);
      if (--waiting === 0) done(members);
    });
  }
}
