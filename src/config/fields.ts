/**
 * The types that config keys have. None of their messages repeats a value: it may be a secret.
 *
 * @module
 */
import { isIP } from "node:net";
import { z } from "zod";
import { parsePattern } from "../protocol/channel_pattern.ts";
import { parseWebhookSecret } from "../signing/secrets.ts";
import { MIN_TOKEN_SECRET_BYTES } from "../signing/token_keys.ts";
import { isLoopbackHost } from "../web/loopback.ts";
import { parseDuration, parseSize } from "./units.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;

function refuse(ctx: z.core.ParsePayload, message: string): never {
  ctx.issues.push({ code: "custom", message, input: undefined });
  return z.NEVER;
}

/** A duration of at least `min` milliseconds; a timer takes no more than 24 days. */
export function duration({ min = 0 }: { min?: number } = {}) {
  const error = `must be a duration such as "10s", "500ms" or "2m"`;
  return z.string({ error }).transform((text, ctx): number => {
    const ms = parseDuration(text);
    if (ms === null) return refuse(ctx, error);
    if (ms < min || ms > MAX_TIMER_MS) return refuse(ctx, `must be from ${min}ms to 24d`);
    return ms;
  });
}

/** A size in bytes. */
export function size({ min, max }: { min: string; max: string }) {
  const error = `must be a size such as "64KiB" or "1MB"`;
  return z.string({ error }).transform((text, ctx): number => {
    const bytes = parseSize(text);
    if (bytes === null) return refuse(ctx, error);
    if (bytes < parseSize(min)! || bytes > parseSize(max)!) {
      return refuse(ctx, `must be from ${min} to ${max}`);
    }
    return bytes;
  });
}

/** A list, or one text that stands for a list of one. */
export function list<Item extends z.ZodType>(item: Item) {
  return z.preprocess((value) => typeof value === "string" ? [value] : value, z.array(item));
}

/** Text that `test` accepts; `message` says what it should have been. */
export function text(test: (text: string) => boolean, message: string) {
  return z.string({ error: message }).refine(test, { error: message });
}

function matching(pattern: RegExp, message: string) {
  return text((value) => pattern.test(value), message);
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") &&
    url.username === "" && url.password === "" && url.hash === "";
}

/** A secret of the Standard Webhooks scheme. */
export const webhookSecret = text(
  (secret) => parseWebhookSecret(secret) !== null,
  "must be whsec_ and the base64 of 24 to 64 random bytes ('chloe secret' makes one)",
);

/** A bearer key: visible ASCII without the comma, which separates keys in the environment. */
export const apiKey = matching(
  /^[\x21-\x2b\x2d-\x7e]{16,}$/,
  "must have 16 visible ASCII characters or more, and no comma",
);

/** A secret of users' tokens: its UTF-8 bytes are the key. In the environment commas separate secrets. */
export const tokenSecret = text(
  (secret) =>
    new TextEncoder().encode(secret).length >= MIN_TOKEN_SECRET_BYTES &&
    !secret.includes(",") && secret.trim() === secret,
  "must have 32 bytes or more, no comma and no white space at its ends ('chloe secret' makes one)",
);

/** Where a JWKS is. Keys that are fetched in the clear can be swapped, but on this machine. */
export const jwks = text(
  (place) => {
    if (!/^[a-z][a-z0-9+.-]*:/i.test(place)) return place.trim() !== "";
    const url = URL.parse(place);
    return isHttpUrl(place) && (url!.protocol === "https:" || isLoopbackHost(url!.hostname));
  },
  "must be an https URL, an http URL of this machine, or the path of a file",
);

/** A pattern of channel names. */
export const pattern = z.string().superRefine((text, ctx) => {
  const parsed = parsePattern(text);
  if (typeof parsed === "string") ctx.addIssue({ code: "custom", message: parsed });
});

/** Text that says something. */
export const someText = text((text) => text.trim() !== "", "must not be empty");

/** A URL to POST to; `fetch` takes none with a password in it. */
export const httpUrl = text(
  isHttpUrl,
  "must be an http or https URL, with no password and no #fragment in it",
);

/** The longest path of a Unix socket: what Linux has room for, and macOS has a little less. */
const MAX_SOCKET_PATH_BYTES = 100;

/** An address or a name to listen on, or a Unix socket as `unix:` and its absolute path. */
export const host = text(
  (host) =>
    host.startsWith("unix:")
      ? /^unix:\/[^\0\s]+$/.test(host) &&
        new TextEncoder().encode(socketPath(host)!).length <= MAX_SOCKET_PATH_BYTES
      : /^(?:\[[0-9a-f:.]+\]|[0-9a-f:.]+|[a-z0-9._-]+)$/i.test(host),
  `must be an IP address, a host name, or unix: and an absolute path of at most ` +
    `${MAX_SOCKET_PATH_BYTES} bytes`,
);

/** The path of the Unix socket that a `host` names; `null` where it names none. */
export function socketPath(host: string): string | null {
  return host.startsWith("unix:") ? host.slice("unix:".length) : null;
}

/** The permissions of a file, as `chmod` has them. */
export const fileMode = z.string({ error: 'must be text such as "0660"' }).transform(
  (text, ctx): number => {
    if (/^0?[0-7]{3}$/.test(text)) return parseInt(text, 8);
    return refuse(ctx, 'must be three octal digits, as "0660"');
  },
);

/** A web page's origin, in which `*` stands for any text; `*` alone is every origin. */
export const origin = matching(
  /^(?:\*|(?:[a-z][a-z0-9+.-]*|\*):\/\/[^\s/?#@,]+)$/i,
  `must be an origin such as "https://*.example.com"`,
);

/** The name of an HTTP header. */
export const headerName = matching(
  /^[!#$%&'*+.^_`|~0-9a-z-]+$/i,
  "must be the name of a header",
);

/** Whose word is taken on where a request comes from: an address, a range, `loopback`, or `unix`. */
export const trustedProxy = text(
  (range) => {
    if (range === "loopback" || range === "unix") return true;
    const [address = "", bits, ...rest] = range.split("/");
    const version = isIP(address);
    return version !== 0 && rest.length === 0 &&
      (bits === undefined || /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  },
  `must be an IP address, a range such as "10.0.0.0/8", "loopback", or "unix"`,
);

/** An IP address, a range of them as address/bits, or the word `loopback`. */
export const addressRange = matching(
  /^(?:[0-9a-f:.]+(?:\/\d{1,3})?|loopback)$/i,
  `must be an IP address, a range such as "10.0.0.0/8", or "loopback"`,
);
