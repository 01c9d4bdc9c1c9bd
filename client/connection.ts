import type { Connected, ServerFrame } from "../src/protocol/frames.ts";
import { backoff, within } from "./backoff.ts";
import type { Environment } from "./environment.ts";
import { type ChloeError, refusal } from "./errors.ts";
import {
  CONNECT_TIMEOUT_MS,
  LOST,
  LOYAL_ROUNDS,
  NO_CONNECT,
  PROBE_MS,
  SILENT_PERIODS,
  STABLE_MS,
  TAKEN_OVER,
  TOKEN_EXPIRED,
  UPGRADE_AFTER_MAX_MS,
  UPGRADE_AFTER_MS,
} from "./constants.ts";
import type { ChloeOptions } from "./options.ts";
import type { Session } from "./session.ts";
import { type Lost, parse, type Transport, type TransportKind } from "./transports/transport.ts";

/**
 * - `idle`: not asked to connect yet.
 * - `connecting`: a transport is being tried.
 * - `connected`
 * - `waiting`: none is there; the next try comes by itself.
 * - `closed`: by the page, or by Chloe for good.
 */
export type State = "idle" | "connecting" | "connected" | "waiting" | "closed";

/** Why there is no connection now. */
export interface Closing {
  /** A WebSocket close code, on the other transports too; 1006 where nobody said one. */
  readonly code: number;
  readonly reason: string;
  /** The refusal behind it, where Chloe gave one. */
  readonly error?: ChloeError | undefined;
}

/** Who a connection works for. */
export interface ConnectionListener {
  /** Called before a transport is opened; what it has to wait for first. */
  ready(): Promise<void> | null;
  /** The token has expired; says whether there will be another. */
  expired(): boolean;
  /** The line to begin with on a new transport. */
  connectLine(): string;
  /** A transport has brought a session; `changed` follows, unless it took over from another. */
  begun(connected: Connected): void;
  /** A frame of the open session, and its length in characters. */
  frame(frame: ServerFrame, length: number): void;
  changed(state: State, why?: Closing): void;
}

/** Keeps one transport open: chooses it, notices its end, and brings the next. */
export interface Connection {
  readonly state: State;
  /** The name of the transport in use; `null` while there is none. */
  readonly transport: string | null;
  /** Connects, unless it is at it already. */
  open(): void;
  /** Whether lines may be sent: a transport is there, and has brought the session. */
  readonly ready: boolean;
  /** Sends a line; only while `ready`. */
  send(line: string): void;
  /** Whether it has to be told to say how many frames were taken. */
  readonly acknowledges: boolean;
  /** Lets the transport go and brings the session to another. */
  reopen(reason: string): void;
  /** Ends it for good, and the session too where the code is 1000. */
  close(why: Closing): void;
}

/** What ended a transport: Chloe's farewell if she said one, which alone has `reconnect`. */
type Loss = Lost & Partial<Extract<ServerFrame, { bye: unknown }>["bye"]>;

/** A transport that is in use, or that is being opened. */
interface Line {
  readonly kind?: TransportKind;
  transport?: Transport;
}

/** What a connection is made with. */
export interface ConnectionOptions {
  /** Where Chloe is, without a slash at the end. */
  readonly base: string;
  /** The kinds of transport to try, the best first. */
  readonly kinds: readonly TransportKind[];
  readonly options: ChloeOptions;
  readonly environment: Environment;
  readonly session: Session;
  readonly listener: ConnectionListener;
}

