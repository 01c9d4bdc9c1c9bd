/**
 * Every metric of `GET /metrics`: a line each. What is counted anew needs a line here, and one in
 * docs/metrics.md; tests say which is missing.
 *
 * @module
 */
import { AUTH_REASONS } from "../http/authentication.ts";
import type { Histogram } from "../hub/histogram.ts";
import { CLOSES } from "../protocol/codes.ts";
import type { SessionCount, Stats } from "./stats.ts";

/** A value, and what it is of. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** A metric of which there may be several values, told apart by their labels. */
export interface Plain {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(stats: Stats): readonly Sample[];
}

/** A metric that tells how values are spread. */
export interface Spread {
  readonly type: "histogram";
  readonly name: string;
  readonly help: string;
  /** `null` where nothing counts them. */
  read(stats: Stats): Histogram | null;
}

/** A metric. */
export type Family = Plain | Spread;

type Counts = Readonly<Partial<Record<string, number>>>;

/** One number; `null`: nobody knows it. */
function one(
  type: Plain["type"],
  name: string,
  help: string,
  read: (stats: Stats) => number | null,
): Plain {
  const samples = (value: number | null): Sample[] => value === null ? [] : [[{}, value]];
  return { type, name, help, labels: [], read: (stats) => samples(read(stats)) };
}

function counter(name: string, help: string, read: (stats: Stats) => number): Plain {
  return one("counter", name, help, read);
}

function gauge(name: string, help: string, read: (stats: Stats) => number | null): Plain {
  return one("gauge", name, help, read);
}

/**
 * Counts by one label. Those of `known` are there from the start: only then does Prometheus see their first
 * increase.
 */
function counters(
  [name, label]: readonly [name: string, label: string],
  help: string,
  known: readonly (string | number)[],
  read: (stats: Stats) => Counts | undefined,
): Plain {
  return {
    ...{ type: "counter", name, help, labels: [label] },
    read(stats) {
      const counts: Record<string, number> = {};
      for (const key of known) counts[key] = 0;
      for (const [key, count = 0] of Object.entries(read(stats) ?? {})) counts[key] = count;
      return Object.entries(counts).map(([key, count]) => [{ [label]: key }, count]);
    },
  };
}

function histogram(
  name: string,
  help: string,
  read: (stats: Stats) => Histogram | null,
): Spread {
  return { type: "histogram", name, help, read };
}

/** What stands in one label each, and is 1. */
function info(
  name: string,
  help: string,
  read: (stats: Stats) => Readonly<Record<string, string>>,
  ...labels: readonly string[]
): Plain {
  return { type: "gauge", name, help, labels, read: (stats) => [[read(stats), 1]] };
}

const FRAME_CODES = ["too_large", "busy", "forbidden", "bad_frame", "app_unreachable"];
const SUBSCRIPTION_CODES = ["forbidden", "channel_full", "too_many_subscriptions", "bad_token"];
const SEND_STATUSES = [200, 400, 401, 408, 409, 413, 415, 429, 503];
const API_STATUSES = [200, 400, 401, 404, 409, 429, 503];

/** What there always is of sessions, be it 0. */
const KINDS: readonly SessionCount[] = [
  ["websocket", "2"],
  ["events", "2"],
  ["poll", "2"],
  ["none", "2"],
  ["eventsource", "plain"],
  ["legacy-websocket", "1"],
  ["legacy-xhr", "1"],
  ["legacy-jsonp", "1"],
  ["none", "1"],
].map(([transport, protocol]) => ({ transport: transport!, protocol: protocol!, count: 0 }));

