/**
 * Protocol 2, Chloe's own: frames to text and text to frames. docs/protocol.md is its specification.
 *
 * @module
 */
import { CLOSES, errorBody, ProtocolError } from "./codes.ts";
import type { Codec, PushDetails } from "./codec.ts";
import type { Command, Connect, Json, Position } from "./frames.ts";
import { toJson } from "./json.ts";

/** A client that is sent away comes back after a random time between these: not all at once. */
const COME_BACK_MS = [500, 5000];

/** Writes protocol 2. */
export const nativeCodec: Codec = {
  name: "2",
  acknowledged: true,
  answersPing: true,
  ping: "{}",
  separator: "\n",

  push(label, data, more) {
    if (label === null) return `{"data":${data}}`;
    return `{"channel":${JSON.stringify(label)},"data":${data}${pushDetails(more)}}`;
  },
  ok(id, ok) {
    return `{"id":${id},"ok":${ok}}`;
  },
  error(id, body) {
    return JSON.stringify(id === null ? { error: body } : { id, error: body });
  },
  unsubscribed(channel, why) {
    const { code, message } = errorBody(why);
    return JSON.stringify({ channel, unsubscribed: { code, message } });
  },
  expires(channel, seconds) {
    return `{"channel":${JSON.stringify(channel)},"expires":${seconds}}`;
  },
  gap(channel, missed) {
    return `{"channel":${JSON.stringify(channel)},"gap":{"missed":${missed}}}`;
  },
  presence(channel, what) {
    return `{"channel":${JSON.stringify(channel)},${what}}`;
  },
  bye({ code, reason, reconnect }) {
    const after = reconnect ? { after: COME_BACK_MS } : {};
    return JSON.stringify({ bye: { code, reason, reconnect, ...after } });
  },
};

/** The members that follow `data` in a push, each behind a comma. */
export function pushDetails({ position, by }: PushDetails = NO_DETAILS): string {
  const offset = position === null ? "" : `,"offset":${position.offset}`;
  return by === null ? offset : `${offset},"by":${by}`;
}

const NO_DETAILS: PushDetails = { position: null, by: null };

/** A frame as a browser sent it, checked. */
export type ParsedFrame =
  | { readonly kind: "connect"; readonly connect: Connect }
  | { readonly kind: "command"; readonly id: number | null; readonly command: Command }
  /** How many frames were taken; `null` for a plain pong. */
  | { readonly kind: "received"; readonly received: number | null }
  /** What a poll and an up request begin with. */
  | { readonly kind: "resume"; readonly resume: string; readonly received: number }
  /** A frame to answer with `error`; `id` where one could be read. */
  | { readonly kind: "bad"; readonly id: number | null; readonly error: ErrorCodeAndText };

interface ErrorCodeAndText {
  readonly code: "bad_frame" | "bad_command";
  readonly message: string;
}

const COMMANDS = ["subscribe", "unsubscribe", "send", "publish", "presence", "refresh"] as const;
const NEEDS_CHANNEL = new Set<string>(["subscribe", "unsubscribe", "publish", "presence"]);
const NEEDS_DATA = new Set<string>(["send", "publish"]);

/** Bound of what a page says of itself where a channel tells who is there, in bytes of its JSON text. */
export const MAX_INFO_BYTES = 1024;

/**
 * Reads one line. Never throws: what cannot be read is of kind `bad`, with the words to answer.
 *
 * Unknown members are ignored, so that a newer client can speak to an older server.
 */
