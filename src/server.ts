/**
 * The composition root: the one place where the rooms meet. What each is given here is all it knows of the
 * others.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { getLogger } from "@logtape/logtape";
import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { appLink } from "./app_link.ts";
import { announceBoots, type Boots, defaultStateDir, rememberBoot } from "./boots.ts";
import { CertificateWatch } from "./certificate_watch.ts";
import { configChanges } from "./config/changes.ts";
import { checkRules } from "./config/check.ts";
import { socketPath } from "./config/fields.ts";
import { type Problem, problemLine } from "./config/problems.ts";
import type { Config } from "./config/schema.ts";
import { readTlsPair, tlsFiles } from "./config/tls_files.ts";
import { fileLimit } from "./file_limit.ts";
import { apiRoutes } from "./http/api/api.ts";
import { ApiCounters } from "./http/api/counters.ts";
import { Watchers } from "./http/api/watchers.ts";
import { createApp } from "./http/app.ts";
import { AuthCounters, Authenticator } from "./http/authentication.ts";
import { clientFiles } from "./http/client_files.ts";
import { frontDoor } from "./http/front_door.ts";
import { healthRoutes } from "./http/health.ts";
import { Listener } from "./http/listener.ts";
import { listenProblem } from "./http/listen_problem.ts";
import { connectionsBy, ProxyCounters } from "./http/proxies.ts";
import { SendCounters, sendEndpoint, type SendOptions, sendRoutes } from "./http/send.ts";
import { MessageSender } from "./http/sender.ts";
import { statusPage } from "./http/status_page.ts";
import { freeSocketPath } from "./http/unix_socket.ts";
import type { CommandContext } from "./hub/commands.ts";
import { Hub } from "./hub/hub.ts";
import { sessionKeys } from "./hub/session_keys.ts";
import { Lifecycle } from "./lifecycle.ts";
import { sendLimit } from "./limits.ts";
import { type Live, makeLive } from "./live.ts";
import { EventLoopLag } from "./metrics/event_loop.ts";
import { OpenFiles } from "./metrics/open_files.ts";
import { metricsRoutes } from "./metrics/routes.ts";
import { statsReader } from "./metrics/stats.ts";
import { Gateway } from "./transports/gateway.ts";
import { legacyRoutes } from "./transports/legacy/routes.ts";
import { transportRoutes } from "./transports/routes.ts";
import { errorText } from "./web/error_text.ts";
import { isLoopbackHost } from "./web/loopback.ts";

const logger = getLogger(["chloe", "server"]);

/** A socket that takes no more is tried again this often: Deno does not say when it has room. */
const RETRY_MS = 20;
const TICK_MS = 1000;
/** How long browsers get to take their goodbye. */
const GOODBYE_MS = 1000;

/** What a server is started with. */
export interface ServeOptions {
  readonly config: Config;
  readonly version: string;
  /** The folder of the built client files. */
  readonly clientDir: string;
  /** Whether the app is the demo app, with which the status page can talk. */
  readonly demo?: boolean;
  /** Sign events where the config has no secret, as for the demo app, which is in on it. */
  readonly appSecrets?: readonly string[];
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Of a Unix socket `unix:` and its path. */
  readonly url: string;
  readonly hostname: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Resolves when it has shut down. */
  readonly finished: Promise<void>;
  /**
   * Puts another config in force, as far as that can be without a restart; or nothing of it, where something is
   * wrong with it. What the new one allows goes on undisturbed.
   */
  reload(config: Config): Promise<Reloaded>;
  /**
   * Takes the certificate anew from its files; it is done by itself when they change.
   *
   * @returns Why what they hold is not in use, or `null`.
   */
  renewCertificate(): Promise<string | null>;
  /** Lets the app take what was accepted, sends the browsers away, and stops. */
  shutdown(): Promise<void>;
}

/** What became of a reload. Keys are by their names. */
export type Reloaded =
  | {
    readonly ok: true;
    /** Keys whose new values are in force. */
    readonly changed: readonly string[];
    /** Keys whose new values need a restart. */
    readonly restart: readonly string[];
  }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Starts Chloe.
 *
 * @throws Error where the port or the certificate cannot be had; its message is for the person who started it.
 */
