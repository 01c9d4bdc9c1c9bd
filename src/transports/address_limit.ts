import { addressKey, isLocalAddress } from "../web/address_key.ts";

/** How a limit for each address is set up. */
export interface AddressLimitOptions {
  /** Connections that one address may hold. */
  readonly max: number;
  /** Whether this machine's own address and those of private networks are limited as well. */
  readonly includesLocal: boolean;
}

/** How many connections each address may hold, and sessions, which outlive them. */
export class AddressLimit {
  readonly maxConnections: number;
  /** After many lost theirs at once there may be two for each. */
  readonly maxSessions: number;
  readonly #includesLocal: boolean;

  constructor({ max, includesLocal }: AddressLimitOptions) {
    this.maxConnections = max;
    this.maxSessions = max * 2;
    this.#includesLocal = includesLocal;
  }

  /** Who an address counts for; `""`: nobody. */
  keyOf(address: string): string {
    if (address === "" || !this.#includesLocal && isLocalAddress(address)) return "";
    return addressKey(address);
  }
}