export function parseFrame(line: string): ParsedFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(line);
  } catch {
    return bad(null, "bad_frame", "Cannot read the frame: it is not JSON");
  }
  if (!isObject(frame)) {
    return bad(null, "bad_frame", "Cannot read the frame: it is not a JSON object");
  }

  if ("connect" in frame) return parseConnect(frame.connect);
  if (typeof frame.resume === "string") {
    const received = frame.received ?? 0;
    if (!isCount(received)) {
      return bad(null, "bad_command", "received: must be a whole number from 0");
    }
    return { kind: "resume", resume: frame.resume, received };
  }

  const id = frame.id ?? null;
  if (id !== null && !(isCount(id) && id > 0)) {
    return bad(null, "bad_command", "id: must be a whole number from 1");
  }
  for (const name of COMMANDS) {
    if (!(name in frame)) continue;
    return parseCommand(id, name, frame[name]);
  }
  if ("received" in frame) {
    if (!isCount(frame.received)) {
      return bad(id, "bad_command", "received: must be a whole number from 0");
    }
    return { kind: "received", received: frame.received };
  }
  for (const _ in frame) {
    return bad(id, "bad_command", `A command is one of connect, ${COMMANDS.join(", ")}, received`);
  }
  return { kind: "received", received: null };
}

function parseCommand(
  id: number | null,
  name: typeof COMMANDS[number],
  body: unknown,
): ParsedFrame {
  if (!isObject(body)) return bad(id, "bad_command", `${name}: must be an object`);
  if (NEEDS_CHANNEL.has(name) && typeof body.channel !== "string") {
    return bad(id, "bad_command", `${name}.channel: must be a string`);
  }
  if (NEEDS_DATA.has(name) && body.data === undefined) {
    return bad(id, "bad_command", `${name}.data: is missing`);
  }
  if (name === "subscribe" && body.since !== undefined && !isPosition(body.since)) {
    return bad(
      id,
      "bad_command",
      "subscribe.since: must be {epoch, offset}, the offset a whole number from 0",
    );
  }
  if (name === "subscribe" && body.token !== undefined && typeof body.token !== "string") {
    return bad(id, "bad_command", "subscribe.token: must be a string");
  }
  if (name === "refresh" && typeof body.token !== "string") {
    return bad(id, "bad_command", "refresh.token: must be a string");
  }
  return { kind: "command", id, command: { [name]: body } as unknown as Command };
}

function parseConnect(connect: unknown): ParsedFrame {
  if (!isObject(connect)) return bad(null, "bad_command", "connect: must be an object");
  for (const name of ["token", "client", "resume"]) {
    const value = connect[name];
    if (value !== undefined && typeof value !== "string") {
      return bad(null, "bad_command", `connect.${name}: must be a string`);
    }
  }
  if (connect.received !== undefined && !isCount(connect.received)) {
    return bad(null, "bad_command", "connect.received: must be a whole number from 0");
  }
  if (connect.subscribe !== undefined) {
    if (!isObject(connect.subscribe)) {
      return bad(null, "bad_command", "connect.subscribe: must be an object");
    }
    for (const since of Object.values(connect.subscribe)) {
      const isWrong = !isObject(since) || ("epoch" in since && !isPosition(since)) ||
        (since.token !== undefined && typeof since.token !== "string");
      if (isWrong) {
        return bad(
          null,
          "bad_command",
          "connect.subscribe: each channel has {}, or any of epoch and offset (a whole number from 0), " +
            "token (a string) and info",
        );
      }
    }
  }
  return { kind: "connect", connect: connect as Connect };
}

/** The error that answers a frame which came before `connect`. */
export function notConnected(): ProtocolError {
  return new ProtocolError("not_connected", CLOSES.badFrame);
}

/** Whether a position asks for recovery: `{}` in `connect.subscribe` does not. */
export function isPosition(value: unknown): value is Position {
  return isObject(value) && typeof value.epoch === "string" && isCount(value.offset);
}

/**
 * What a page says of itself, as JSON text; `null` where it says nothing.
 *
 * @returns `"too_large"` where it says too much, or what cannot be written again.
 */
export function infoText(info: Json | undefined): string | null | "too_large" {
  if (info === undefined) return null;
  const text = toJson(info);
  return text === null || new TextEncoder().encode(text).length > MAX_INFO_BYTES
    ? "too_large"
    : text;
}

function bad(id: number | null, code: ErrorCodeAndText["code"], message: string): ParsedFrame {
  return { kind: "bad", id, error: { code, message } };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