/** Every metric, in the order in which they are shown. */
export const FAMILIES: readonly Family[] = [
  // Sessions and connections
  {
    type: "gauge",
    name: "chloe_sessions",
    help:
      "Sessions, by the transport that they have now (none: between two polls, or away) and their protocol",
    labels: ["transport", "protocol"],
    read(stats) {
      const { byTransport } = stats.sessionTotals;
      const missing = KINDS.filter(({ transport, protocol }) => {
        return !byTransport.some((each) =>
          each.transport === transport && each.protocol === protocol
        );
      });
      return [...byTransport, ...missing].map(({ transport, protocol, count }) => {
        return [{ transport, protocol }, count];
      });
    },
  },
  counter("chloe_sessions_opened_total", "Sessions begun", (s) => s.hub.sessionsOpened),
  counter("chloe_sessions_resumed_total", "Sessions that came back", (s) => s.hub.sessionsResumed),
  counter("chloe_sessions_ended_total", "Sessions that are over", (s) => s.hub.sessionsEnded),
  counter(
    "chloe_resumes_missed_total",
    "Sessions that could not come back: unknown, or too old",
    (s) => s.hub.resumesMissed,
  ),
  gauge(
    "chloe_connections",
    "Sockets, streams and polls held now, with those that do not close",
    (s) => s.hub.connections,
  ),
  gauge(
    "chloe_connections_limit",
    "The most connections that may be at once",
    (s) => s.limits.connections,
  ),
  gauge(
    "chloe_connections_closing",
    "Connections told to close that did not yet, each of which holds a file",
    (s) => s.hub.connectionsClosing,
  ),
  counters(
    ["chloe_closes_total", "code"],
    "Connections that Chloe closed, by close code",
    Object.values(CLOSES).map(({ code }) => code),
    (s) => s.hub.closes,
  ),
  counters(
    ["chloe_peer_closes_total", "code"],
    "WebSockets that their browsers closed, by close code (1006: without a word)",
    [1000, 1001, 1005, 1006, "other"],
    (s) => s.hub.peerCloses,
  ),
  counter("chloe_faults_total", "Exceptions caught: each is a bug", (s) => s.hub.faults),

  // Channels
  gauge("chloe_channels", "Channels with somebody in them", (s) => s.channels),
  gauge(
    "chloe_subscriptions",
    "Subscriptions of all sessions",
    (s) => s.sessionTotals.subscriptions,
  ),
  counters(
    ["chloe_subscriptions_refused_total", "code"],
    "Subscriptions refused, by error code",
    SUBSCRIPTION_CODES,
    (s) => s.hub.subscriptionsRefusedByCode,
  ),
  counter(
    "chloe_subscriptions_expired_total",
    "Subscriptions that ended with their token",
    (s) => s.hub.grantsEnded,
  ),

  // Messages
  counter(
    "chloe_published_messages_total",
    "Messages published, by the app and by browsers",
    (s) => s.hub.messagesPublished,
  ),
  counter("chloe_received_frames_total", "Frames from browsers", (s) => s.hub.framesIn),
  counter("chloe_received_bytes_total", "Bytes from browsers", (s) => s.hub.bytesIn),
  counters(
    ["chloe_refused_frames_total", "code"],
    "Frames from browsers that were answered with an error, by its code",
    FRAME_CODES,
    (s) => s.hub.framesRefusedByCode,
  ),
  counter(
    "chloe_sent_frames_total",
    "Frames handed to transports: messages, and answers to commands",
    (s) => s.hub.framesOut,
  ),
  counter(
    "chloe_sent_bytes_total",
    "Bytes of the frames handed to transports",
    (s) => s.hub.bytesOut,
  ),
  counter(
    "chloe_dropped_messages_total",
    "Messages dropped for readers that were behind, per reader",
    (s) => s.hub.messagesDropped,
  ),

  // Fan-out
  histogram(
    "chloe_fan_out_duration_seconds",
    "Per turn: from the first message published to the last session served",
    (s) => s.hub.fanOutSeconds,
  ),
  histogram("chloe_flush_messages", "Messages per turn that had any", (s) => s.hub.flushMessages),
  histogram(
    "chloe_flush_sessions",
    "Sessions that had something to take, per turn that had a message",
    (s) => s.hub.flushSessions,
  ),
  {
    type: "gauge",
    name: "chloe_queued_bytes",
    help:
      "What is kept for sessions: not handed to a transport, or not acknowledged by the browser",
    labels: ["state"],
    read: ({ sessionTotals }) => [
      [{ state: "unwritten" }, sessionTotals.unwrittenBytes],
      [{ state: "unacknowledged" }, sessionTotals.unacknowledgedBytes],
    ],
  },
  gauge(
    "chloe_sessions_blocked",
    "Sessions whose transport takes no more now",
    (s) => s.sessionTotals.blocked,
  ),
  counter(
    "chloe_slow_readers_total",
    "Sessions ended because too much waited for them",
    (s) => s.hub.slowReaders,
  ),

  // Limits: a line each, by the limit's name
  {
    type: "counter",
    name: "chloe_limits_hit_total",
    help: "How often a bound was reached",
    labels: ["limit"],
    read: (s) => [
      ...Object.entries(s.hub.limitsHit).map(([limit, count]): Sample => [
        { limit: limit.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) },
        count,
      ]),
      [{ limit: "history_max_bytes" }, s.history.dropped],
      [{ limit: "relay_queue" }, s.relay?.busy ?? 0],
    ],
  },

  // History
  gauge("chloe_history_channels", "Channels with history", (s) => s.history.channels),
  gauge("chloe_history_bytes", "Bytes that all histories count for", (s) => s.history.bytes),
  counter(
    "chloe_history_dropped_messages_total",
    "Messages that histories dropped because of the bound of all, before their time",
    (s) => s.history.dropped,
  ),
  {
    type: "counter",
    name: "chloe_recoveries_total",
    help: "Positions that subscribers came back to, by whether all that came since was there",
    labels: ["result"],
    read: ({ hub }) => [
      [{ result: "recovered" }, hub.recoveries],
      [{ result: "missed" }, hub.recoveriesMissed],
    ],
  },

  // The app
  counter(
    "chloe_relay_events_accepted_total",
    "Events taken for the app",
    (s) => s.relay?.accepted ?? 0,
  ),
  counter(
    "chloe_relay_events_told_total",
    "Events of which the app is only told: nobody waits for its answer",
    (s) => s.relay?.told ?? 0,
  ),
  {
    type: "counter",
    name: "chloe_relay_events_total",
    help: "Events for the app that are done with, by what became of them",
    labels: ["result"],
    read: ({ relay }) => [
      [{ result: "answered" }, relay?.answered ?? 0],
      [{ result: "refused" }, relay?.refused ?? 0],
      [{ result: "given_up" }, relay?.givenUp ?? 0],
    ],
  },
  counters(
    ["chloe_relay_requests_total", "result"],
    "Requests to the app, by how they ended",
    ["ok", "refused", "failed", "timeout", "unreachable"],
    (s) => s.relay?.requests,
  ),
  histogram(
    "chloe_relay_request_duration_seconds",
    "How long requests to the app took, whatever came of them",
    (s) => s.relay?.requestSeconds ?? null,
  ),
  counter(
    "chloe_relay_retries_total",
    "Requests to the app that were not their event's first",
    (s) => s.relay?.retried ?? 0,
  ),
  gauge("chloe_relay_queued_events", "Events that wait for the app", (s) => s.relay?.queued ?? 0),
  gauge(
    "chloe_relay_queued_bytes",
    "Bytes that the events count for that wait for the app or are under way",
    (s) => s.relay?.queuedBytes ?? 0,
  ),
  gauge(
    "chloe_relay_requests_in_flight",
    "Requests to the app that are under way",
    (s) => s.relay?.inFlight ?? 0,
  ),
  counter(
    "chloe_relay_answers_cut_total",
    "Answers of the app whose body was too large, or broke off",
    (s) => s.relay?.answersCut ?? 0,
  ),
  counter(
    "chloe_relay_bad_actions_total",
    "What the app's answers asked for and could not be done",
    (s) => s.relay?.actionsBad ?? 0,
  ),
  counters(
    ["chloe_send_requests_total", "status"],
    "Requests to /send, by the status of their answer",
    SEND_STATUSES,
    ({ send }) => ({ ...send.refused, 200: send.ok }),
  ),
  counter(
    "chloe_send_messages_total",
    "Messages sent by /send, with repeats",
    (s) => s.send.messages,
  ),
  counters(
    ["chloe_api_requests_total", "status"],
    "Requests to /api, by the status of their answer",
    API_STATUSES,
    ({ api }) => ({ ...api.refused, 200: api.ok }),
  ),
  gauge("chloe_api_watchers", "Who watches a channel by /api", (s) => s.api.watchers),

  // Who is let in
  counters(
    ["chloe_auth_failures_total", "reason"],
    "Requests to /send, /api and /metrics that were not let in, by reason",
    AUTH_REASONS,
    (s) => s.auth.refused,
  ),
  counter("chloe_tokens_verified_total", "Tokens found good", (s) => s.tokens?.verified ?? 0),
  counters(
    ["chloe_tokens_refused_total", "code"],
    "Tokens refused, by error code",
    ["bad_token", "token_expired", "app_unreachable"],
    (s) => s.tokens?.refused,
  ),
  counter(
    "chloe_tokens_ended_total",
    "Connections closed because their token had ended",
    (s) => s.hub.tokensEnded,
  ),
  counter(
    "chloe_origins_refused_total",
    "Requests refused because of their origin",
    (s) => s.hub.originsRefused,
  ),

  {
    type: "counter",
    name: "chloe_proxy_headers_ignored_total",
    help: "What trusted proxies said and was not believed, by reason",
    labels: ["reason"],
    read: ({ proxies }) => [
      [{ reason: "malformed" }, proxies.malformed],
      [{ reason: "contradictory" }, proxies.contradictory],
    ],
  },

  // The process
  histogram(
    "chloe_event_loop_lag_seconds",
    "How late the event loop runs what is due: ten samples a second",
    (s) => s.eventLoop.lagSeconds,
  ),
  gauge(
    "chloe_event_loop_worst_lag_seconds",
    "The longest lag of the last half to whole minute",
    (s) => s.eventLoop.worstLagSeconds,
  ),
  gauge(
    "chloe_process_resident_memory_bytes",
    "Memory that the process has",
    (s) => s.process.residentBytes,
  ),
  gauge("chloe_process_heap_bytes", "What the JavaScript heap takes", (s) => s.process.heapBytes),
  gauge(
    "chloe_process_heap_used_bytes",
    "What of the JavaScript heap is used",
    (s) => s.process.heapUsedBytes,
  ),
  gauge(
    "chloe_process_external_bytes",
    "Memory outside of the JavaScript heap that is bound to it, such as buffers",
    (s) => s.process.externalBytes,
  ),
  counter(
    "chloe_process_cpu_seconds_total",
    "CPU time, of all threads",
    (s) => s.process.cpuSeconds,
  ),
  gauge("chloe_process_open_fds", "Open files (Linux)", (s) => s.process.openFiles),
  gauge("chloe_process_max_fds", "The limit of open files", (s) => s.process.maxFiles),
  gauge(
    "chloe_process_start_time_seconds",
    "When Chloe started, in seconds since 1970",
    (s) => s.server.startedAtSeconds,
  ),
  info(
    "chloe_build_info",
    "Which Chloe this is, on which Deno",
    ({ server: { version, deno } }) => ({ version, deno }),
    "version",
    "deno",
  ),
  info(
    "chloe_boot_info",
    "Which run of the server this is, as events name it",
    ({ server: { boot } }) => ({ boot }),
    "boot",
  ),
];
