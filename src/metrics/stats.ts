/**
 * All that a server counts, read in one place: what `GET /api/stats` tells as it is, and `GET /metrics` by the
 * table in families.ts.
 *
 * @module
 */
import process from "node:process";
import type { ApiCounters } from "../http/api/counters.ts";
import type { AuthCounters } from "../http/authentication.ts";
import type { ProxyCounters } from "../http/proxies.ts";
import type { SendCounters } from "../http/send.ts";
import type { Counters } from "../hub/counters.ts";
import type { Histogram } from "../hub/histogram.ts";
import type { Hub } from "../hub/hub.ts";
import type { RelayCounters } from "../relay/counters.ts";
import type { TokenCounters } from "../tokens/tokens.ts";
import type { EventLoopLag } from "./event_loop.ts";
import type { OpenFiles } from "./open_files.ts";

/** How many sessions are alike. */
export interface SessionCount {
  /** The kind of their transport; `none` between two polls, and while their browser is away. */
  readonly transport: string;
  readonly protocol: string;
  readonly count: number;
}

/** What all sessions come to. */
export interface SessionTotals {
  readonly byTransport: readonly SessionCount[];
  readonly subscriptions: number;
  /** Those whose transport takes no more at the moment. */
  readonly blocked: number;
  /** What waits for their transports, and what their browsers have not acknowledged, in bytes. */
  readonly unwrittenBytes: number;
  readonly unacknowledgedBytes: number;
}

/** What a server counts: plain numbers, none of which is ever reset. */
export interface Stats {
  readonly server: {
    readonly version: string;
    readonly deno: string;
    /** Tells this run from others. */
    readonly boot: string;
    /** The time of day in seconds since 1970. */
    readonly startedAtSeconds: number;
    readonly uptimeSeconds: number;
  };
  readonly sessions: number;
  /** Channels with somebody in them. */
  readonly channels: number;
  readonly sessionTotals: SessionTotals;
  readonly limits: { readonly connections: number };
  readonly hub: Counters;
  readonly history: {
    readonly channels: number;
    readonly bytes: number;
    readonly dropped: number;
  };
  readonly tokens: TokenCounters | null;
  readonly relay: Readonly<RelayCounters> | null;
  readonly send: SendCounters;
  readonly api: ApiCounters;
  readonly auth: AuthCounters;
  readonly proxies: ProxyCounters;
  readonly eventLoop: {
    readonly lagSeconds: Histogram;
    /** The longest of the last half to whole minute. */
    readonly worstLagSeconds: number;
  };
  readonly process: {
    readonly residentBytes: number;
    readonly heapBytes: number;
    readonly heapUsedBytes: number;
    readonly externalBytes: number;
    readonly cpuSeconds: number;
    /** `null` where nobody can tell. */
    readonly openFiles: number | null;
    readonly maxFiles: number;
  };
}

/** Where that is read. */
export interface StatsSources {
  readonly hub: Hub;
  /** What a reload may change: who checks tokens, and the connections that may be at once. */
  live(): {
    readonly tokens: { readonly counters: TokenCounters } | null;
    readonly maxConnections: number;
  };
  readonly relay: { readonly counters: Readonly<RelayCounters> } | null;
  readonly send: SendCounters;
  readonly api: ApiCounters;
  readonly auth: AuthCounters;
  readonly proxies: ProxyCounters;
  readonly eventLoop: EventLoopLag;
  readonly openFiles: OpenFiles;
  /** The limit of open files. */
  readonly maxFiles: number;
  readonly version: string;
  readonly boot: string;
}

/** Makes what reads them. It may be called as often as one likes; it takes a moment per 1000 sessions. */
export function statsReader(sources: StatsSources): () => Promise<Stats> {
  const { hub, relay, send, api, auth, proxies, eventLoop, version, boot } = sources;
  const startedAt = hub.now();
  const startedAtSeconds = hub.timeOfDayAt(startedAt) / 1000;
  return async function readStats() {
    const openFiles = await sources.openFiles.count();
    const { tokens, maxConnections } = sources.live();
    const memory = Deno.memoryUsage();
    const { user, system } = process.cpuUsage();
    return {
      server: {
        version,
        deno: Deno.version.deno,
        boot,
        startedAtSeconds,
        uptimeSeconds: (hub.now() - startedAt) / 1000,
      },
      sessions: hub.sessions.size - api.watchers,
      channels: hub.occupied,
      sessionTotals: sessionTotals(hub),
      limits: { connections: maxConnections },
      hub: hub.counters,
      history: {
        channels: hub.histories.size,
        bytes: hub.histories.bytes,
        dropped: hub.histories.dropped,
      },
      tokens: tokens?.counters ?? null,
      relay: relay?.counters ?? null,
      send,
      api,
      auth,
      proxies,
      eventLoop: { lagSeconds: eventLoop.seconds, worstLagSeconds: eventLoop.worstSeconds },
      process: {
        residentBytes: memory.rss,
        heapBytes: memory.heapTotal,
        heapUsedBytes: memory.heapUsed,
        externalBytes: memory.external,
        cpuSeconds: (user + system) / 1e6,
        openFiles,
        maxFiles: sources.maxFiles,
      },
    };
  };
}

/** Looks at every session: a count that went along would cost on each message what this costs on a scrape. */
function sessionTotals(hub: Hub): SessionTotals {
  const kinds = new Map<string, Map<string, number>>();
  let subscriptions = 0;
  let blocked = 0;
  let unwrittenBytes = 0;
  let unacknowledgedBytes = 0;
  for (const session of hub.sessions.values()) {
    if (session.isWatcher) continue;
    const transport = session.transport?.kind ?? "none";
    const { name } = session.codec;
    let byProtocol = kinds.get(transport);
    if (byProtocol === undefined) kinds.set(transport, byProtocol = new Map());
    byProtocol.set(name, (byProtocol.get(name) ?? 0) + 1);
    subscriptions += session.groups.size;
    if (session.blocked) blocked++;
    unwrittenBytes += session.outbox.unwrittenBytes;
    unacknowledgedBytes += session.outbox.unacknowledgedBytes;
  }
  const byTransport = [...kinds].flatMap(([transport, byProtocol]) =>
    [...byProtocol].map(([protocol, count]) => ({ transport, protocol, count }))
  );
  return { byTransport, subscriptions, blocked, unwrittenBytes, unacknowledgedBytes };
}
