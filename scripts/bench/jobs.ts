/**
 * What the load process is asked to do, and what it finds.
 *
 * @module
 */
import type { Target, Transport } from "./targets.ts";

/** Subscribers of one channel, and messages to it at a steady rate whatever becomes of them. */
export interface FanOutJob {
  readonly kind: "fan-out";
  readonly target: Target;
  readonly transport: Transport;
  readonly subscribers: number;
  /** The channels that each subscriber is in; messages go to the first. */
  readonly channels: readonly string[];
  readonly withToken: boolean;
  /** Bytes of a message's text; at least 13, for the time it is sent. */
  readonly payload: number;
  /** Messages a second; 0 for none. */
  readonly rate: number;
  readonly seconds: number;
  /** Whether it is about the figures' existence more than about what they are. */
  readonly isQuick: boolean;
  /** How long the connections are held with nothing said, to see what that costs. */
  readonly idleSeconds?: number;
  /** Which share of the readers stops to read. */
  readonly stalled?: number;
  /** How many connect, subscribe and leave each second meanwhile. */
  readonly churn?: number;
  /** Connections that publish as fast as they are answered, meanwhile, to a channel with ten other readers. */
  readonly flood?: number;
  /** A client that comes each second and sends a frame of so many MiB, meanwhile. */
  readonly hugeMiB?: number;
  /** Whether the load looks for what arrived without a pause, as one has to that is to flood with requests. */
  readonly isAwake?: boolean;
  /** Sessions that send commands as fast as they can, meanwhile. */
  readonly commanders?: number;
  /** After how many milliseconds those of them come again that are closed; default: 2,000, as they are told. */
  readonly commandersBackMs?: number;
  /** How many more try to connect when all are in. */
  readonly beyond?: number;
}

/** Requests to publish to a channel with one subscriber, each connection's next when the last was answered. */
export interface PublishJob {
  readonly kind: "publish";
  readonly target: Target;
  readonly connections: number;
  /** The path of wrk, where that is to publish in place of the load itself. */
  readonly wrk?: string;
  readonly payload: number;
  readonly seconds: number;
  /** Whether it is about the figures' existence more than about what they are. */
  readonly isQuick: boolean;
}

/** Messages from browsers to the app, each session's next when the last was answered. */
export interface RelayJob {
  readonly kind: "relay";
  readonly target: Target;
  readonly sessions: number;
  readonly payload: number;
  readonly seconds: number;
  /** Whether it is about the figures' existence more than about what they are. */
  readonly isQuick: boolean;
}

/** Any of them. */
export type Job = FanOutJob | PublishJob | RelayJob;

/** What was found; a member that does not apply is absent. */
export interface Figures {
  /** How many were connected and subscribed when the messages began. */
  readonly connections: number;
  /** Microseconds of the server's CPU to connect and subscribe one. */
  readonly connectCpuUs?: number;
  /** What the server's memory grew by for each, in KB. */
  readonly kbPerConnection?: number;
  /** Percent of a core, all connected and nothing said. */
  readonly idleCpuPercent?: number;
  /** Messages that should have come, and that did. */
  readonly expected?: number;
  readonly delivered?: number;
  readonly perSecond?: number;
  /** The server's CPU for one, and the load's own, in microseconds. */
  readonly cpuUs?: number;
  readonly loadCpuUs?: number;
  /** How long they took, in milliseconds. */
  readonly p50?: number;
  readonly p99?: number;
  readonly max?: number;
  /** Shares of a core that were used while measuring, of 1 at most where each has one. */
  readonly serverShare?: number;
  readonly loadShare?: number;
  /** And by what has nothing to do with it: the noise. */
  readonly othersShare?: number;
  /** The most memory that the server had while measuring, in MB. */
  readonly rssMb?: number;
  /** How late the load was at most with what was due, in milliseconds. */
  readonly lateMs?: number;
  /** Requests that were refused. */
  readonly failed?: number;
  /** Connections that ended before they were told to. */
  readonly ended?: number;
  /** How the server closed them: a close code or status, and how often. */
  readonly closes?: Readonly<Record<string, number>>;
  /** How many came and went meanwhile. */
  readonly churned?: number;
  /** What a flooding publisher got through, in requests a second. */
  readonly flooded?: number;
  /** Huge frames that were sent. */
  readonly hugeFrames?: number;
  /** Commands that flooding sessions sent, a second. */
  readonly commanded?: number;
  /** Of those beyond, how many were let in. */
  readonly beyondIn?: number;
}

/** Which side could do no more: that whose core was full. */
export function limitOf({ serverShare = 0, loadShare = 0 }: Figures): string {
  const full = [...serverShare > 0.9 ? ["server"] : [], ...loadShare > 0.9 ? ["load"] : []];
  return full.length === 0 ? "-" : full.join(" and ");
}
