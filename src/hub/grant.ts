import type { Hub } from "./hub.ts";
import type { Session } from "./session.ts";
import type { Timed } from "./timer_wheel.ts";

/** So long before its end who is in by a token is told: time to get another, and never be out. */
const NOTICE_MS = 10_000;
const SAME_MS = 500;

/** A channel that a session was let into by a token: it is in it for as long as the token is good. */
export class Grant implements Timed {
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;
  /** When the token ends, on the hub's clock. */
  untilMs = 0;

  constructor(
    private readonly hub: Hub,
    private readonly session: Session,
    private readonly channel: string,
  ) {}

  /** The session may stay until then; it is told when half of the time is over, or shortly before the end. */
  extend(untilMs: number): void {
    const now = this.hub.now();
    const noticeMs = Math.min(NOTICE_MS, (untilMs - now) / 2);
    // The same token once more (between two clocks lies a fraction), or one that has ended: nothing new is to be told.
    const isTold = Math.abs(untilMs - this.untilMs) < SAME_MS || noticeMs <= 0;
    this.untilMs = untilMs;
    this.hub.wheel.schedule(this, isTold ? untilMs : untilMs - noticeMs);
  }

  onTimer(now: number): void {
    if (now < this.untilMs) {
      this.hub.wheel.schedule(this, this.untilMs);
      return this.hub.tellExpires(this.session, this.channel, this.untilMs - now);
    }
    this.hub.counters.grantsEnded++;
    this.hub.revoke(this.session, this.channel, "token_expired");
  }
}

/** The end of the token by which a session connected. */
export class TokenEnd implements Timed {
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;

  constructor(private readonly hub: Hub, private readonly session: Session) {}

  onTimer(): void {
    this.hub.counters.tokensEnded++;
    this.session.expire();
  }
}
