import { legacySignature } from "../signing/legacy_signature.ts";
import type { Signer } from "../signing/standard_webhooks.ts";
import type { LaneItem } from "./lanes.ts";
import type { Answer } from "./post.ts";

/** Who an event is from. The relay raises `seq` by one for each event that it takes. */
export interface EventSource {
  /** The session's public id. */
  readonly id: string;
  readonly user: string | null;
  seq: number;
}

/** Counted for each event that waits, beside its data: what it costs to keep. */
const OVERHEAD_BYTES = 300;

/** What events are of. */
export type EventType =
  | "message"
  | "connect"
  | "subscribe"
  | "unsubscribe"
  | "disconnect"
  | "channel_occupied"
  | "channel_vacated"
  | "restarted";

/** What an event is made with. */
export interface EventOptions {
  readonly type: EventType;
  /**
   * What is wanted of the app: that it takes a message, once; that it answers a question, which may be asked
   * twice; or that it hears of something, for which nobody waits.
   */
  readonly aim: "message" | "question" | "told";
  readonly id: string;
  readonly atMs: number;
  readonly untilMs: number;
  readonly payload: string;
  readonly done: (answer: Answer | null) => void;
}

/** One event on its way to the app. */
export class RelayEvent implements LaneItem<RelayEvent> {
  /** The session's id, or what {@linkcode laneOf} gives. */
  readonly lane: string;
  readonly bytes: number;
  next: RelayEvent | null = null;
  /** How many attempts were begun. */
  attempts = 0;
  readonly type: EventType;
  readonly aim: EventOptions["aim"];
  readonly user: string | null;
  /** `null` where the event is from no session. */
  readonly seq: number | null;
  /** The same on each attempt: an app knows by it what it has already seen. */
  readonly id: string;
  /** When it was accepted. */
  readonly atMs: number;
  /** No attempt is begun after this time. */
  readonly untilMs: number;
  /** For `message` the data; for the others their own members, without braces. JSON text. */
  readonly payload: string;
  /** Called once, with the last answer, or with `null` where no attempt was made in time. */
  readonly done: (answer: Answer | null) => void;

  /** @param from The session, whose `seq` is raised, or the lane of an event that is from none. */
  constructor(from: EventSource | string, options: EventOptions) {
    if (typeof from === "string") {
      this.lane = from;
      this.user = null;
      this.seq = null;
    } else {
      this.lane = from.id;
      this.user = from.user;
      this.seq = ++from.seq;
    }
    this.type = options.type;
    this.aim = options.aim;
    this.id = options.id;
    this.atMs = options.atMs;
    this.untilMs = options.untilMs;
    this.payload = options.payload;
    this.bytes = eventBytes(options.payload);
    this.done = options.done;
  }
}

/** The lane of events that are from no session. No session's id has a slash in it. */
export function laneOf(kind: "channel" | "boot", name: string): string {
  return `${kind}/${name}`;
}

/** What an event with this payload counts for. */
export function eventBytes(payload: string): number {
  return payload.length + OVERHEAD_BYTES;
}

/** How an event becomes a request. */
export interface Format {
  body(event: RelayEvent): string;
  headers(event: RelayEvent, body: string, nowMs: number): Record<string, string>;
  /** Whether there are events other than messages, and whether the answer's body is looked at. */
  readonly isTyped: boolean;
}

/**
 * The format of today: a JSON object that says all, signed by the Standard Webhooks scheme.
 *
 * @param boot Tells this run of the server from others.
 * @param sign `null` where there is no secret to sign with.
 */
export function jsonFormat(boot: string, sign: Signer | null): Format {
  const bootMember = `,"boot":${JSON.stringify(boot)},"time":"`;
  return {
    isTyped: true,
    body({ type, lane, user, seq, atMs, payload }) {
      const when = `${bootMember}${new Date(atMs).toISOString()}"`;
      if (seq === null) return `{"type":"${type}",${payload}${when}}`;
      const head = `{"type":"${type}","session":${JSON.stringify(lane)},"user":${
        JSON.stringify(user)
      },"seq":${seq}${when}`;
      return type === "message" ? `${head},"data":${payload}}` : `${head},${payload}}`;
    },
    headers({ id }, body, nowMs) {
      const timestampS = Math.floor(nowMs / 1000);
      const headers: Record<string, string> = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(timestampS),
      };
      if (sign !== null) headers["webhook-signature"] = sign(id, timestampS, body);
      return headers;
    },
  };
}

/**
 * The format of 2011: the data itself, and nothing of where it came from.
 *
 * @param secret Signs the data; unsigned where there is none.
 */
export function legacyFormat(secret: string | undefined): Format {
  return {
    isTyped: false,
    body({ payload }) {
      // Data that is not text went out as its JSON text then, too.
      return payload.startsWith('"') ? JSON.parse(payload) : payload;
    },
    headers(_event, body) {
      const headers: Record<string, string> = { "content-type": "text/plain" };
      if (secret !== undefined) headers["x-chloe-signature"] = legacySignature(body, secret);
      return headers;
    },
  };
}
