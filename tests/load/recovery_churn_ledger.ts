import { assert, assertEquals } from "@std/assert";
import type { Subscribed } from "../../src/protocol/frames.ts";

/** A message as it was published. */
export interface Note {
  /** What is in it: no other message has the same. */
  readonly n: number;
  /** The session that is not to get it. */
  readonly except: string | null;
}

/** How far a channel's history reaches back, in messages. */
export interface Shelf {
  readonly channel: string;
  readonly size: number;
}

/** All that was published, by channel. A message's place in its channel is its offset: 1, 2, 3, ... */
export class Ledger {
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #notes: ReadonlyMap<string, Note[]>;
  readonly #epochs = new Map<string, string>();

  constructor(shelves: readonly Shelf[]) {
    this.#sizes = new Map(shelves.map(({ channel, size }) => [channel, size]));
    this.#notes = new Map(shelves.map(({ channel }) => [channel, []]));
  }

  /** To be called before a message is published, so that nobody reads of it in vain. */
  add(channel: string, note: Note): void {
    this.#notes.get(channel)!.push(note);
  }

  /** The message at an offset. @throws Error where nothing was published there. */
  at(channel: string, offset: number): Note {
    const note = this.#notes.get(channel)?.[offset - 1];
    assert(note !== undefined, `${channel} has no message ${offset}`);
    return note;
  }

  /** The messages after `from`, up to `to` or to the last. */
  between(channel: string, from: number, to?: number): readonly Note[] {
    return this.#notes.get(channel)!.slice(from, to);
  }

  /** Whether all that followed `since` was there still when the channel stood at `offset`. */
  reaches(channel: string, since: number, offset: number): boolean {
    return offset - since <= this.#sizes.get(channel)!;
  }

  /** Checks that a channel is still the one that everybody saw first: this server forgets none. */
  checkEpoch(channel: string, epoch: string): void {
    const known = this.#epochs.get(channel);
    if (known === undefined) this.#epochs.set(channel, epoch);
    else assertEquals(epoch, known, `${channel}: epoch`);
  }
}

/** What became of a channel in a new session. */
export type Revival = "told that there is a hole" | "missed nothing" | "given what it missed";

/** How often what may happen did happen. */
export class Tally {
  resumes = 0;
  newSessions = 0;
  /** New sessions that were given what they missed, in one channel or more. */
  recoveries = 0;
  /** By channel: how often a new session was told that there is a hole, and how often that there is none. */
  readonly holes = new Map<string, number>();
  readonly whole = new Map<string, number>();
  /** Messages that were left out, as the reader's own session, or the one before it, was excepted. */
  ownLeftOut = 0;
  formerLeftOut = 0;

  count(channel: string, revival: Revival): void {
    const counts = revival === "told that there is a hole" ? this.holes : this.whole;
    counts.set(channel, (counts.get(channel) ?? 0) + 1);
  }
}

/** Where one page stands in its channels, and whether that can be. */
export class Reading {
  readonly #ledger: Ledger;
  readonly #tally: Tally;
  readonly #at = new Map<string, number>();
  readonly #epochs = new Map<string, string>();
  #session = "";
  #former: string | null = null;
  /** The sessions before that one, each of which showed the secret of the one before it. */
  readonly #ancestors = new Set<string>();

  constructor(ledger: Ledger, tally: Tally) {
    this.#ledger = ledger;
    this.#tally = tally;
  }

