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
import { channelSettings, isOpenWithoutRule } from "./config/channels.ts";
import type { Config } from "./config/schema.ts";
import { fileLimit } from "./file_limit.ts";
import { apiRoutes } from "./http/api/api.ts";
import { ApiCounters } from "./http/api/counters.ts";
import { createApp } from "./http/app.ts";
import { Authenticator } from "./http/authentication.ts";
import { clientFiles } from "./http/client_files.ts";
import { frontDoor } from "./http/front_door.ts";
import { healthRoutes } from "./http/health.ts";
import { Listener } from "./http/listener.ts";
import { SendCounters, sendEndpoint, sendRoutes } from "./http/send.ts";
import { MessageSender } from "./http/sender.ts";
import { statusPage } from "./http/status_page.ts";
import type { CommandContext } from "./hub/commands.ts";
import { Hub } from "./hub/hub.ts";
import { CLOSED_RULE, OPEN_RULE, ruleBook } from "./hub/rules.ts";
import { sessionKeys } from "./hub/session_keys.ts";
import { Lifecycle } from "./lifecycle.ts";
import { createTokens, type Tokens } from "./tokens/tokens.ts";
import { Gateway } from "./transports/gateway.ts";
import { legacyRoutes } from "./transports/legacy/routes.ts";
import { transportRoutes } from "./transports/routes.ts";
import { isLoopbackHost } from "./web/loopback.ts";
import { originPolicy } from "./web/origins.ts";

const logger = getLogger(["chloe", "server"]);

/** A socket that takes no more is tried again this often: Deno does not say when it has room. */
const RETRY_MS = 20;
const TICK_MS = 1000;
/** How long browsers get to take their goodbye. */
const GOODBYE_MS = 1000;
/** Files kept for what is no browser's connection: the app, `/send`, logs. */
const SPARE_FILES = 500;

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
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
  /** Resolves when it has shut down. */
  readonly finished: Promise<void>;
  /** Lets the app take what was accepted, sends the browsers away, and stops. */
  shutdown(): Promise<void>;
}

/**
 * Starts Chloe.
 *
 * @throws Error where the port cannot be had; its message is for the person who started it.
 */
