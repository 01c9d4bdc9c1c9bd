import type { Connected, Json } from "../src/protocol/frames.ts";
import { ChloeError } from "./errors.ts";
import {
  ACKNOWLEDGE_FRAMES,
  ACKNOWLEDGE_LENGTH,
  FIRST_MAX_BYTES,
  MAX_PENDING_LENGTH,
  PENDING_OVERHEAD,
} from "./constants.ts";

/** What the answer to a command holds. */
export type Answer = Readonly<Record<string, Json>>;

/** Takes what became of a command: why not, or else the answer. */
export type Reply = (error: ChloeError | undefined, ok?: Answer) => void;

/** Where a session stands. */
export interface SessionState {
  /** The public id; `null` while there is no session. */
  readonly id: string | null;
  readonly secret: string | null;
  /** How many frames were taken. */
  readonly received: number;
  readonly lastId: number;
  /** The bound of one line, in bytes. */
  readonly maxBytes: number;
}

/** A command that has no answer yet. */
interface Pending {
  /** Its member, as JSON text without the braces: `"send":{"data":1}`. */
  readonly body: string;
  readonly reply: Reply;
  /** Whether it has left, so that nobody knows what became of it when the session is lost. */
  sent: boolean;
}

/**
 * What a session knows that a change of transport must not lose: how many frames were taken, and which
 * commands have no answer yet. It sends nothing itself.
 *
 * Frames bear no numbers: both sides count them (docs/protocol.md, "Exactly once").
 */
export interface Session {
  /** Where it stands: all that another needs to go on with it, but for the commands that have no answer. */
  readonly state: SessionState;
  /** Goes on where another stopped: with its state, and the commands that have no answer, by their ids. */
  restore(
    state: SessionState,
    unanswered: readonly [id: number, body: string, reply: Reply][],
  ): void;
  /** What `connect` and requests say to go on with the session; nothing where there is none. */
  resumption(): { resume?: string; received?: number };
  /** The line that says how many frames were taken. */
  receipt(): string;
  /** Whether so much came since Chloe was told that she must be told again. */
  receiptDue(): boolean;
  /**
   * Begins on a transport. Returns the lines to send: those that Chloe has not taken yet; `null` when the
   * counts do not meet, so that frames are lost for good and only a new session helps.
   */
  start(connected: Connected): string[] | null;
  /** Sets the count to where Chloe says it stands: the number before the next frame's. */
  countFrom(from: number): void;
  /** Counts a frame of so many characters; false when it was taken before. */
  take(length: number): boolean;
  /**
   * Keeps a command until it is answered, and gives it its id. Returns its line; none when it was refused,
   * as too large or one too many: an id that never leaves would keep back all after it.
   *
   * @param body The command's member, as JSON text without the braces.
   * @param sent Whether its line leaves now; else `start` returns it.
   */
  command(body: string, reply: Reply, sent: boolean): string | undefined;
  /** Takes the waiting reply of a command away, and returns it. */
  answered(id: number): Reply | undefined;
  /** The session is over: nothing brings it back. What had left fails with this code. */
  end(code: "unknown_outcome" | "closed"): void;
}

/** Makes one that has not begun. */
export function createSession(): Session {
  let id: string | null = null;
  let secret: string | null = null;
  let maxBytes = FIRST_MAX_BYTES;
  let received = 0;
  let at = 0;
  let lastId = 0;
  let newFrames = 0;
  let newLength = 0;
  let pending = new Map<number, Pending>();
  let pendingLength = 0;

  const acknowledge = () => {
    newFrames = newLength = 0;
    return received;
  };
  const lineOf = (id: number, body: string) => `{"id":${id},${body}}`;

  function command(body: string, reply: Reply, sent: boolean): string | undefined {
    const line = lineOf(lastId + 1, body);
    // Before the first session nobody knows the bound: `start` looks again.
    if (id && new TextEncoder().encode(line).length > maxBytes) {
      return void reply(new ChloeError("too_large", `Send at most ${maxBytes} bytes`));
    }
    if (pendingLength + body.length > MAX_PENDING_LENGTH) {
      return void reply(new ChloeError("queue_full", "Too much waits", true));
    }
    keep(++lastId, { body, reply, sent });
    return line;
  }

  function keep(id: number, command: Pending): void {
    pending.set(id, command);
    pendingLength += command.body.length + PENDING_OVERHEAD;
  }

  /** Ends what had left, and numbers anew what had not. */
  function fail(code: "unknown_outcome" | "closed"): void {
    const old = pending;
    pending = new Map();
    pendingLength = lastId = 0;
    for (const { body, reply, sent } of old.values()) {
      if (!sent && code !== "closed") command(body, reply, false);
      else reply(new ChloeError(code, "session ended"));
    }
  }

  return {
    get state() {
      return { id, secret, received, lastId, maxBytes };
    },
    restore(state, unanswered) {
      ({ id, secret, received, lastId, maxBytes } = state);
      for (const [id, body, reply] of unanswered) keep(id, { body, reply, sent: true });
    },
    resumption: () => secret ? { resume: secret, received: acknowledge() } : {},
    receipt: () => JSON.stringify({ received: acknowledge() }),
    receiptDue: () => newFrames >= ACKNOWLEDGE_FRAMES || newLength >= ACKNOWLEDGE_LENGTH,

    start(connected) {
      maxBytes = connected.maxBytes;
      if (connected.resumed && connected.from > received) return null;
      id = connected.session;
      secret = connected.resume;
      at = connected.from;
      if (!connected.resumed) {
        received = at;
        fail("unknown_outcome");
      }
      const lines: string[] = [];
      lastId = connected.lastId;
      for (const [id, each] of pending) {
        if (id <= connected.lastId) continue;
        lastId = id;
        each.sent = true;
        lines.push(lineOf(id, each.body));
      }
      return lines;
    },
    countFrom(from) {
      at = from;
    },
    take(length) {
      if (++at <= received) return false;
      received = at;
      newFrames++;
      newLength += length;
      return true;
    },

    command,
    answered(id) {
      const found = pending.get(id);
      if (!found) return;
      pending.delete(id);
      pendingLength -= found.body.length + PENDING_OVERHEAD;
      return found.reply;
    },
    end(code) {
      id = secret = null;
      fail(code);
    },
  };
}
