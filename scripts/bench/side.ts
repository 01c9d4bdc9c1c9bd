import { HttpFlood } from "./http.ts";
import type { FanOutJob, Figures } from "./jobs.ts";
import type { Loop } from "./loop.ts";
import { Marks } from "./marks.ts";
import { dialectOf, publishRequest } from "./targets.ts";
import { type Crowd, WebSocketConnection } from "./websocket.ts";

const FLOOD_CHANNEL = "bench:flood";
const FLOOD_READERS = 10;
const FLOOD_TEXT = "x".repeat(64);

/** What else goes on beside a fan-out: who comes and goes, who floods another channel. */
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

  constructor(job: FanOutJob, loop: Loop) {
    this.#job = job;
    this.#loop = loop;
    this.#passers = this.#newCrowd(job.channels);
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
    const { churn = 0, flood = 0, target } = this.#job;
    if (churn > 0) this.#due = performance.now();
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
  }

  /** Ends, and tells what went on since it counts. */
  end(): Partial<Figures> {
    this.#due = Infinity;
    this.#flood?.stop();
    const seconds = (performance.now() - this.#since) / 1000;
    return {
      ...this.#job.churn && { churned: this.#passed },
      ...this.#flood && { flooded: (this.#flood.answered - this.#floodedBefore) / seconds },
    };
  }
}