export async function startServer(
  { config, version, clientDir, demo = false, appSecrets = [] }: ServeOptions,
): Promise<RunningServer> {
  const guarded = config.secret.length > 0 || config.api_keys.length > 0;
  const onLoopback = isLoopbackHost(config.host);
  const maxConnections = config.limits.connections ??
    Math.max(await fileLimit() - SPARE_FILES, 100);

  const boot = crypto.randomUUID().slice(0, 8);
  const { events } = config.app;
  const tokens = await tokensOf(config);
  const lifecycle = new Lifecycle(events);
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  const hub = new Hub({
    bounds: {
      unwrittenBytes: config.limits.unwritten_bytes,
      unacknowledgedBytes: config.limits.unacknowledged_bytes,
      graceMs: config.session.grace,
      pingMs: config.session.ping,
    },
    keys: sessionKeys(),
    rules: ruleBook(
      channelSettings(config),
      isOpenWithoutRule(config) ? OPEN_RULE : CLOSED_RULE,
    ),
    historyBytes: config.history.max_bytes,
    boot,
    listener: lifecycle,
    maxSubscriptions: config.limits.subscriptions,
    // Sessions outlive their connections for a while: after a mass reconnect there may be two for each.
    maxSessions: maxConnections * 2,
    now: () => performance.now(),
    onTurnEnd: inNextTurn,
    onRetry(retry) {
      retryTimer = setTimeout(retry, RETRY_MS);
    },
  });
  const ticker = setInterval(() => hub.wheel.advance(hub.now()), TICK_MS);

  const secrets = config.secret.length > 0 ? config.secret : appSecrets;
  const sender = new MessageSender({
    publisher: hub,
    messageBytes: config.limits.message_bytes,
  });
  const link = appLink({
    config,
    hub,
    boot,
    secrets,
    deliver: (item) => sender.sendUnchecked(item),
  });
  if (link !== null && secrets.length === 0 && config.app.format === "json") {
    logger.warn("Events go to the app unsigned, as there is no `secret`: `chloe secret` makes one");
  }
  if (link !== null) lifecycle.start(link.relay, hub);
  const commands: CommandContext = {
    hub,
    uplink: link?.relay ?? null,
    tokens,
    maxBytes: config.limits.max_bytes,
    messageBytes: config.limits.message_bytes,
    draining: false,
  };
  const gateway = new Gateway({
    hub,
    commands,
    originPolicy: originPolicy({ origins: config.origins, guarded }),
    admit: link?.admit ?? null,
    tokenRequired: config.token.required,
    maxConnections,
  });

  const { secret: legacySecret, from } = config.legacy;
  const authenticator = new Authenticator({
    secrets: config.secret,
    apiKeys: config.api_keys,
    ...(legacySecret !== undefined && { legacy: { secret: legacySecret, from } }),
  });
  const sendCounters = new SendCounters();
  const apiCounters = new ApiCounters();
  let isOpen = true;
  const send = sendEndpoint({
    sender,
    authenticator,
    isOpen: () => isOpen,
    counters: sendCounters,
  });
  const app = createApp([
    sendRoutes(send),
    apiRoutes({
      hub,
      authenticator,
      version,
      counters: apiCounters,
      readStats: () => ({
        sessions: hub.sessions.size - apiCounters.watchers,
        channels: hub.occupied,
        hub: hub.counters,
        history: {
          channels: hub.histories.size,
          bytes: hub.histories.bytes,
          dropped: hub.histories.dropped,
        },
        tokens: tokens?.counters ?? null,
        relay: link?.relay.counters ?? null,
        send: sendCounters,
        api: apiCounters,
      }),
    }),
    statusPage({ dir: clientDir, version, demo, guarded }),
    clientFiles({ dir: clientDir }),
    healthRoutes({ version, isReady: () => !commands.draining }),
    transportRoutes(gateway),
    ...(config.legacy.enabled ?? onLoopback ? [legacyRoutes(gateway)] : []),
  ]);

  const handle = frontDoor(app, send);

  let listener: Listener;
  try {
    listener = new Listener({
      hostname: config.host,
      port: config.port,
      handle: (request, remoteAddress) => handle(request, { remoteAddress }),
    });
  } catch (error) {
    clearInterval(ticker);
    link?.relay.close();
    tokens?.close();
    throw new Error(`Cannot listen on ${config.host}:${config.port}: ${listenProblem(error)}`, {
      cause: error,
    });
  }

  // Only now: who does not get the port is no run of the server.
  let boots: Boots | null;
  try {
    boots = link !== null && events.includes("restarted")
      ? await rememberBoot({
        dir: stateDir(config),
        name: `${config.host}-${config.port}`,
        boot,
      })
      : null;
  } catch (error) {
    clearInterval(ticker);
    link?.relay.close();
    tokens?.close();
    await listener.close();
    throw error;
  }
  const announcing = new AbortController();
  const announced = boots === null || link === null ? Promise.resolve() : announceBoots({
    boots,
    restarted: (previous) => link.relay.restarted(previous),
    signal: announcing.signal,
  });

  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  async function stop(): Promise<void> {
    // First nothing new comes in, then what the app has yet to answer reaches its browsers, and only then
    // are these sent away.
    commands.draining = true;
    if (link !== null) {
      logger.info("Shutting down: waiting for the app to take {count} events", {
        count: link.relay.counters.queued + link.relay.counters.inFlight,
      });
      await within(config.shutdown_timeout, link.relay.drain());
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
    tokens?.close();
    finish();
  }
  let stopping: Promise<void> | undefined;
  const shutdown = () => stopping ??= stop();

  return {
    url: `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${listener.port}`,
    hostname: config.host,
    port: listener.port,
    finished,
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
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

function tokensOf({ token }: Config): Promise<Tokens> | null {
  const { secret, jwks, algorithms, audience, issuer } = token;
  if (secret.length === 0 && jwks === undefined) return null;
  return createTokens({
    secrets: secret,
    ...(jwks !== undefined && { jwks }),
    ...(algorithms !== undefined && { algorithms }),
    ...(audience !== undefined && { audience }),
    ...(issuer !== undefined && { issuer }),
  });
}

function stateDir({ state_dir }: Config): string {
  return state_dir ?? defaultStateDir(Deno.env.toObject(), Deno.uid() === 0);
}

/** Waits for `promise`, but no longer than `ms`. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  await deadline(promise, ms).catch(() => {}); // late: what is left is given up by the caller
}

function listenProblem(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is taken; stop what listens there or choose another with --port";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "not permitted; ports below 1024 need a privilege, choose a higher one with --port";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address; choose another with --host";
  }
  return error instanceof Error ? error.message : String(error);
}
