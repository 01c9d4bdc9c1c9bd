/**
 * What a reconnect storm is judged by.
 *
 * @module
 */
import type { Member } from "./storm_crowd.ts";
import type { Way } from "./storm_server.ts";

/** Everyone is back so soon after the server is, in milliseconds. */
export const BACK_WITHIN_MS = 25_000;

/** No second holds a larger part of the attempts. */
export const LARGEST_SHARE = 0.2;

/**
 * How many moments fall into each second.
 *
 * @param moments Milliseconds since the loss; none is negative.
 */
export function perSecond(moments: readonly number[]): number[] {
  const counts: number[] = [];
  for (const moment of moments) {
    const second = Math.floor(moment / 1000);
    while (counts.length <= second) counts.push(0);
    counts[second]!++;
  }
  return counts;
}

/** The part of all attempts that the fullest second holds, from 0 to 1. */
export function largestShare(attempts: readonly number[]): number {
  return attempts.length === 0 ? 0 : Math.max(...perSecond(attempts)) / attempts.length;
}

/** A storm as it was recorded. Times are in milliseconds since 1970. */
export interface Storm {
  readonly way: Way;
  readonly members: readonly Member[];
  readonly lostAt: number;
  readonly backAt: number;
  /** How many messages the app has sent since the loss: the numbers from 0. */
  readonly sent: number;
}

/** What a storm was for one client. Times are in milliseconds since the loss. */
export interface Fate {
  readonly attempts: readonly number[];
  /** When it was connected again; `null` where it is not. */
  readonly back: number | null;
  /** When it heard the first message after that; `null` where it has not. */
  readonly recovered: number | null;
  /** Whether its session is still the same. */
  readonly resumed: boolean;
  /**
   * Whether it has heard each message once, in order: all that were sent since the loss where the server lived
   * on, and else all from the first that it heard.
   */
  readonly once: boolean;
}

/** What it was for each. */
export function fates({ way, members, lostAt, backAt, sent }: Storm): Fate[] {
  return members.map(({ attempts, connections, messages }) => {
    const again = connections.find(({ at }) => at >= backAt);
    const heard = messages.filter(({ at }) => at >= lostAt);
    const first = again && heard.find(({ at }) => at >= again.at);
    const from = way === "cut" ? 0 : Number(heard[0]?.data);
    return {
      attempts: attempts.flatMap(({ at }) => at >= lostAt ? at - lostAt : []),
      back: again ? again.at - lostAt : null,
      recovered: first ? first.at - lostAt : null,
      resumed: connections.at(-1)?.session === connections[0]?.session,
      once: heard.length === sent - from && heard.every(({ data }, i) => data === from + i),
    };
  });
}
