/**
 * Protocol 1, of Chloe 0.0.5 (2011): a message in each direction is one JSON object with the same six
 * members. Its client tells neither errors nor how much it received.
 *
 * @module
 */
import type { Codec } from "./codec.ts";
import type { Json } from "./frames.ts";

/** A message of protocol 1. */
export interface LegacyMessage {
  readonly type: "connect" | "channel-subscribe" | "message" | "poll";
  readonly channel: string | null;
  readonly data: Json;
  readonly version: 1;
  /** Names the page's connection to itself: a number, where its transport has one. */
  readonly id: number | null;
  readonly sessionId: string | null;
}

const TYPES = new Set(["connect", "channel-subscribe", "message", "poll"]);

/** Writes protocol 1. Its messages are text: data that is not goes out as its JSON text. */
export const legacyCodec: Codec = {
  name: "1",
  acknowledged: false,
  answersPing: false,
  ping: null,
  separator: "\n",

  push(label, data) {
    const text = data.startsWith('"') ? data : JSON.stringify(data);
    return `{"type":"message","channel":${JSON.stringify(label)},"data":${text},` +
      `"version":1,"id":null,"sessionId":null}`;
  },
  ok: () => "",
  error: () => "",
  unsubscribed: () => null,
  expires: () => null,
  gap: () => null,
  presence: () => null,
  bye: () => null,
};

/**
 * Reads a message.
 *
 * @returns It, or in a few words what is wrong with it.
 */
export function parseLegacyMessage(text: string): LegacyMessage | string {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return "data: must be JSON";
  }
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    return "data: must be a JSON object";
  }
  const { type, channel = null, data = null, version, id = null, sessionId = null } =
    message as Record<
      string,
      Json
    >;
  if (version !== 1) return "version: must be the number 1";
  if (typeof type !== "string" || !TYPES.has(type)) {
    return "type: must be connect, channel-subscribe, message or poll";
  }
  if (channel !== null && typeof channel !== "string") return "channel: must be text";
  if (sessionId !== null && typeof sessionId !== "string") return "sessionId: must be text";
  // It is written into scripts, so nothing but a number is let through.
  if (id !== null && !(typeof id === "number" && Number.isFinite(id))) {
    return "id: must be a number";
  }
  return { type: type as LegacyMessage["type"], channel, data, version, id, sessionId };
}

/** The answer to `connect`. */
export function legacyConnected(id: number | null, sessionId: string): string {
  return JSON.stringify({ type: "connect", channel: null, data: null, version: 1, id, sessionId });
}

/**
 * The text of the parameter `data` in a raw query or form body.
 *
 * The client wrote it by `escape()`, which leaves `+` alone and writes `%E9` and `%u20AC`: a parser of
 * forms would corrupt all three. JSONP appends `ts=<milliseconds>` with nothing between.
 *
 * @returns The text, or `null` where there is no such parameter.
 */
export function legacyData(raw: string): string | null {
  const start = raw.startsWith("data=") ? 0 : raw.indexOf("&data=") + 1;
  if (start === 0 && !raw.startsWith("data=")) return null;
  const from = start + "data=".length;
  const end = raw.indexOf("&", from);
  const value = (end === -1 ? raw.slice(from) : raw.slice(from, end)).replace(/ts=\d+$/, "");
  return value.replace(
    /%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})/g,
    (_, wide?: string, narrow?: string) => String.fromCharCode(parseInt((wide ?? narrow)!, 16)),
  );
}
