/**
 * The transports on real sockets, over a hub whose time is the test's: for what would take a server half a
 * minute. It has no binary's counterpart, so these tests run in this process alone.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { createApp } from "../../src/http/app.ts";
import { Listener } from "../../src/http/listener.ts";
import type { CommandPace } from "../../src/hub/command_pace.ts";
import type { CommandContext, TokenVerifier, Uplink } from "../../src/hub/commands.ts";
import type { AddressLimit } from "../../src/transports/address_limit.ts";
import { type Admit, Gateway, type GatewaySettings } from "../../src/transports/gateway.ts";
import { legacyRoutes } from "../../src/transports/legacy/routes.ts";
import { transportRoutes } from "../../src/transports/routes.ts";
import { originPolicy } from "../../src/web/origins.ts";
import { HubRig, type RigOptions } from "./hub_rig.ts";
import type { Address } from "./server.ts";
import { eventually } from "./within.ts";

const RETRY_MS = 20;

/** What differs from the defaults. */
export interface GatewayRigOptions extends RigOptions {
  readonly admit?: Admit;
  readonly uplink?: Uplink;
  readonly tokens?: TokenVerifier;
  readonly tokenRequired?: boolean;
  readonly maxConnections?: number;
  readonly addressLimit?: AddressLimit;
  readonly pace?: CommandPace;
  /** Whose a request is said to be. Default: the peer's address. */
  addressOf?(request: Request): string;
}

/** The settings of a gateway that lets in pages of these origins, in the way of a server with a secret. */
export function settingsFor(...origins: readonly string[]): GatewaySettings {
  return { originPolicy: originPolicy({ origins, guarded: true }), maxConnections: 1000 };
}

/** A hub with its transports, listening. */
export class GatewayRig extends HubRig implements Address, AsyncDisposable {
  readonly hostname = "127.0.0.1";
  readonly port: number;
  readonly commands: CommandContext;
  readonly gateway: Gateway;
  readonly #listener: Listener;
  readonly #retries: Set<ReturnType<typeof setTimeout>>;

  constructor(
    { admit, uplink, tokens, tokenRequired, maxConnections = 1000, ...more }: GatewayRigOptions =
      {},
  ) {
    const { addressLimit = null, pace = null, addressOf, ...options } = more;
    const retries = new Set<ReturnType<typeof setTimeout>>();
    super({
      onTurnEnd: (flush) => void setImmediate(flush),
      onRetry(retry) {
        const timer = setTimeout(() => {
          retries.delete(timer);
          retry();
        }, RETRY_MS);
        retries.add(timer);
      },
      ...options,
    });
    this.#retries = retries;
    this.commands = {
      hub: this.hub,
      uplink: uplink ?? null,
      tokens: tokens ?? null,
      maxBytes: 65_536,
      messageBytes: 65_536,
      pace,
      draining: false,
    };
    this.gateway = new Gateway({
      hub: this.hub,
      commands: this.commands,
      originPolicy: originPolicy({ origins: [], guarded: false }),
      admit: admit ?? null,
      tokenRequired: tokenRequired ?? false,
      maxConnections,
      addressLimit,
    });
    const app = createApp([transportRoutes(this.gateway), legacyRoutes(this.gateway)]);
    this.#listener = new Listener({
      hostname: this.hostname,
      port: 0,
      handle: (request, remoteAddress) =>
        app.fetch(request, { remoteAddress: addressOf?.(request) ?? remoteAddress }),
    });
    this.port = this.#listener.port;
  }

  /** Waits until no socket, stream or poll is held any more. */
  async allGone(): Promise<void> {
    const { counters } = this.hub;
    await eventually(
      () => Promise.resolve(counters.connections === 0 || undefined),
      "the end of all connections",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub.endAll();
    await this.#listener.close();
    for (const timer of this.#retries) clearTimeout(timer);
  }
}
