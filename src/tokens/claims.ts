import type { JWTPayload } from "jose";
import { ALL_CHANNEL, channelName } from "../protocol/channel_name.ts";
import { parsePattern } from "../protocol/channel_pattern.ts";
import type { ChannelClaims, ConnectionClaims } from "../protocol/claims.ts";
import type { Json } from "../protocol/frames.ts";
import { infoText, MAX_INFO_BYTES } from "../protocol/native.ts";

const MAX_USER_LENGTH = 200;
const MAX_CHANNELS = 500;

/** Who shows a channel's token, and where. */
export interface ChannelEntry {
  /** As {@linkcode channelName} spells it. */
  readonly channel: string;
  /** The session's user; `null` where it has none. */
  readonly user: string | null;
}

/** Reads the claims of a connection's token; text says what is wrong with them. */
export function connectionClaims(
  payload: JWTPayload,
  expiresAtMs: number | null,
): ConnectionClaims | string {
  for (const claim of ["channel", "pattern"]) {
    if (Object.hasOwn(payload, claim)) {
      return `${claim}: this is a channel's token: give it with subscribe, not with connect`;
    }
  }
  const user = readUser(payload.sub);
  if (!user.ok) return user.problem;
  const channels = readChannels(payload["channels"]);
  if (!channels.ok) return channels.problem;
  const info = readInfo(payload["info"]);
  if (!info.ok) return info.problem;
  return { user: user.value, channels: channels.value, info: info.value, expiresAtMs };
}

/** Reads the claims of a channel's token, shown by `entry`; text says what is wrong with them. */
export function channelClaims(
  payload: JWTPayload,
  { entry, expiresAtMs }: { entry: ChannelEntry; expiresAtMs: number | null },
): ChannelClaims | string {
  const problem = channelProblem(payload, entry.channel);
  if (problem !== null) return problem;
  const user = readUser(payload.sub);
  if (!user.ok) return user.problem;
  if (user.value !== null && user.value !== entry.user) {
    return "sub: the token is for another user: ask for one for the user of this session";
  }
  const info = readInfo(payload["info"]);
  if (!info.ok) return info.problem;
  return { info: info.value, expiresAtMs };
}

type Read<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: string };

function readUser(sub: unknown): Read<string | null> {
  if (sub === undefined) return { ok: true, value: null };
  if (typeof sub === "string" && sub.length > 0 && sub.length <= MAX_USER_LENGTH) {
    return { ok: true, value: sub };
  }
  return { ok: false, problem: `sub: must be text of 1 to ${MAX_USER_LENGTH} characters` };
}

function readChannels(channels: unknown): Read<readonly string[]> {
  if (channels === undefined) return { ok: true, value: [] };
  if (!Array.isArray(channels) || channels.length > MAX_CHANNELS) {
    return { ok: false, problem: `channels: must be a list of at most ${MAX_CHANNELS} names` };
  }
  const names = new Set<string>();
  for (const [index, text] of channels.entries()) {
    const name = channelName(text);
    if (name === null || name === ALL_CHANNEL) {
      return {
        ok: false,
        problem: `channels[${index}]: must be the name of a channel, and not ${ALL_CHANNEL}`,
      };
    }
    names.add(name);
  }
  return { ok: true, value: [...names] };
}

function readInfo(info: unknown): Read<string | null> {
  const text = infoText(info === null ? undefined : info as Json | undefined);
  if (text !== "too_large") return { ok: true, value: text };
  return { ok: false, problem: `info: must be at most ${MAX_INFO_BYTES} bytes of JSON` };
}

const ANOTHER_CHANNEL = "the token is for another channel: ask for one for this channel";

/**
 * Why a token does not let into the channel called `name`, or `null` where it does. A name and a pattern are
 * two claims: an app that puts a name into a token which a user chose gives away no more than that.
 */
function channelProblem({ channel, pattern }: JWTPayload, name: string): string | null {
  if (pattern === undefined) {
    if (typeof channel !== "string") {
      return "channel: must be text: the name of the channel that the token is for";
    }
    return channelName(channel) === name ? null : `channel: ${ANOTHER_CHANNEL}`;
  }
  if (channel !== undefined) return "pattern: name channel or pattern, not both";
  if (typeof pattern !== "string") return "pattern: must be text, such as chat:*";
  const matches = parsePattern(pattern);
  if (typeof matches === "string") return `pattern: ${matches}`;
  return matches(name) ? null : `pattern: ${ANOTHER_CHANNEL}`;
}
