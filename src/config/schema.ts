/**
 * Every key of Chloe's config, once: its type, bounds, default and one line on what it is for. The
 * environment's names, the flags, `chloe check` and the help are derived from here.
 *
 * @module
 */
import { z } from "zod";
import { KEY_ALGORITHMS, SECRET_ALGORITHMS } from "../signing/token_keys.ts";
import {
  addressRange,
  apiKey,
  duration,
  fileMode,
  headerName,
  host,
  httpUrl,
  jwks,
  list,
  origin,
  pattern,
  size,
  someText,
  text,
  tokenSecret,
  trustedProxy,
  webhookSecret,
} from "./fields.ts";

/** What is to be known of a key beside its type. */
export interface KeyDoc {
  /** How its text is read where it comes from the environment or a flag. */
  readonly kind: "text" | "number" | "boolean" | "list" | "json";
  /** One line for the help. */
  readonly doc: string;
  /** The key is common enough for a flag of its own; the text stands for its value in the help. */
  readonly flag?: string;
  /** Its value is never shown, and it has no flag: everyone on the machine can read a process's flags. */
  readonly secret?: true;
  /**
   * A reload puts a new value in force, without a restart. `once set`: one value in place of another, but not
   * a first one, or none any more.
   */
  readonly live?: true | "once set";
}

/** The documentation of each leaf of {@linkcode schema}, by its zod type. */
export const keyDocs: z.core.$ZodRegistry<KeyDoc> = z.registry<KeyDoc>();

/** Every event that an app can be told of. */
const EVENTS = [
  "message",
  "connect",
  "disconnect",
  "subscribe",
  "unsubscribe",
  "channel_occupied",
  "channel_vacated",
  "restarted",
] as const;

/** Every algorithm that a token may be signed by. */
const ALGORITHMS = [...SECRET_ALGORITHMS, ...KEY_ALGORITHMS] as const;

const app = z.strictObject({
  url: httpUrl.optional()
    .register(keyDocs, {
      kind: "text",
      flag: "url",
      doc: "where the app takes events; none: browsers can only listen",
      live: "once set",
    }),
  format: z.enum(["json", "chloe-1"]).prefault("json").register(keyDocs, {
    kind: "text",
    flag: "format",
    doc: "how events are written: json, or chloe-1 for an app of 2011",
  }),
  timeout: duration({ min: 10 }).prefault("10s").register(keyDocs, {
    kind: "text",
    flag: "duration",
    doc: "how long one POST to the app may take",
    live: true,
  }),
  retry_for: duration().prefault("60s").register(keyDocs, {
    kind: "text",
    flag: "duration",
    doc: "how long an event is tried again before it is given up",
    live: true,
  }),
  events: list(z.enum(EVENTS)).prefault(["message"]).register(keyDocs, {
    kind: "list",
    flag: "events",
    doc: `the events that the app gets: ${EVENTS.join(", ")}`,
  }),
  forward_headers: list(headerName)
    .transform((names) => names.map((name) => name.toLowerCase()))
    .prefault([])
    .register(keyDocs, {
      kind: "list",
      doc: "headers of the browser's request that the connect event carries",
      live: true,
    }),
});

const tls = z.strictObject({
  cert: someText.optional().register(keyDocs, {
    kind: "text",
    flag: "file",
    doc:
      "the certificate to serve https and wss with, and what stands between it and its root: PEM",
  }),
  key: someText.optional().register(keyDocs, {
    kind: "text",
    flag: "file",
    doc: "the certificate's private key, without a passphrase: PEM",
  }),
});

const session = z.strictObject({
  grace: duration({ min: 10 }).prefault("30s").register(keyDocs, {
    kind: "text",
    doc: "how long a session outlives its lost connection",
    live: true,
  }),
  ping: duration({ min: 10 }).prefault("25s").register(keyDocs, {
    kind: "text",
    doc: "how often a quiet connection is asked whether it is there",
    live: true,
  }),
});

