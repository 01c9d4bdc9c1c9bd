import { Histogram } from "../hub/histogram.ts";

/** How one request to the app can end: see {@linkcode RelayCounters.requests}. */
export const REQUEST_RESULTS = ["ok", "refused", "failed", "timeout", "unreachable"] as const;

/** One of these. */
export type RequestResult = typeof REQUEST_RESULTS[number];

/**
 * What the relay counts, as plain numbers: read on demand, never reset. What is added here needs a line in
 * src/metrics/families.ts, too: a test says so.
 */
export class RelayCounters {
  /** Events taken for the app. */
  accepted = 0;
  /** Of these: the app said yes, said no, or was not reached in time. The rest is under way. */
  answered = 0;
  refused = 0;
  givenUp = 0;
  /** Of those taken: what the app is only told, so that nobody waits for its answer. */
  told = 0;
  /** Events that were not taken because too many waited. */
  busy = 0;
  /** Attempts beyond an event's first. */
  retried = 0;
  /**
   * Requests by how they ended: a 2xx; an answer that is final; one that is worth another attempt (408, 429,
   * 5xx); none in time; or none at all.
   */
  readonly requests: Record<RequestResult, number> = {
    ok: 0,
    refused: 0,
    failed: 0,
    timeout: 0,
    unreachable: 0,
  };
  /** How long requests took, whatever came of them, in seconds. */
  readonly requestSeconds = new Histogram(REQUEST_SECONDS);
  /** Answers with a body that was too large, or broke off: a yes, but nothing more. */
  answersCut = 0;
  /** Answers and actions in them that could not be understood or done. */
  actionsBad = 0;
  /** Events that wait for their turn or for another attempt, and how many bytes they are. */
  queued = 0;
  queuedBytes = 0;
  /** Requests to the app that are under way. */
  inFlight = 0;
}

const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
