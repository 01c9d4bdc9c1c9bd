import { HttpFlood } from "./http.ts";
import type { FanOutJob, Figures } from "./jobs.ts";
import type { Loop } from "./loop.ts";
import { Marks } from "./marks.ts";
import { dialectOf, publishRequest } from "./targets.ts";
import { clientFrame, type Crowd, textFrame, WebSocketConnection } from "./websocket.ts";

const FLOOD_CHANNEL = "bench:flood";
const FLOOD_READERS = 10;
const FLOOD_TEXT = "x".repeat(64);

const MIB = 1024 * 1024;
const HUGE_EVERY_MS = 1000;

/** Commands in one frame of a session that floods, and how much may wait to be written before it pauses. */
const COMMANDS_AT_ONCE = 500;
const MAX_WAITING_FRAMES = 2;

/** What else goes on beside a fan-out: who comes and goes, who floods, who sends what is far too large. */
export class Side {
  readonly #job: FanOutJob;
  readonly #loop: Loop;
  readonly #passers: Crowd;
  /** Who came and did not go yet, the first to come first. */
  readonly #passing: WebSocketConnection[] = [];
  #due = Infinity;
  #passed = 0;
  #flood: HttpFlood | null = null;
  #floodedBefore = 0;
  #since = 0;
  /** When the next of the clients that send a huge frame is due, and what each sends. */
  #hugeDue = Infinity;
  #hugeFrame: Uint8Array<ArrayBuffer> | null = null;
  #hugeFrames = 0;
  readonly #hugeCrowd: Crowd;
  readonly #commandCrowd: Crowd;
  readonly #commanders: (Commander | null)[] = [];
  /** When each is to come, where it is not there. */
  readonly #commandersDue: number[] = [];
  #commands = 0;

  constructor(job: FanOutJob, loop: Loop) {
    this.#job = job;
    this.#loop = loop;
    this.#passers = this.#newCrowd(job.channels);
    this.#hugeCrowd = this.#newCrowd([]);
    this.#commandCrowd = this.#newCrowd([]);
  }

  /** Of what they get nothing is counted. */
  #newCrowd(channels: readonly string[]): Crowd {
    const { target, payload } = this.#job;
    return {
      ...{ loop: this.#loop, marks: new Marks(payload), port: target.port },
      dialect: dialectOf(target, { channels, withToken: false }),
      ...{ ready: 0, ended: 0, closes: new Map() },
    };
  }

  /** Begins. */
  start(): void {
    const { churn = 0, flood = 0, hugeMiB = 0, commanders = 0, target } = this.#job;
    if (churn > 0) this.#due = performance.now();
    if (hugeMiB > 0) {
      this.#hugeFrame = clientFrame(new Uint8Array(hugeMiB * MIB).fill("x".charCodeAt(0)));
      this.#hugeDue = performance.now();
    }
    for (let index = 0; index < commanders; index++) {
      this.#commanders.push(null);
      this.#commandersDue.push(0);
    }
    if (flood === 0) return;
    const crowd = this.#newCrowd([FLOOD_CHANNEL]);
    for (let index = 0; index < FLOOD_READERS; index++) {
      this.#loop.open(new WebSocketConnection(crowd, index), target.port);
    }
    while (crowd.ready < FLOOD_READERS) this.#loop.turn(20);
    const request = publishRequest(target, FLOOD_CHANNEL, FLOOD_TEXT);
    this.#flood = new HttpFlood(this.#loop, target.port, flood, request);
  }

  /** Counts from here on. */
  begin(): void {
    this.#passed = 0;
    this.#hugeFrames = 0;
    this.#commands = 0;
    this.#floodedBefore = this.#flood?.answered ?? 0;
    this.#since = performance.now();
  }

  /** Does what is due: call it often. */
  keep(): void {
    const { churn = 0, target } = this.#job;
    const now = performance.now();
    while (this.#due <= now) {
      this.#due += 1000 / churn;
      const socket = new WebSocketConnection(this.#passers, 0);
      this.#passing.push(socket);
      this.#loop.open(socket, target.port);
    }
    while (this.#passing[0]?.isReady || this.#passing[0]?.isOver) {
      const socket = this.#passing.shift()!;
      if (!socket.isReady) continue;
      this.#passed++;
      socket.leave();
    }
    this.#keepHuge(now);
    this.#keepCommanding(now);
  }

  #keepHuge(now: number): void {
    while (this.#hugeDue <= now) {
      this.#hugeDue += HUGE_EVERY_MS;
      const sender = new HugeSender(this.#hugeCrowd, this.#hugeFrame!, () => this.#hugeFrames++);
      this.#loop.open(sender, this.#job.target.port);
    }
  }

  #keepCommanding(now: number): void {
    const { commandersBackMs = 2000, target } = this.#job;
    for (const [index, commander] of this.#commanders.entries()) {
      if (commander?.isOver) {
        this.#commanders[index] = null;
        this.#commandersDue[index] = now + commandersBackMs;
      } else if (commander !== null) {
        this.#commands += commander.go();
      } else if (now >= this.#commandersDue[index]!) {
        const next = this.#commanders[index] = new Commander(this.#commandCrowd, index);
        this.#loop.open(next, target.port);
      }
    }
  }

  /** Ends, and tells what went on since it counts. */
  end(): Partial<Figures> {
    this.#due = this.#hugeDue = Infinity;
    this.#flood?.stop();
    const seconds = (performance.now() - this.#since) / 1000;
    return {
      ...this.#job.churn && { churned: this.#passed },
      ...this.#job.hugeMiB && { hugeFrames: this.#hugeFrames },
      ...this.#job.commanders && { commanded: this.#commands / seconds },
      ...this.#flood && { flooded: (this.#flood.answered - this.#floodedBefore) / seconds },
    };
  }
}

/** A client that sends a frame which is far too large as soon as it is let in. */
class HugeSender extends WebSocketConnection {
  constructor(crowd: Crowd, frame: Uint8Array<ArrayBuffer>, sent: () => void) {
    super(crowd, 0);
    this.intercept = (text) => {
      if (!text.startsWith('{"connected":')) return true;
      sent();
      this.crowd.loop.send(this, frame);
      return true;
    };
  }
}

/** A session that sends commands, whatever it is answered. */
class Commander extends WebSocketConnection {
  #id = 0;
  #isIn = false;

  constructor(crowd: Crowd, index: number) {
    super(crowd, index);
    this.intercept = (text) => {
      if (text.startsWith('{"connected":')) this.#isIn = true;
      return true;
    };
  }

  /** Sends some where there is room. @returns How many. */
  go(): number {
    if (!this.#isIn || this.waiting.length >= MAX_WAITING_FRAMES) return 0;
    const lines: string[] = [];
    for (let n = 0; n < COMMANDS_AT_ONCE; n++) {
      lines.push(`{"id":${++this.#id},"unsubscribe":{"channel":"bench:none"}}`);
    }
    this.crowd.loop.send(this, textFrame(lines.join("\n")));
    return lines.length;
  }
}
