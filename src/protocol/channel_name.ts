/** The reserved channel that every session is in; it keeps its slash, `all` is an ordinary channel. */
export const ALL_CHANNEL = "/all";

const MAX_CHANNEL_LENGTH = 200;

// White space at either end, or a control character (Unicode category Cc, or a line or paragraph separator)
// anywhere.
// deno-lint-ignore no-control-regex
const FORBIDDEN = /^\s|\s$|[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/**
 * The name of the channel that `text` means, or `null` where it is not a channel's name.
 *
 * One leading slash is not part of the name: `/pumpkin` and `pumpkin` are one channel. {@linkcode ALL_CHANNEL}
 * is returned as it is; whether it is allowed is the caller's business.
 *
 * @example
 * ```ts
 * channelName("/pumpkin"); // "pumpkin"
 * channelName(" pumpkin"); // null
 * ```
 */
export function channelName(text: unknown): string | null {
  if (typeof text !== "string") return null;
  if (text === ALL_CHANNEL) return ALL_CHANNEL;
  const name = text.startsWith("/") ? text.slice(1) : text;
  if (name.length === 0 || name.length > MAX_CHANNEL_LENGTH || FORBIDDEN.test(name)) return null;
  return name;
}
