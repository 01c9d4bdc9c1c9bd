import { getLogger } from "@logtape/logtape";
import { type Close, CLOSES, ERRORS, ProtocolError } from "../protocol/codes.ts";
import type { Hub } from "../hub/hub.ts";
import { errorResponse } from "../web/errors.ts";
import type { AddressLimit } from "./address_limit.ts";

const logger = getLogger(["chloe", "transports"]);

const BANNED = "Your address has just sent far more than anybody may: wait, and send less at once";

/** The log says at most this often that an address has as many connections as it may. */
const WARN_EVERY_MS = 60_000;

type Cors = Readonly<Record<string, string>>;

/** What of a room can be changed. */
export interface RoomSettings {
  /** Sockets, streams and polls that may be held at once. */
  readonly maxConnections: number;
  /** And by each address. Default: as many as may be. */
  readonly addressLimit?: AddressLimit | null;
}

/** Who wants in. */
export interface Comer {
  readonly address: string;
  /** Who it counts for, where there is a limit for each address; `""`: nobody. */
  readonly addressKey: string;
}

/** Whether there is room for another connection or session: in all, and of one address. */
export class Room {
  readonly #hub: Hub;
  #settings: RoomSettings;
  #warnedAt = -Infinity;

  constructor(hub: Hub, settings: RoomSettings) {
    this.#hub = hub;
    this.#settings = settings;
  }

  /** Puts other bounds in force. Who is in stays in. */
  configure(settings: RoomSettings): void {
    this.#settings = settings;
  }

  /** Who an address counts for; `""`: nobody. */
  keyOf(address: string): string {
    return this.#settings.addressLimit?.keyOf(address) ?? "";
  }

  /** Why no further connection can be held now, or `null`. */
  noConnection(cors: Cors, { address, addressKey }: Comer): Response | null {
    const { counters } = this.#hub;
    const { maxConnections, addressLimit = null } = this.#settings;
    if (counters.connections >= maxConnections) {
      counters.limitsHit.connections++;
      return errorResponse(503, "full", ERRORS.full.message, { ...cors, "retry-after": "5" });
    }
    if (addressLimit === null || addressKey === "") return null;
    if (counters.connectionsOf(addressKey) < addressLimit.maxConnections) return null;
    counters.limitsHit.connectionsPerAddress++;
    this.#warnOf(address);
    return errorResponse(429, "too_many_connections", ERRORS.too_many_connections.message, {
      ...cors,
      "retry-after": "5",
    });
  }

  /** Why no socket can be opened now of which nobody knows yet whose it is, or `null`. */
  noSocket(cors: Cors, comer: Comer): Response | null {
    const leftMs = this.#banLeftMs(comer);
    if (leftMs === 0) return null;
    return errorResponse(429, "too_fast", BANNED, {
      ...cors,
      "retry-after": String(Math.ceil(leftMs / 1000)),
    });
  }

  /**
   * Why no further session can begin now, or `null`. Those that are there may still come back.
   *
   * @param onlyReads Nothing can come from its browser: no ban holds for it. To a plain `EventSource`, which does
   * not ask again where it was refused, it would be for good.
   */
  noSession(comer: Comer, { onlyReads = false } = {}): ProtocolError | null {
    const { full, sessionsByAddress, counters: { limitsHit } } = this.#hub;
    if (full) {
      limitsHit.sessions++;
      return new ProtocolError("full", CLOSES.full);
    }
    const leftMs = onlyReads ? 0 : this.#banLeftMs(comer);
    if (leftMs > 0) {
      return new ProtocolError("too_fast", CLOSES.tooFast, BANNED, Math.ceil(leftMs / 1000));
    }
    const { addressLimit = null } = this.#settings;
    if (addressLimit === null || comer.addressKey === "") return null;
    if (sessionsByAddress.of(comer.addressKey) < addressLimit.maxSessions) return null;
    limitsHit.sessionsPerAddress++;
    this.#warnOf(comer.address);
    return new ProtocolError("too_many_connections", CLOSES.full);
  }

  /** A session ended because of what came from there. */
  noteEnd({ addressKey }: Comer, close: Close): void {
    if (close === CLOSES.tooFast) this.#hub.bans.add(addressKey, this.#hub.now());
  }

  #banLeftMs({ addressKey }: Comer): number {
    const { bans, counters } = this.#hub;
    const leftMs = bans.leftMs(addressKey, this.#hub.now());
    if (leftMs > 0) counters.limitsHit.banned++;
    return leftMs;
  }

  #warnOf(address: string): void {
    const now = this.#hub.now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = now;
    logger.warn(
      "Refused a connection from {address}: it has as many as limits.connections_per_address lets " +
        "it have. Where that is a proxy, have Chloe trust it, or raise the limit",
      { address },
    );
  }
}