const limits = z.strictObject({
  max_bytes: size({ min: "256B", max: "16MiB" }).prefault("64KiB").register(keyDocs, {
    kind: "text",
    doc: "the longest frame that a browser may send",
    live: true,
  }),
  message_bytes: size({ min: "1B", max: "1MiB" }).prefault("64KiB").register(keyDocs, {
    kind: "text",
    doc: "the longest message that an app may send",
    live: true,
  }),
  unwritten_bytes: size({ min: "1KiB", max: "1GiB" }).prefault("256KiB").register(keyDocs, {
    kind: "text",
    doc: "what may wait for a reader before it counts as slow",
    live: true,
  }),
  unacknowledged_bytes: size({ min: "1KiB", max: "1GiB" }).prefault("256KiB").register(keyDocs, {
    kind: "text",
    doc: "what is kept of a session for a resume",
    live: true,
  }),
  subscriptions: z.int().min(1).max(1_000_000).prefault(500).register(keyDocs, {
    kind: "number",
    doc: "the most channels that one session may be in",
    live: true,
  }),
  connections: z.int().min(1).max(10_000_000).optional().register(keyDocs, {
    kind: "number",
    doc: "the most connections at once; by default the limit of open files less 500",
    live: true,
  }),
  connections_per_address: z.int().min(0).max(10_000_000).optional().register(keyDocs, {
    kind: "number",
    doc: "the most from one address (IPv6: /64); 0: any; by default 500 from each public one",
    live: true,
  }),
  ban: duration().prefault("30s").register(keyDocs, {
    kind: "text",
    doc: "how long an address that sent far too much gets no new connection; 0s: no time",
    live: true,
  }),
  commands_per_second: z.int().min(0).max(1_000_000).prefault(100).register(keyDocs, {
    kind: "number",
    doc: "how many commands a session may send each second, over a while; 0: any number",
    live: true,
  }),
  commands_burst: z.int().min(1).max(10_000_000).optional().register(keyDocs, {
    kind: "number",
    doc: "how many at once; by default twice limits.subscriptions, 1000 at the least",
    live: true,
  }),
  queued_bytes: size({ min: "1MiB", max: "64GiB" }).optional().register(keyDocs, {
    kind: "text",
    doc:
      "what may wait for all sessions together; by default a quarter of V8's heap, 512MiB at most",
    live: true,
  }),
  send_per_second: z.int().min(1).max(10_000_000).optional().register(keyDocs, {
    kind: "number",
    doc: "how many requests to /send one key may make a second; by default any number",
    live: true,
  }),
});

const history = z.strictObject({
  max_bytes: size({ min: "64KiB", max: "64GiB" }).prefault("64MiB").register(keyDocs, {
    kind: "text",
    doc: "what the histories of all channels may take; beyond, the oldest messages go first",
    live: true,
  }),
});

const channelHistory = z.strictObject({
  size: z.int().min(1).max(100_000).prefault(100),
  ttl: duration({ min: 10 }).prefault("5m"),
}, { error: 'must be a table such as { size = 100, ttl = "5m" }' });

const presence = z.strictObject({
  names: z.int().min(0).max(10_000).prefault(100),
}, { error: "must be true, false or a table such as { names = 100 }" });

const channel = z.strictObject({
  pattern,
  authorize: z.enum(["open", "token", "app", "closed"]).prefault("open"),
  publish: z.enum(["app", "clients"]).prefault("app"),
  history: z.preprocess((value) => value === false ? undefined : value, channelHistory.optional())
    .optional(),
  presence: z.preprocess(
    (value) => value === true ? {} : value === false ? undefined : value,
    presence.optional(),
  ).optional(),
  slow: z.enum(["close", "drop_oldest", "keep_latest"]).prefault("close"),
  max_subscribers: z.int().min(1).optional(),
});

const token = z.strictObject({
  secret: list(tokenSecret).prefault([]).register(keyDocs, {
    kind: "list",
    secret: true,
    doc: "users' tokens are signed with one of these (HS256, HS384, HS512)",
    live: true,
  }),
  jwks: jwks.optional().register(keyDocs, {
    kind: "text",
    doc: "the public keys of users' tokens: an https URL, or a file's path",
    live: true,
  }),
  algorithms: list(z.enum(ALGORITHMS))
    .refine((names) => names.length > 0, { error: "must name one or more, or be left out" })
    .optional()
    .register(keyDocs, {
      kind: "list",
      doc: "the algorithms that tokens may have; by default what the keys are for",
      live: true,
    }),
  audience: someText.optional().register(keyDocs, {
    kind: "text",
    doc: "what a token has to say as its aud",
    live: true,
  }),
  issuer: someText.optional().register(keyDocs, {
    kind: "text",
    doc: "what a token has to say as its iss",
    live: true,
  }),
  required: z.boolean().prefault(false).register(keyDocs, {
    kind: "boolean",
    doc: "whether nobody connects without a token",
    live: true,
  }),
});

