import type { Counters } from "./counters.ts";
import { Pace, type PaceOptions } from "./pace.ts";
import type { Session } from "./session.ts";

/**
 * Frames of any kind, refused commands among them, may come ten times as fast as commands are done, and twelve
 * times as many at once: of the 10,000 commands that `chloe.js` keeps for a connection that comes back, those
 * beyond the burst are refused, but nobody is sent away.
 */
const FRAMES_PER_COMMAND = 10;
const FRAME_BURST_PER_COMMAND = 12;

/** How fast a session may send: commands beyond are refused, and who goes on and on is sent away. */
export class CommandPace {
  readonly #commands: Pace;
  readonly #frames: Pace;

  constructor({ perSecond, burst }: PaceOptions) {
    this.#commands = new Pace({ perSecond, burst });
    this.#frames = new Pace({
      perSecond: perSecond * FRAMES_PER_COMMAND,
      burst: burst * FRAME_BURST_PER_COMMAND,
    });
  }

  /** Counts a frame, before anybody reads it. @returns Whether it may be read; else its session has to end. */
  takeFrame(session: Session, now: number, counters: Counters): boolean {
    const fullAt = this.#frames.take(session.framesFullAt, now);
    if (fullAt < 0) {
      counters.limitsHit.framesClosed++;
      return false;
    }
    session.framesFullAt = fullAt;
    return true;
  }

  /** Counts a command. @returns Whether it may be done. */
  takeCommand(session: Session, now: number, counters: Counters): boolean {
    const fullAt = this.#commands.take(session.commandsFullAt, now);
    if (fullAt < 0) {
      counters.limitsHit.commandsRefused++;
      return false;
    }
    session.commandsFullAt = fullAt;
    return true;
  }
}
