import type { Member as WireMember } from "../protocol/frames.ts";
import type { Session } from "./session.ts";
import type { Timed, TimerWheel } from "./timer_wheel.ts";

/** In a big channel the number of those who are there is told at most this often. */
const COUNT_EVERY_MS = 1000;

/** A channel that was big has names again when it is this much smaller: not at every coming and going. */
const SMALL_AGAIN = 0.8;

/** Up to how many are told by name. */
export interface PresenceRule {
  readonly names: number;
}

/** Who is there. */
export interface PresenceSnapshot {
  readonly count: number;
  /** Where there are not too many; `info` is JSON text. */
  readonly members?: readonly (Omit<WireMember, "info"> & { readonly info: string | null })[];
}

/** Who is in a channel, and what its subscribers have yet to be told of that. */
export class Presence implements Timed {
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;
  /** Another one counts from the next who comes or goes. */
  rule: PresenceRule;
  readonly #wheel: TimerWheel;
  readonly #wantsFlush: () => void;
  readonly #now: () => number;
  /** What each says of itself, as JSON text. */
  readonly #members = new Map<Session, string | null>();
  /**
   * Who came or went since the last flush, with what was known of them before: `undefined` is nothing, and
   * `false` not the same to everybody.
   */
  readonly #changed = new Map<Session, string | null | undefined | false>();
  /** Whether names are not told. */
  #big = false;
  /** Whether somebody may know the number alone: the next names are told to all of them whole. */
  #numberTold = false;
  #countedAt = -Infinity;

  constructor(options: {
    rule: PresenceRule;
    wheel: TimerWheel;
    now(): number;
    /** Something is to be told: call {@linkcode take} before the turn ends. */
    wantsFlush(): void;
  }) {
    this.rule = options.rule;
    this.#wheel = options.wheel;
    this.#now = options.now;
    this.#wantsFlush = options.wantsFlush;
  }

  /** Begins with those who are there already: everybody is told all of them, or how many they are. */
  begin(sessions: readonly Session[]): void {
    for (const session of sessions) this.#members.set(session, null);
    for (const session of sessions.slice(0, 1)) this.#changed.set(session, false);
    this.#numberTold = true;
    if (sessions.length > 0) this.#wantsFlush();
  }

  /** @param info JSON text. */
  join(session: Session, info: string | null): void {
    this.#note(session);
    this.#members.set(session, info);
  }

  leave(session: Session): void {
    if (!this.#members.has(session)) return;
    this.#note(session);
    this.#members.delete(session);
  }

  /** @param reader Who is told of changes to it from now on, where it is one who is. */
  snapshot(reader: Session | null = null): PresenceSnapshot {
    const count = this.#members.size;
    if (count > this.rule.names) {
      if (reader !== null) this.#numberTold = true;
      return { count };
    }
    if (reader !== null) {
      // Others do not know of these yet: where they go before the flush, this reader has to hear of it.
      for (const session of this.#changed.keys()) {
        if (session !== reader && this.#members.has(session)) this.#changed.set(session, false);
      }
    }
    const members = [...this.#members].map(([{ id, user }, info]) => {
      return { session: id, user, info };
    });
    return { count, members };
  }

  /** Whether there is something to tell now. */
  get isDirty(): boolean {
    return this.#changed.size > 0;
  }

  /**
   * What is to be told now, as members of a frame; none where those who came have gone again, or where a
   * count has to wait.
   */
  take(): string[] {
    if (this.#changed.size === 0) return [];
    const wasBig = this.#big;
    const { names } = this.rule;
    const count = this.#members.size;
    this.#big = count > (wasBig ? names * SMALL_AGAIN : names);
    if (!this.#big && !wasBig && !this.#numberTold) return this.#takeNames();
    // The changes wait on: it is not them that is told then, but how many there are, or who all is there.
    const dueAt = this.#countedAt + COUNT_EVERY_MS;
    const now = this.#now();
    if (now < dueAt) {
      this.#big = wasBig;
      if (this.slot < 0) this.#wheel.schedule(this, dueAt);
      return [];
    }
    this.#changed.clear();
    this.#countedAt = now;
    this.#numberTold = this.#big;
    return [`"presence":${this.#big ? `{"count":${count}}` : presenceText(this.snapshot())}`];
  }

  #takeNames(): string[] {
    const joined: string[] = [];
    const left: string[] = [];
    for (const [session, before] of this.#changed) {
      const info = this.#members.get(session);
      if (info === undefined) {
        if (before !== undefined) {
          left.push(memberText({ session: session.id, user: session.user }));
        }
      } else if (info !== before) {
        joined.push(memberText({ session: session.id, user: session.user, info }));
      }
    }
    this.#changed.clear();
    const frames: string[] = [];
    if (left.length > 0) frames.push(`"leave":[${left.join()}]`);
    if (joined.length > 0) frames.push(`"join":[${joined.join()}]`);
    return frames;
  }

  #note(session: Session): void {
    // Of a big channel only the number is told: one entry says that it has changed.
    if (this.#big && this.#changed.size > 0) return;
    if (!this.#changed.has(session)) this.#changed.set(session, this.#members.get(session));
    this.#wantsFlush();
  }

  /** Called by the timer wheel: the number may be told again. */
  onTimer(): void {
    this.#wantsFlush();
  }

  /** Nobody is there any more. */
  close(): void {
    this.#changed.clear();
    this.#wheel.cancel(this);
  }
}

/** A snapshot as JSON text. */
export function presenceText({ count, members }: PresenceSnapshot): string {
  if (members === undefined) return `{"count":${count}}`;
  return `{"count":${count},"members":[${members.map(memberText).join()}]}`;
}

function memberText(
  { session, user, info = null }: {
    readonly session: string;
    readonly user: string | null;
    readonly info?: string | null;
  },
): string {
  const infoMember = info === null ? "" : `,"info":${info}`;
  return `{"session":"${session}","user":${JSON.stringify(user)}${infoMember}}`;
}
