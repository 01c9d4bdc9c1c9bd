/**
 * What `POST /send` takes, as a form or as JSON. Checked by hand: this is Chloe's busiest way in.
 *
 * @module
 */
import { toJson } from "../protocol/json.ts";
import type { Target } from "../hub/hub_options.ts";
import { ALL_CHANNEL, channelName } from "../protocol/channel_name.ts";

/** A message that may be sent as it is. */
export interface Delivery {
  readonly targets: readonly Target[];
  /** JSON text on one line. */
  readonly data: string;
  /** The id of a session that does not get it. */
  readonly except?: string;
  /** The app's own id for it. */
  readonly id?: string;
}

/** What is wrong with a message; `member` is named first in `message`. */
export interface Problem {
  readonly status: 400 | 413;
  readonly message: string;
}

const MEMBERS = new Set(["data", "channel", "channels", "session", "user", "except", "id"]);
const TARGETS = ["channel", "channels", "session", "user"] as const;
const MAX_NAME = 200;
const MAX_CHANNELS = 1000;
const EVERYONE: readonly Target[] = [{ kind: "all" }];

/**
 * Checks one message as JSON has it.
 *
 * @param path What comes before the member's name in a problem: `""`, or `[2].` in an array.
 * @param messageBytes Bound of its data, in bytes of its JSON text.
 */
export function checkMessage(
  message: unknown,
  { messageBytes, path = "" }: { messageBytes: number; path?: string },
): Delivery | Problem {
  if (typeof message !== "object" || message === null || Array.isArray(message)) {
    return bad(
      `${path.slice(0, -1) || "body"}: must be a JSON object such as {"channel":"x","data":1}`,
    );
  }
  for (const name of Object.keys(message)) {
    if (!MEMBERS.has(name)) return bad(`${path}${shown(name)}: is not a member of a message`);
  }
  const members = message as Readonly<Record<string, unknown>>;
  if (members.data === undefined) return bad(`${path}data: is missing`);
  const targets = targetsOf(members, path);
  if ("status" in targets) return targets;
  const { except, id } = members;
  if (except !== undefined && !isName(except)) return badName(`${path}except`);
  if (id !== undefined && !isName(id)) return badName(`${path}id`);

  const data = toJson(members.data);
  if (data === null) return bad(`${path}data: is nested too deeply`);
  if (exceeds(data, messageBytes)) {
    return { status: 413, message: `${path}data: is over ${messageBytes} bytes as JSON text` };
  }
  return {
    targets,
    data,
    ...(except !== undefined && { except }),
    ...(id !== undefined && { id }),
  };
}

/** A form's members as {@linkcode checkMessage} takes them, and the signature of 2011 where it has one. */
export interface Form {
  readonly message: Readonly<Record<string, string | readonly string[]>>;
  readonly sig: string | null;
}

/** Reads a form. Each member is there once, but `channels`. */
export function parseForm(body: string): Form | Problem {
  const message: Record<string, string | string[]> = {};
  let sig: string | null = null;
  if (/^\s*[{[]/.test(body)) {
    return bad("body: this is JSON, sent as a form; add 'content-type: application/json'");
  }
  for (const [name, value] of new URLSearchParams(body)) {
    if (name === "channels") {
      const channels = message.channels;
      if (typeof channels === "object") channels.push(value);
      else message.channels = [value];
    } else if (name === "sig") {
      if (sig !== null) return bad("sig: is there twice");
      sig = value;
    } else if (!MEMBERS.has(name)) {
      return bad(`${shown(name)}: is not a member of a message`);
    } else if (message[name] !== undefined) {
      return bad(`${name}: is there twice`);
    } else {
      message[name] = value;
    }
  }
  return { message, sig };
}

function targetsOf(
  members: Readonly<Record<string, unknown>>,
  path: string,
): readonly Target[] | Problem {
  let found: typeof TARGETS[number] | null = null;
  for (const name of TARGETS) {
    if (members[name] === undefined) continue;
    if (found !== null) return bad(`${path}${name}: name ${found} or ${name}, not both`);
    found = name;
  }
  switch (found) {
    case null:
      return EVERYONE;
    case "channel": {
      const target = channelTarget(members.channel);
      return target === null ? badChannel(`${path}channel`) : [target];
    }
    case "channels":
      return channelTargets(members.channels, path);
    case "session":
    case "user": {
      const name = members[found];
      if (!isName(name)) return badName(`${path}${found}`);
      return [found === "user" ? { kind: "user", user: name } : { kind: "session", session: name }];
    }
  }
}

function channelTargets(channels: unknown, path: string): readonly Target[] | Problem {
  const isList = Array.isArray(channels) && channels.length > 0 && channels.length <= MAX_CHANNELS;
  if (!isList) {
    return bad(`${path}channels: must be a list of 1 to ${MAX_CHANNELS} channel names`);
  }
  // Two spellings of one channel are one target.
  const targets = new Map<string, Target>();
  for (const [index, channel] of channels.entries()) {
    const target = channelTarget(channel);
    if (target === null) return badChannel(`${path}channels[${index}]`);
    targets.set(target.kind === "channel" ? target.channel : ALL_CHANNEL, target);
  }
  return [...targets.values()];
}

function channelTarget(channel: unknown): Extract<Target, { kind: "all" | "channel" }> | null {
  const name = channelName(channel);
  if (name === null) return null;
  return name === ALL_CHANNEL ? { kind: "all" } : { kind: "channel", channel: name };
}

/** Whether a text is longer than `bytes` in UTF-8. Its length in UTF-16 decides most cases at once. */
function exceeds(text: string, bytes: number): boolean {
  if (text.length * 3 <= bytes) return false;
  return text.length > bytes || new TextEncoder().encode(text).length > bytes;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_NAME;
}

/** A member's name as a stranger wrote it, cut to what a message can hold. */
function shown(name: string): string {
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}...` : name);
}

function bad(message: string): Problem {
  return { status: 400, message };
}

function badName(member: string): Problem {
  return bad(`${member}: must be text of 1 to ${MAX_NAME} characters`);
}

function badChannel(member: string): Problem {
  return bad(
    `${member}: must be a channel's name: 1 to ${MAX_NAME} characters, no control characters, ` +
      "no white space at its ends",
  );
}
