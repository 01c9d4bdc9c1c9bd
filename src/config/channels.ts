/**
 * The channels' rules of a config as the hub takes them.
 *
 * @module
 */
import { isLoopbackHost } from "../web/loopback.ts";
import type { Config } from "./schema.ts";

/** One `[[channel]]`, with nothing left to be looked up. The hub's `PatternRule` has the same members. */
export interface ChannelSettings {
  readonly pattern: string;
  readonly authorize: Config["channel"][number]["authorize"];
  readonly clientsPublish: boolean;
  readonly history: { readonly size: number; readonly ttlMs: number } | null;
  readonly presence: { readonly names: number } | null;
  readonly slow: Config["channel"][number]["slow"];
  /** `Infinity` where there is no bound. */
  readonly maxSubscribers: number;
}

/** The rules, in the order in which they are tried. */
export function channelSettings({ channel }: Config): ChannelSettings[] {
  return channel.map((
    { pattern, authorize, publish, history, presence, slow, max_subscribers },
  ) => ({
    pattern,
    authorize,
    clientsPublish: publish === "clients",
    history: history === undefined ? null : { size: history.size, ttlMs: history.ttl },
    presence: presence ?? null,
    slow,
    maxSubscribers: max_subscribers ?? Infinity,
  }));
}

/** Whether a name that no rule fits is open: only to try Chloe out, without any rules and on this machine. */
export function isOpenWithoutRule({ channel, host }: Config): boolean {
  return channel.length === 0 && isLoopbackHost(host);
}
