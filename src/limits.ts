/**
 * The limits that follow from the config and from the machine. docs/limits.md has all of them.
 *
 * @module
 */
import { getHeapStatistics } from "node:v8";
import type { Config } from "./config/schema.ts";
import { SendLimit } from "./http/send_limit.ts";
import { CommandPace } from "./hub/command_pace.ts";
import type { LimitsHit } from "./hub/limits_hit.ts";
import { AddressLimit } from "./transports/address_limit.ts";

/** Connections of one public address. */
const PER_ADDRESS = 500;

/** One address has at most this share of all connections, unless the config says otherwise. */
const ADDRESS_SHARE = 1 / 4;

/** Commands at once, at the least: as many as wait for the app of one session. */
const COMMANDS_AT_ONCE = 1000;

/** What may wait for all sessions together: so much, or this share of the heap where that is less. */
const QUEUED_BYTES = 512 * 1024 * 1024;
const QUEUED_SHARE = 1 / 4;

/** How many connections each address may hold; `null`: any number. */
export function addressLimit(
  { limits: { connections_per_address: max } }: Config,
  maxConnections: number,
): AddressLimit | null {
  if (max === 0) return null;
  if (max !== undefined) return new AddressLimit({ max, includesLocal: true });
  const share = Math.ceil(maxConnections * ADDRESS_SHARE);
  return new AddressLimit({ max: Math.min(PER_ADDRESS, share), includesLocal: false });
}

/** How fast each session may send; `null`: as fast as it likes. */
export function commandPace({ limits }: Config): CommandPace | null {
  const { commands_per_second: perSecond, commands_burst, subscriptions } = limits;
  if (perSecond === 0) return null;
  const burst = commands_burst ?? Math.max(COMMANDS_AT_ONCE, 2 * subscriptions);
  return new CommandPace({ perSecond, burst });
}

/** What may wait for all sessions together, in bytes. Texts are in V8's heap, at whose end the program ends. */
export function queuedBytes({ limits: { queued_bytes } }: Config): number {
  return queued_bytes ??
    Math.min(QUEUED_BYTES, getHeapStatistics().heap_size_limit * QUEUED_SHARE);
}

/** How often each key may be used for `/send`; `null`: as often as it likes. */
export function sendLimit(
  { limits: { send_per_second: perSecond } }: Config,
  hits: LimitsHit,
): SendLimit | null {
  return perSecond === undefined ? null : new SendLimit({ perSecond, hits });
}