export async function startServer(
  { config, version, clientDir, demo = false, appSecrets = [] }: ServeOptions,
): Promise<RunningServer> {
  const certificateFiles = tlsFiles(config);
  const reading = certificateFiles === null ? null : await readTlsPair(certificateFiles);
  if (reading?.problems !== undefined) {
    throw new Error(reading.problems.map(problemLine).join("\n"));
  }
  const pair = reading?.pair;
  const onLoopback = isLoopbackHost(config.host);
  const files = await fileLimit();
  let live = await makeLive(config, { files, appSecrets });

  const boot = crypto.randomUUID().slice(0, 8);
  const { events } = config.app;
  const lifecycle = new Lifecycle(events);
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  const hub = new Hub({
    ...live.hub,
    keys: sessionKeys(),
    boot,
    listener: lifecycle,
    now: () => performance.now(),
    onTurnEnd: inNextTurn,
    onRetry(retry) {
      retryTimer = setTimeout(retry, RETRY_MS);
    },
  });
  const ticker = setInterval(() => hub.wheel.advance(hub.now()), TICK_MS);

  const sender = new MessageSender({
    publisher: hub,
    messageBytes: config.limits.message_bytes,
  });
  const link = live.app === null ? null : appLink({
    settings: live.app,
    format: config.app.format,
    asksApp: events.includes("connect"),
    hub,
    boot,
    deliver: (item) => sender.sendUnchecked(item),
  });
  warnOfUnsigned(live);
  if (link !== null) lifecycle.start(link.relay, hub);
  const commands: CommandContext = {
    hub,
    uplink: link?.relay ?? null,
    tokens: live.tokens,
    maxBytes: config.limits.max_bytes,
    messageBytes: config.limits.message_bytes,
    pace: live.pace,
    draining: false,
  };
  const gateway = new Gateway({
    hub,
    commands,
    ...live.gateway,
    admit: link?.admit ?? null,
  });

  const authCounters = new AuthCounters();
  const authenticator = new Authenticator({ ...live.credentials, counters: authCounters });
  const sendCounters = new SendCounters();
  const apiCounters = new ApiCounters();
  const proxyCounters = new ProxyCounters();
  const watchers = new Watchers();
  const eventLoop = new EventLoopLag(() => hub.now());
  const openFiles = new OpenFiles(() => hub.now());
  const readStats = statsReader({
    ...{ hub, relay: link?.relay ?? null, version, boot, maxFiles: files },
    ...{
      send: sendCounters,
      api: apiCounters,
      auth: authCounters,
      proxies: proxyCounters,
      eventLoop,
      openFiles,
    },
    live: () => ({ tokens: live.tokens, maxConnections: live.gateway.maxConnections }),
  });
  let isOpen = true;
  const sending: SendOptions = {
    ...{ sender, authenticator, counters: sendCounters },
    isOpen: () => isOpen,
    limit: sendLimit(config, hub.counters.limitsHit),
  };
  const send = sendEndpoint(sending);
  const app = createApp([
    sendRoutes(send),
    apiRoutes({ hub, authenticator, version, counters: apiCounters, watchers, readStats }),
    ...(config.metrics.enabled
      ? [metricsRoutes({ authenticator, readStats, from: config.metrics.from })]
      : []),
    statusPage({ dir: clientDir, version, demo, isGuarded: () => authenticator.guarded }),
    clientFiles({ dir: clientDir }),
    healthRoutes({ version, isReady: () => !commands.draining }),
    transportRoutes(gateway),
    ...(config.legacy.enabled ?? onLoopback ? [legacyRoutes(gateway)] : []),
  ]);

  const connectionOf = connectionsBy({
    trusted: config.trusted_proxies,
    secure: pair !== undefined,
    counters: proxyCounters,
  });
  const path = socketPath(config.host);
  const handle = frontDoor({ app, send, connectionOf });
  let listener: Listener;
  try {
    if (path !== null) await freeSocketPath(path);
    listener = new Listener({
      hostname: config.host,
      port: config.port,
      ...(path !== null && { socket: { path, mode: config.socket_mode } }),
      certificate: pair,
      handle,
    });
  } catch (error) {
    clearInterval(ticker);
    link?.relay.close();
    live.tokens?.close();
    const where = path === null ? `${config.host}:${config.port}` : config.host;
    throw new Error(`Cannot listen on ${where}: ${listenProblem(error)}`, { cause: error });
  }

  eventLoop.start();
  // Only now: who does not get the port is no run of the server.
  let boots: Boots | null;
  try {
    boots = link !== null && events.includes("restarted")
      ? await rememberBoot({
        dir: stateDir(config),
        name: path ?? `${config.host}-${config.port}`,
        boot,
      })
      : null;
  } catch (error) {
    clearInterval(ticker);
    link?.relay.close();
    live.tokens?.close();
    eventLoop.stop();
    await listener.close();
    throw error;
  }
  const announcing = new AbortController();
  const announced = boots === null || link === null ? Promise.resolve() : announceBoots({
    boots,
    restarted: (previous) => link.relay.restarted(previous),
    signal: announcing.signal,
  });

  const certificates = certificateFiles === null || pair === undefined
    ? null
    : new CertificateWatch({
      files: certificateFiles,
      pair,
      take: (pair) => listener.renew(pair),
    });

  /** Puts a config in force, all of it within one turn: nothing here may throw. */
  function apply(next: Live): void {
    live = next;
    hub.configure(next.hub);
    sender.messageBytes = next.config.limits.message_bytes;
    commands.maxBytes = next.config.limits.max_bytes;
    commands.messageBytes = next.config.limits.message_bytes;
    // Those before may be in the midst of a check, and are let go when that is done.
    commands.tokens = next.tokens;
    commands.pace = next.pace;
    sending.limit = sendLimit(next.config, hub.counters.limitsHit);
    if (next.app !== null) link?.configure(next.app);
    authenticator.configure(next.credentials);
    watchers.recheck(authenticator);
    gateway.configure(next.gateway);
    warnOfUnsigned(next);
  }

  async function replaceConfig(wanted: Config): Promise<Reloaded> {
    const { live: changed, restart, config: next } = configChanges(live.config, wanted);
    const names = restart.map(({ name }) => name);
    // What needs a restart stays as it is, and may not fit what would change now.
    const { problems } = checkRules(next);
    if (problems.length > 0) return refused(problems, names);
    let made: Live;
    try {
      made = await makeLive(next, { files, appSecrets, before: live });
    } catch (error) {
      return { ok: false, problems: [errorText(error)] };
    }
    const expired = await certificates?.renew() ?? null;
    if (expired !== null) return { ok: false, problems: [expired] };
    if (stopping !== undefined) return { ok: false, problems: ["the server is shutting down"] };
    apply(made);
    return { ok: true, changed: changed.map(({ name }) => name), restart: names };
  }
  let reloading: Promise<unknown> = Promise.resolve();
  function reload(wanted: Config): Promise<Reloaded> {
    const reloaded = reloading.then(() => replaceConfig(wanted));
    reloading = reloaded.catch(() => {}); // told to who asked
    return reloaded;
  }

  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  async function stop(): Promise<void> {
    certificates?.close();
    // First nothing new comes in, then what the app has yet to answer reaches its browsers, and only then
    // are these sent away.
    commands.draining = true;
    if (link !== null) {
      logger.info("Shutting down: waiting for the app to take {count} events", {
        count: link.relay.counters.queued + link.relay.counters.inFlight,
      });
      await within(live.config.shutdown_timeout, link.relay.drain());
      link.relay.close();
      await within(GOODBYE_MS, link.relay.drain());
    }
    // That all sessions end here the next run tells the app, by `restarted`.
    lifecycle.stop();
    announcing.abort();
    await within(GOODBYE_MS, announced);
    logger.info("Shutting down: sending {count} sessions away", { count: hub.sessions.size });
    isOpen = false;
    hub.endAll();
    const goodbyeEnd = hub.now() + GOODBYE_MS;
    while (hub.counters.connections > 0 && hub.now() < goodbyeEnd) await delay(RETRY_MS);
    await listener.close();
    clearInterval(ticker);
    clearTimeout(retryTimer);
    live.tokens?.close();
    eventLoop.stop();
    await openFiles.idle();
    finish();
  }
  let stopping: Promise<void> | undefined;
  const shutdown = () => stopping ??= stop();

  return {
    url: path === null
      ? `${pair === undefined ? "http" : "https"}://${urlHost(config.host)}:${listener.port}`
      : config.host,
    hostname: config.host,
    port: listener.port,
    finished,
    reload,
    renewCertificate: () => certificates?.renew() ?? Promise.resolve(null),
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

function warnOfUnsigned({ app, config }: Live): void {
  if (app === null || config.app.format !== "json" || app.secrets!.length > 0) return;
  logger.warn("Events go to the app unsigned, as there is no `secret`: `chloe secret` makes one");
}

function refused(problems: readonly Problem[], restart: readonly string[]): Reloaded {
  const why = restart.length === 0
    ? ""
    : `; that is with ${restart.join(", ")} as before, to change which needs a restart`;
  return { ok: false, problems: problems.map((problem) => `${problemLine(problem)}${why}`) };
}

function urlHost(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/**
 * Calls back at the end of the next turn of the event loop, not of this one.
 *
 * After a flush Deno 2.9 has a write to do for each socket, ninety milliseconds for ten thousand, and what came
 * meanwhile is looked at when these are done: first the callbacks of `setImmediate`, then the requests. A flush in
 * the first of them left without the messages of these requests, which then waited for all writes of that flush.
 */
function inNextTurn(callback: () => void): void {
  setImmediate(setImmediate, callback);
}

function stateDir({ state_dir }: Config): string {
  return state_dir ?? defaultStateDir(Deno.env.toObject(), Deno.uid() === 0);
}

/** Waits for `promise`, but no longer than `ms`. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  await deadline(promise, ms).catch(() => {}); // late: what is left is given up by the caller
}