  /** What `connect` says of the channels. */
  get positions(): Record<string, { epoch: string; offset: number }> {
    return Object.fromEntries([...this.#at].map(([channel, offset]) => {
      return [channel, { epoch: this.#epochs.get(channel)!, offset }];
    }));
  }

  /** The page has its first session. */
  start(session: string, subscribed: Readonly<Record<string, Subscribed>>): void {
    this.#session = session;
    for (const [channel, { epoch, offset }] of Object.entries(subscribed)) {
      this.#ledger.checkEpoch(channel, epoch!);
      this.#epochs.set(channel, epoch!);
      this.#at.set(channel, offset!);
    }
  }

  /**
   * The page has a new session in place of the one that it had.
   *
   * @param former The session whose secret it showed.
   * @throws Error where what is said of a channel is not what the ledger says.
   */
  startAnew(
    session: string,
    former: string | null,
    subscribed: Readonly<Record<string, Subscribed>>,
  ): void {
    if (former === null) this.#ancestors.clear();
    else if (this.#former !== null) this.#ancestors.add(this.#former);
    this.#session = session;
    this.#former = former;
    this.#tally.newSessions++;
    assertEquals(Object.keys(subscribed).sort(), [...this.#at.keys()].sort(), "channels");
    const revivals = [...this.#at].map(([channel, since]) => {
      const revival = this.#revive(channel, since, subscribed[channel]!);
      this.#tally.count(channel, revival);
      return revival;
    });
    if (revivals.includes("given what it missed")) this.#tally.recoveries++;
  }

  #revive(channel: string, since: number, begin: Subscribed): Revival {
    const { epoch, offset, recovered, messages = [] } = begin;
    assert(epoch !== undefined && offset !== undefined, `${channel}: ${JSON.stringify(begin)}`);
    this.#ledger.checkEpoch(channel, epoch);
    assert(offset >= since, `${channel}: stands at ${offset}, which is before ${since}`);
    this.#tally.formerLeftOut += this.#ledger.between(channel, since, offset)
      .filter(({ except }) => except !== null && except === this.#former).length;
    const where =
      `${channel}: recovered from ${since} at ${offset} by ${this.#session}, which continues ${this.#former}`;
    assertEquals(recovered, this.#ledger.reaches(channel, since, offset), where);
    this.#at.set(channel, offset);
    if (!recovered) {
      assertEquals(messages, [], where);
      return "told that there is a hole";
    }
    const expected = this.#ledger.between(channel, since, offset)
      .map(({ n, except }, i) => ({ data: n, offset: since + 1 + i, except }))
      .filter(({ offset, except }) => {
        if (!this.#mayMiss(except)) return true;
        return !this.#mustMiss(except) && messages.some((message) => message.offset === offset);
      })
      .map(({ data, offset }) => ({ data, offset }));
    assertEquals(messages, expected, where);
    return messages.length === 0 ? "missed nothing" : "given what it missed";
  }

  /** A message came. @throws Error where it is not the next. */
  take(channel: string, offset: number, data: unknown): void {
    const at = this.#at.get(channel);
    assert(at !== undefined, `${channel}: never subscribed to`);
    assert(offset > at, `${channel}: message ${offset} after ${at}`);
    const note = this.#ledger.at(channel, offset);
    assertEquals(data, note.n, `${channel}: message ${offset}`);
    assert(
      !this.#mustMiss(note.except),
      `${channel}: message ${offset} was not for ${this.#session}, which continues ${this.#former}`,
    );
    for (let skipped = at + 1; skipped < offset; skipped++) {
      const { except } = this.#ledger.at(channel, skipped);
      assert(this.#mayMiss(except), `${channel}: message ${skipped} is missing before ${offset}`);
      if (except === this.#session) this.#tally.ownLeftOut++;
    }
    this.#at.set(channel, offset);
  }

  /** Whether a message is not for this page: it proved to be the one that was excepted. */
  #mustMiss(except: string | null): boolean {
    return except !== null && (except === this.#session || except === this.#former);
  }

  /** As well: the page was that one, but what it proved to the server was another that came between. */
  #mayMiss(except: string | null): boolean {
    return this.#mustMiss(except) || except !== null && this.#ancestors.has(except);
  }

  /** Whether nothing that was published is missing any more. */
  get isComplete(): boolean {
    return [...this.#at].every(([channel, at]) => {
      return this.#ledger.between(channel, at).every(({ except }) => this.#mayMiss(except));
    });
  }
}
