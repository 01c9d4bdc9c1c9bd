/**
 * What the rooms take of the config that can be put in force while they run: the same at the start as at a
 * reload.
 *
 * A key of the config is live where this, or the command line, hands it over, and its `live` in the schema
 * says so.
 *
 * @module
 */
import type { AppLinkSettings } from "./app_link.ts";
import { channelSettings, isOpenWithoutRule } from "./config/channels.ts";
import type { Config } from "./config/schema.ts";
import type { Credentials } from "./http/authentication.ts";
import type { HubSettings } from "./hub/hub_options.ts";
import type { CommandPace } from "./hub/command_pace.ts";
import { CLOSED_RULE, OPEN_RULE, ruleBook } from "./hub/rules.ts";
import { addressLimit, commandPace, queuedBytes } from "./limits.ts";
import { createTokens, type Tokens } from "./tokens/tokens.ts";
import type { GatewaySettings } from "./transports/gateway.ts";
import { originPolicy } from "./web/origins.ts";

/** Files kept for what is no browser's connection: the app, `/send`, logs. */
const SPARE_FILES = 500;

/** A config as the rooms have it. */
export interface Live {
  readonly config: Config;
  readonly hub: HubSettings;
  readonly gateway: GatewaySettings;
  readonly credentials: Credentials;
  /** How fast each session may send; `null`: as fast as it likes. */
  readonly pace: CommandPace | null;
  /** `null` where no app is configured. */
  readonly app: AppLinkSettings | null;
  /** `null` where no keys are configured. */
  readonly tokens: Tokens | null;
}

/** What it is made with beside the config. */
export interface LiveOptions {
  /** The limit of open files. */
  readonly files: number;
  /** Sign events where the config has no secret. */
  readonly appSecrets: readonly string[];
  /** What is in force now, where something is: what has not changed of it is the same object. */
  readonly before?: Live;
}

/**
 * Makes all that may fail to be made: to put it in force cannot fail then.
 *
 * @throws Error that says what to do.
 */
export async function makeLive(config: Config, options: LiveOptions): Promise<Live> {
  const { files, appSecrets, before } = options;
  const { limits, session, legacy, app } = config;
  const maxConnections = limits.connections ?? Math.max(files - SPARE_FILES, 100);
  const isSame = (part: (config: Config) => unknown) =>
    before !== undefined && JSON.stringify(part(before.config)) === JSON.stringify(part(config));
  const mayEnter = ({ origins, secret, api_keys }: Config) => ({
    origins,
    guarded: secret.length > 0 || api_keys.length > 0,
  });
  return {
    config,
    hub: {
      bounds: {
        unwrittenBytes: limits.unwritten_bytes,
        unacknowledgedBytes: limits.unacknowledged_bytes,
        graceMs: session.grace,
        pingMs: session.ping,
      },
      rules: isSame(({ channel, host }) => [channel, host]) ? before!.hub.rules : ruleBook(
        channelSettings(config),
        isOpenWithoutRule(config) ? OPEN_RULE : CLOSED_RULE,
      ),
      historyBytes: config.history.max_bytes,
      queuedBytes: queuedBytes(config),
      banMs: limits.ban,
      maxSubscriptions: limits.subscriptions,
      // Sessions outlive their connections for a while: after a mass reconnect there may be two for each.
      maxSessions: maxConnections * 2,
    },
    gateway: {
      originPolicy: isSame(mayEnter)
        ? before!.gateway.originPolicy
        : originPolicy(mayEnter(config)),
      tokenRequired: config.token.required,
      maxConnections,
      addressLimit: addressLimit(config, maxConnections),
    },
    pace: commandPace(config),
    credentials: {
      secrets: config.secret,
      apiKeys: config.api_keys,
      ...(legacy.secret !== undefined && { legacy: { secret: legacy.secret, from: legacy.from } }),
    },
    app: app.url === undefined ? null : {
      url: app.url,
      timeoutMs: app.timeout,
      retryForMs: app.retry_for,
      secrets: config.secret.length > 0 ? config.secret : appSecrets,
      legacySecret: legacy.secret,
      maxReplyBytes: limits.message_bytes,
      forwardHeaders: app.forward_headers,
    },
    tokens: isSame(tokenKeys) ? before!.tokens : await makeTokens(config, before),
  };
}

function tokenKeys({ token: { required: _required, ...keys } }: Config) {
  return keys;
}

function makeTokens({ token }: Config, before: Live | undefined): Promise<Tokens> | null {
  const { secret, jwks, algorithms, audience, issuer } = token;
  if (secret.length === 0 && jwks === undefined) return null;
  return createTokens({
    secrets: secret,
    ...(jwks !== undefined && { jwks }),
    ...(algorithms !== undefined && { algorithms }),
    ...(audience !== undefined && { audience }),
    ...(issuer !== undefined && { issuer }),
    ...(before !== undefined && { inPlaceOf: before.tokens }),
  });
}