/** Makes one that is idle. */
export function createConnection(
  { base, kinds, environment, session, listener }: ConnectionOptions,
): Connection {
  const { now, random } = environment;
  let state: State = "idle";
  /** The kind that worked last on this page, and how many rounds of this client have failed since. */
  let favourite = environment.worked.get(base);
  let failedRounds = 0;
  /** The kinds still to try before the next wait. */
  let round: TransportKind[] = [];
  let current: Line | null = null;
  /** Whether `current` has brought the session. */
  let ready = false;
  /** A better one, tried while `current` is in use. */
  let rival: Line | null = null;
  /** What Chloe said against opening a session on this transport. */
  let refused: ChloeError | undefined;
  let failures = 0;
  let openedAt = 0;
  let heardAt = 0;
  let silenceMs = 0;
  /** The timer of `current`: for the next try, for the answer to `connect`, or for silence. */
  let timer: unknown;
  let upgradeTimer: unknown;
  let upgradeMs = UPGRADE_AFTER_MS;
  let upgrades = 0;
  let unwatch = () => {};

  function become(next: State, why?: Closing): void {
    state = next;
    listener.changed(next, why);
  }

  function after(ms: number, then: () => void): void {
    environment.clearTimeout(timer);
    timer = environment.setTimeout(then, ms);
  }

  /** Gives the transport so long to say something. */
  function limit(ms: number): void {
    after(ms, () => lost("no answer"));
  }

  function begin(): void {
    drop();
    round = [];
    const waiting = current = {};
    become("connecting");
    const start = () => {
      // The page may have closed it meanwhile.
      if (current !== waiting) return;
      round = failedRounds < LOYAL_ROUNDS && kinds.includes(favourite!) ? [favourite!] : [...kinds];
      next();
    };
    const wait = current === waiting && listener.ready();
    if (!wait) return start();
    limit(CONNECT_TIMEOUT_MS);
    wait.then(start, (error) => current === waiting && lost(String(error)));
  }

  function next(): void {
    refused = undefined;
    current = { kind: round.shift()! };
    limit(round[0] ? PROBE_MS : CONNECT_TIMEOUT_MS);
    dial(current);
  }

  function dial(line: Line): void {
    const lostLine = (reason: string, why?: Lost) => {
      if (line === current) lost(reason, why);
      else if (line === rival) rival = null;
    };
    try {
      line.transport = line.kind!.open({
        base,
        environment,
        connect(isThrough) {
          if (line === rival) {
            // It asks for the session: from here on nothing is heard from the old transport.
            rival = null;
            drop();
            current = line;
            limit(PROBE_MS);
          } else if (isThrough) limit(CONNECT_TIMEOUT_MS);
          return listener.connectLine();
        },
        session,
      }, {
        text(text) {
          if (line === current) heardAt = now();
          // A frame may end the connection, or the page do so on hearing it.
          for (const each of text.split("\n")) each && line === current && read(each);
        },
        lost: lostLine,
      });
    } catch (error) {
      lostLine(String(error));
    }
  }

  /** Looks from time to time, and ever less often, whether a better transport works by now. */
  function upgradeLater(): void {
    // Each better one in turn.
    const kind = kinds[upgrades++ % kinds.indexOf(favourite!)];
    if (!kind) return;
    environment.clearTimeout(upgradeTimer);
    upgradeTimer = environment.setTimeout(() => {
      upgradeTimer = environment.setTimeout(() => {
        // While it is the rival it has not been let through.
        hangUp(rival);
        rival = null;
        if (ready) upgradeLater();
      }, PROBE_MS);
      dial(rival = { kind });
    }, upgradeMs);
    upgradeMs = Math.min(upgradeMs * 2, UPGRADE_AFTER_MAX_MS);
  }

  function read(line: string): void {
    const frame = parse(line);
    if (!frame) {
      lost("not Chloe");
    } else if (frame.bye) {
      lost(frame.bye.reason, frame.bye);
    } else if (frame.connected) {
      connected(frame.connected as Connected);
    } else if (ready) {
      listener.frame(frame as ServerFrame, line.length);
    } else if (frame.error) {
      // Its farewell or its close follows, and says whether to come back.
      refused = refusal(frame.error);
    }
  }

  function connected(answer: Connected): void {
    const line = current!;
    openedAt = now();
    silenceMs = answer.ping * 1000 * SILENT_PERIODS;
    environment.worked.set(base, favourite = line.kind!);
    failedRounds = 0;
    ready = true;
    const before = state;
    state = "connected";
    watch();
    upgradeLater();
    listener.begun(answer);
    if (current === line && before !== state) become("connected");
  }

  /** One timer looks again when silence would be too long, however much comes in between. */
  function watch(): void {
    const left = heardAt + silenceMs - now();
    if (left <= 0) lost("silence");
    else after(left, watch);
  }

  /** The network is back or gone, or the page is looked at: the timers may be late. */
  function wake({ type }: { readonly type: string }): void {
    if (type === "offline") {
      if (ready) lost(type);
    } else if (state === "waiting") begin();
    else if (ready) watch();
  }

  function hangUp(line: Line | null, code?: number): void {
    if (line && line.transport) line.transport.close(code);
  }

  /** @param code What to say as goodbye; without one Chloe keeps the session for the next transport. */
  function drop(code?: number): void {
    environment.clearTimeout(timer);
    environment.clearTimeout(upgradeTimer);
    hangUp(rival, code);
    const line = current;
    rival = current = null;
    ready = false;
    hangUp(line, code);
  }

  function lost(
    reason: string,
    { code = 1006, error = refused, reconnect, after: window }: Loss = {},
  ): void {
    const wasReady = ready;
    drop();
    const closing: Closing = { code, reason, error };
    const spoken = error && error.code;
    const expired = code === TOKEN_EXPIRED || spoken === "token_expired";
    // Whether coming back is of no use, or not wanted.
    const isFinal = expired
      ? !listener.expired()
      // A transport that was given up came late and took the session: nobody else has its secret.
      : code === TAKEN_OVER
      ? false
      : reconnect !== undefined
      ? !reconnect
      : error
      ? !error.retry && spoken !== "unknown_session" && spoken !== "unsupported"
      : /^(100[389]|3[5-9]..)$/.test(String(code));
    if (isFinal) return end(closing);

    const lasted = wasReady && now() - openedAt >= STABLE_MS;
    if (wasReady) {
      failures = lasted ? LOST : Math.max(failures, LOST);
    } else if (state === "connected") {
      // The better transport was let through and then said nothing: back to the one that works.
      return begin();
    } else {
      // Where Chloe herself has answered, another transport would hear the same.
      // 3003: what this client says does not get through to her.
      const answered = code !== NO_CONNECT && (reconnect || spoken && spoken !== "unsupported");
      if (!answered && round[0]) return next();
      failedRounds++;
    }
    const named = window ? within(window, random()) : 0;
    // A server that says goodbye again and again is failing, whatever it says.
    after(lasted && named || Math.max(named, backoff(failures, random())), begin);
    failures++;
    become("waiting", closing);
  }

  function end(why: Closing): void {
    drop(why.code);
    unwatch();
    become("closed", why);
  }

  return {
    get state() {
      return state;
    },
    get ready() {
      return ready;
    },
    get acknowledges() {
      return current!.kind!.acknowledges;
    },
    get transport() {
      return state === "connected" ? current!.kind!.name : null;
    },
    open() {
      if (state !== "idle" && state !== "closed") return;
      failures = 0;
      unwatch = environment.watch(wake);
      begin();
    },
    send: (line) => current!.transport!.send(line),
    reopen: lost,
    close: end,
  };
}