const legacy = z.strictObject({
  enabled: z.boolean().optional().register(keyDocs, {
    kind: "boolean",
    doc: "whether pages of 2011 are served; by default on loopback only",
  }),
  secret: text((secret) => secret.length > 0, "must not be empty").optional().register(keyDocs, {
    kind: "text",
    secret: true,
    doc: "signs in the way of 2011 (chloe-1 and the form member sig)",
    live: true,
  }),
  from: list(addressRange).prefault(["loopback"]).register(keyDocs, {
    kind: "list",
    doc: "addresses from which the form member sig is taken",
    live: true,
  }),
});

const metrics = z.strictObject({
  enabled: z.boolean().prefault(true).register(keyDocs, {
    kind: "boolean",
    doc: "whether /metrics is there, for Prometheus",
  }),
  from: list(addressRange).prefault(["loopback"]).register(keyDocs, {
    kind: "list",
    doc: "addresses from which /metrics needs no key",
  }),
});

const log = z.strictObject({
  level: z.enum(["trace", "debug", "info", "warning", "error", "fatal"]).prefault("info").register(
    keyDocs,
    { kind: "text", flag: "level", doc: "trace, debug, info, warning, error or fatal", live: true },
  ),
  format: z.enum(["auto", "pretty", "json"]).prefault("auto").register(keyDocs, {
    kind: "text",
    flag: "format",
    doc: "pretty, json, or auto: pretty on a terminal, JSON lines elsewhere",
    live: true,
  }),
});

/** The whole config as it stands in chloe.toml. */
export const schema = z.strictObject({
  host: host.prefault("127.0.0.1").register(keyDocs, {
    kind: "text",
    flag: "address",
    doc: "the address to listen on, or unix:/path for a Unix socket",
  }),
  port: z.int().min(0).max(65_535).prefault(8901).register(keyDocs, {
    kind: "number",
    flag: "number",
    doc: "the port to listen on; 0: any that is free",
  }),
  socket_mode: fileMode.prefault("0660").register(keyDocs, {
    kind: "text",
    doc: "the permissions of the Unix socket, where host names one",
  }),
  secret: list(webhookSecret).prefault([]).register(keyDocs, {
    kind: "list",
    secret: true,
    doc: "signs what Chloe and the app send each other; two while one replaces the other",
    live: true,
  }),
  api_keys: list(apiKey).prefault([]).register(keyDocs, {
    kind: "list",
    secret: true,
    doc: "bearer keys for /send and /api",
    live: true,
  }),
  origins: list(origin).prefault([]).register(keyDocs, {
    kind: "list",
    flag: "origins",
    doc: "origins of the pages that may connect; the own one always may",
    live: true,
  }),
  trusted_proxies: list(trustedProxy).prefault([]).register(keyDocs, {
    kind: "list",
    doc: "proxies whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed",
  }),
  shutdown_timeout: duration().prefault("10s").register(keyDocs, {
    kind: "text",
    flag: "duration",
    doc: "how long a shutdown waits for sessions and for the app",
    live: true,
  }),
  state_dir: someText.optional().register(keyDocs, {
    kind: "text",
    doc: "the folder of what outlives a restart; by default one for the user Chloe runs as",
  }),
  include: list(text((path) => path.trim() !== "", "must be a file's path")).prefault([]).register(
    keyDocs,
    {
      kind: "list",
      doc: "more config files, by their path from this one; a key may be in one of them only",
      live: true,
    },
  ),
  tls: tls.prefault({}),
  app: app.prefault({}),
  session: session.prefault({}),
  limits: limits.prefault({}),
  channel: z.array(channel, { error: "must be a list: write [[channel]] for each rule" }).prefault(
    [],
  ).register(keyDocs, {
    kind: "json",
    doc: "rules for channels, [[channel]] in the file; the first that matches wins",
    live: true,
  }),
  history: history.prefault({}),
  token: token.prefault({}),
  legacy: legacy.prefault({}),
  metrics: metrics.prefault({}),
  log: log.prefault({}),
});

/** The config as the rest of Chloe sees it: durations in milliseconds, sizes in bytes, lists as lists. */
export type Config = z.output<typeof schema>;
