import { z } from "zod";
import { utf8LengthExceeds } from "../hub/commands.ts";
import { channelName } from "../protocol/channel_name.ts";
import { MAX_INFO_BYTES } from "../protocol/native.ts";
import { toJson } from "../protocol/json.ts";
import type { Json } from "../protocol/frames.ts";

/** The longest reason that fits into the close frame of a WebSocket, in bytes (RFC 6455, section 5.5). */
const MAX_REASON_BYTES = 123;

/** What the app asks for in its answer to an event, beside the reply. */
export interface Actions {
  /** Messages, each as `POST /send` takes it. They have not been checked. */
  readonly send?: readonly unknown[];
  /** Channels that the event's session is to be put into, by their names as `channelName` gives them. */
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** The event's session is to end. */
  readonly disconnect?: { readonly reason: string };
}

/** The app's answer to a `message` event, understood. */
export interface MessageAnswer {
  /** JSON text for the sender. */
  readonly reply?: string;
  readonly actions: Actions;
  /** What could not be understood, each with the member's name: for the log. It repeats no data. */
  readonly problems: readonly string[];
}

/** The app's answer to a `connect` event, understood. */
export interface ConnectAnswer {
  readonly user?: string;
  readonly channels?: readonly string[];
  readonly data?: Json;
}

/** The app's answer to the `subscribe` question, understood. */
export interface SubscribeAnswer {
  /** JSON text: what the channel's presence shows in place of what the browser gave. */
  readonly info?: string;
  readonly actions: Actions;
  /** As in {@linkcode MessageAnswer}. */
  readonly problems: readonly string[];
}

const NOTHING = { actions: {}, problems: [] };
const NOT_JSON = "the body is not JSON";

const channel = z.string().transform((text, ctx) => {
  const name = channelName(text);
  if (name !== null && !name.startsWith("/")) return name;
  ctx.addIssue("is no channel to subscribe to");
  return z.NEVER;
});

const ACTIONS = {
  send: z.array(z.unknown()),
  subscribe: z.array(channel),
  unsubscribe: z.array(channel),
  disconnect: z.object({ reason: z.string().default("").transform(cutReason) }),
} as const;

const connectAnswer = z.object({
  user: z.string().min(1).max(200).optional(),
  channels: z.array(channel).optional(),
  data: z.unknown().optional(),
});

/**
 * Understands the JSON answer to a `message` event.
 *
 * An action that is not well formed is left out and named in `problems`; the others stand. Members that are
 * no actions are passed over: apps answer `{"status":"ok"}` to anybody. So is what is no object.
 */
export function parseMessageAnswer(json: string): MessageAnswer {
  const answer = parse(json);
  if (answer === undefined) return { actions: {}, problems: [NOT_JSON] };
  if (!isObject(answer)) return NOTHING;
  const { actions, problems } = readActions(answer);
  const reply = Object.hasOwn(answer, "reply") ? toJson(answer.reply) : null;
  if (reply === null && Object.hasOwn(answer, "reply")) {
    problems.push("reply: is nested too deeply");
  }
  return {
    ...(reply !== null && { reply }),
    actions,
    problems,
  };
}

/**
 * Understands the JSON answer to a `connect` event: here a member that is not well formed spoils all, for who
 * somebody is cannot be half understood.
 *
 * @returns A text that says what is wrong where it cannot be understood.
 */
export function parseConnectAnswer(json: string): ConnectAnswer | string {
  const answer = parse(json);
  if (answer === undefined) return NOT_JSON;
  if (!isObject(answer)) return {};
  const result = connectAnswer.safeParse(answer);
  if (!result.success) return problemOf("", result.error);
  const { user, channels, data } = result.data;
  if (data !== undefined && toJson(data) === null) return "data: is nested too deeply";
  return {
    ...(user !== undefined && { user }),
    ...(channels !== undefined && { channels }),
    ...(data !== undefined && { data: data as Json }),
  };
}

/**
 * Understands the JSON answer to the `subscribe` question: actions as in the answer to a message. An `info`
 * that cannot be shown spoils all: the browser's own must not stand where the app wanted another.
 *
 * @returns A text that says what is wrong where it cannot be understood.
 */
export function parseSubscribeAnswer(json: string): SubscribeAnswer | string {
  const answer = parse(json);
  if (answer === undefined) return NOT_JSON;
  if (!isObject(answer)) return NOTHING;
  const { actions, problems } = readActions(answer);
  if (!Object.hasOwn(answer, "info")) return { actions, problems };
  const info = toJson(answer.info);
  if (info === null) return "info: is nested too deeply";
  if (utf8LengthExceeds(info, MAX_INFO_BYTES)) return `info: is over ${MAX_INFO_BYTES} bytes`;
  return { info, actions, problems };
}

function readActions(
  answer: Record<string, unknown>,
): { readonly actions: Actions; readonly problems: string[] } {
  const actions: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, schema] of Object.entries(ACTIONS)) {
    if (!Object.hasOwn(answer, name)) continue;
    const result = schema.safeParse(answer[name]);
    if (result.success) actions[name] = result.data;
    else problems.push(problemOf(name, result.error));
  }
  return { actions, problems };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function problemOf(name: string, error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return `${[name, ...path].filter((part) => part !== "").join(".")}: ${message}`;
}

/** Cuts a text to what a close frame holds, between two characters. */
function cutReason(reason: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of reason) {
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > MAX_REASON_BYTES) break;
    end += character.length;
  }
  return reason.slice(0, end);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
