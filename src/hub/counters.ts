import { AddressCounts } from "./address_counts.ts";
import { LimitsHit } from "./limits_hit.ts";

/** What the hub and its transports count, as plain numbers: read on demand, never reset. */
export class Counters {
  /** Sessions begun, brought back by resume, and ended, whatever the cause. */
  sessionsOpened = 0;
  sessionsResumed = 0;
  sessionsEnded = 0;
  /** Resumes that could not be: unknown, expired, let go. */
  resumesMissed = 0;
  /** Sessions refused because there were as many as may be. */
  sessionsRefused = 0;
  /** Frames from browsers, and how many of them were answered with an error. */
  framesIn = 0;
  framesRefused = 0;
  /** Messages published, and frames handed to transports because of them or of a command. */
  messagesPublished = 0;
  framesOut = 0;
  /** Sessions ended because more waited for them than may. */
  slowReaders = 0;
  /** Messages dropped for slow readers, where the channel's rule says so: per reader. */
  messagesDropped = 0;
  /** Subscriptions refused, whatever the reason, and those that ended with their token. */
  subscriptionsRefused = 0;
  grantsEnded = 0;
  /** Connections closed because their token had ended. */
  tokensEnded = 0;
  /** Positions that were recovered from, and those that could not be. */
  recoveries = 0;
  recoveriesMissed = 0;
  /** Entries let go unacknowledged, past the bound: a resume from before them is not possible. */
  entriesTrimmed = 0;
  /** Exceptions caught at the edge of a socket or stream: each is a bug. */
  faults = 0;
  /** Requests refused because of their origin. */
  originsRefused = 0;
  /** Connections refused because there were as many as may be. */
  connectionsRefused = 0;
  /** Connections held now: sockets, streams, polls; those that do not close when they are told to included. */
  connections = 0;
  /** Sockets and streams that were told to close and did not yet: each still holds a file. */
  connectionsClosing = 0;
  /** Every refusal, drop and close because of a limit, by its reason. */
  readonly limitsHit = new LimitsHit();
  /** Closes by code. */
  readonly closes: Record<number, number> = {};

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
}
