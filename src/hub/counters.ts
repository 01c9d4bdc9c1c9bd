import type { ErrorCode } from "../protocol/codes.ts";
import { AddressCounts } from "./address_counts.ts";
import { Histogram } from "./histogram.ts";
import { LimitsHit } from "./limits_hit.ts";

/** Codes by which browsers close; what others say is their own, and would be any number of codes. */
const PEER_CODES = [1000, 1001, 1005, 1006];

/**
 * What the hub and its transports count, as plain numbers: read on demand, never reset. What is added here
 * needs a line in src/metrics/families.ts, too: a test says so.
 */
export class Counters {
  /** Sessions begun, brought back by resume, and ended, whatever the cause. */
  sessionsOpened = 0;
  sessionsResumed = 0;
  sessionsEnded = 0;
  /** Resumes that could not be: unknown, expired, let go. */
  resumesMissed = 0;
  /** Frames from browsers, and how many of them were answered with an error. */
  framesIn = 0;
  framesRefused = 0;
  readonly framesRefusedByCode: Partial<Record<ErrorCode, number>> = {};
  /** What browsers sent, in bytes: WebSocket messages and bodies, without what frames them. */
  bytesIn = 0;
  /** Messages published, and frames handed to transports because of them or of a command. */
  messagesPublished = 0;
  framesOut = 0;
  /** What these frames come to in bytes, without what frames them on their way. */
  bytesOut = 0;
  /**
   * Of each turn in which messages were published: from the first of them until the last session had been
   * handed what its transport took, in seconds; how many messages, and how many sessions.
   */
  readonly fanOutSeconds = new Histogram(FAN_OUT_SECONDS);
  readonly flushMessages = new Histogram(FLUSH_MESSAGES);
  readonly flushSessions = new Histogram(FLUSH_SESSIONS);
  /** Sessions ended because more waited for them than may. */
  slowReaders = 0;
  /** Messages dropped for slow readers, where the channel's rule says so: per reader. */
  messagesDropped = 0;
  /** Subscriptions refused, whatever the reason, and those that ended with their token. */
  subscriptionsRefused = 0;
  readonly subscriptionsRefusedByCode: Partial<Record<ErrorCode, number>> = {};
  grantsEnded = 0;
  /** Connections closed because their token had ended. */
  tokensEnded = 0;
  /** Positions that were recovered from, and those that could not be. */
  recoveries = 0;
  recoveriesMissed = 0;
  /** Exceptions caught at the edge of a socket or stream: each is a bug. */
  faults = 0;
  /** Requests refused because of their origin. */
  originsRefused = 0;
  /** Connections held now: sockets, streams, polls; those that do not close when they are told to included. */
  connections = 0;
  /** Sockets and streams that were told to close and did not yet: each still holds a file. */
  connectionsClosing = 0;
  /** Every refusal, drop and close because of a limit, by its reason. */
  readonly limitsHit = new LimitsHit();
  /** Closes by code. */
  readonly closes: Record<number, number> = {};
  /** WebSockets that their peers closed, by code. */
  readonly peerCloses: Record<string, number> = {};

  readonly #byAddress = new AddressCounts();

  /** A connection began. @param address Who it counts for; `""`: nobody. */
  enter(address: string): void {
    this.connections++;
    this.#byAddress.add(address);
  }

  /** A connection is over. @param address As it was when it began. */
  leave(address: string): void {
    this.connections--;
    this.#byAddress.remove(address);
  }

  /** How many connections an address holds now. */
  connectionsOf(address: string): number {
    return this.#byAddress.of(address);
  }

  countClose(code: number): void {
    this.closes[code] = (this.closes[code] ?? 0) + 1;
  }

  countPeerClose(code: number): void {
    const key = PEER_CODES.includes(code) ? String(code) : "other";
    this.peerCloses[key] = (this.peerCloses[key] ?? 0) + 1;
  }

  refuseFrame(code: ErrorCode): void {
    this.framesRefused++;
    this.framesRefusedByCode[code] = (this.framesRefusedByCode[code] ?? 0) + 1;
  }

  refuseSubscription(code: ErrorCode): void {
    this.subscriptionsRefused++;
    this.subscriptionsRefusedByCode[code] = (this.subscriptionsRefusedByCode[code] ?? 0) + 1;
  }
}

const FAN_OUT_SECONDS = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
];
const FLUSH_MESSAGES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const FLUSH_SESSIONS = [1, 10, 100, 1000, 10_000, 100_000];
