import type { FanOutJob, Figures } from "./jobs.ts";
import { type Connection, Loop } from "./loop.ts";
import { marked, Marks } from "./marks.ts";
import { Meter, sharesOf } from "./meter.ts";
import { Side } from "./side.ts";
import { dialectOf, listenerOf, type Publisher, publisherOf } from "./targets.ts";
import { type Crowd, WebSocketConnection } from "./websocket.ts";

/** How many handshakes are under way at once. */
const AT_ONCE = 200;

/** Who is not in within this time of the last one is not waited for. */
const PATIENCE_MS = 4000;

/** What the server is given to come to rest between what is measured. */
const REST_MS = 1500;
const QUICK_REST_MS = 200;

/** Messages before it counts, so that what is measured is compiled; no more than any server delivers. */
const WARM_SECONDS = 2;
const QUICK_WARM_SECONDS = 0.3;
const WARM_PER_SECOND = 50_000;

/** How long what is on its way at the end of the rate is waited for. */
const DRAIN_MS = 30_000;

/** The load gives up on what has not come when nothing came for so long. */
const SILENCE_MS = 3000;

const NOBODYS_CHANNEL = "bench:nobody";

/** Does it. */
export function fanOut(job: FanOutJob): Figures {
  using loop = new Loop({ dozes: job.isAwake !== true });
  return new FanOut(job, loop).run();
}

class FanOut {
  readonly #job: FanOutJob;
  readonly #loop: Loop;
  readonly #marks: Marks;
  readonly #crowd: Crowd;
  readonly #subscribers: Connection[] = [];
  readonly #meter: Meter;
  readonly #publisher: Publisher;
  readonly #side: Side;
  /** Readers that do not read. */
  #stalled = 0;
  /** Deliveries that should be, of what was published since it counts. */
  #expected = 0;
  #lateMs = 0;

  constructor(job: FanOutJob, loop: Loop) {
    const { target, payload, channels, withToken } = job;
    this.#job = job;
    this.#loop = loop;
    this.#marks = new Marks(payload);
    this.#crowd = {
      ...{ loop, marks: this.#marks, port: target.port },
      dialect: dialectOf(target, { channels, withToken }),
      ...{ ready: 0, ended: 0, closes: new Map() },
    };
    this.#meter = new Meter(target.pid);
    this.#side = new Side(job, loop);
    this.#publisher = publisherOf(target, loop);
    // Its connection is there before all others: a crowd may leave no room for it.
    this.#publisher.publish(NOBODYS_CHANNEL, marked(performance.now(), payload));
  }

  run(): Figures {
    const { idleSeconds = 0, beyond = 0, rate } = this.#job;
    let figures = this.#connect();
    if (idleSeconds > 0) figures = { ...figures, ...this.#idle(idleSeconds) };
    if (beyond > 0) figures = { ...figures, ...this.#beyond(beyond) };
    if (rate > 0) figures = { ...figures, ...this.#messages() };
    const { ended, closes } = this.#crowd;
    return { ...figures, ended, closes: Object.fromEntries(closes) };
  }

  #rest(): void {
    this.#loop.runUntil(performance.now() + (this.#job.isQuick ? QUICK_REST_MS : REST_MS));
  }

  #connect(): Figures {
    const { subscribers, withToken } = this.#job;
    const crowd = this.#crowd;
    if (withToken) {
      for (let index = 0; index < subscribers; index++) crowd.dialect.hello?.(index);
    }
    this.#rest();
    const before = this.#meter.read();
    this.#enter(subscribers);
    this.#rest();
    const after = this.#meter.read();
    const count = Math.max(1, crowd.ready);
    return {
      connections: crowd.ready,
      connectCpuUs: (after.cpu - before.cpu) * 1e6 / count,
      kbPerConnection: (after.rss - before.rss) / 1024 / count,
    };
  }

  /** Lets so many more begin, a bounded number at once, and waits until no more get in. */
  #enter(count: number): void {
    const crowd = this.#crowd;
    const { target, transport, channels } = this.#job;
    const doneBefore = crowd.ready + crowd.ended;
    let begun = 0;
    let done = 0;
    let last = performance.now();
    while (done < count && performance.now() - last < PATIENCE_MS) {
      while (begun < count && begun - done < AT_ONCE) {
        const connection = transport === "websocket"
          ? new WebSocketConnection(crowd, this.#subscribers.length)
          : listenerOf(target, transport, channels[0]!, crowd);
        this.#loop.open(connection, target.port);
        this.#subscribers.push(connection);
        begun++;
      }
      this.#loop.turn(50);
      const now = crowd.ready + crowd.ended - doneBefore;
      if (now !== done) last = performance.now();
      done = now;
    }
  }

  #idle(seconds: number): Partial<Figures> {
    const before = this.#meter.read();
    this.#loop.runUntil(performance.now() + seconds * 1000);
    const after = this.#meter.read();
    return { idleCpuPercent: (after.cpu - before.cpu) / (after.wall - before.wall) * 100 };
  }

  #beyond(count: number): Partial<Figures> {
    const before = this.#crowd.ready;
    this.#enter(count);
    return { beyondIn: this.#crowd.ready - before };
  }

  #messages(): Figures {
    const { subscribers, rate, seconds, isQuick, stalled = 0 } = this.#job;
    const marks = this.#marks;
    this.#side.start();
    const warmRate = Math.min(rate, WARM_PER_SECOND / subscribers);
    this.#publish(warmRate, isQuick ? QUICK_WARM_SECONDS : WARM_SECONDS);
    this.#drain();
    this.#stall(stalled);
    marks.begin();
    this.#side.begin();
    this.#expected = 0;
    this.#lateMs = 0;
    const connections = this.#crowd.ready;
    const before = this.#meter.begin();
    this.#publish(rate, seconds);
    const busy = this.#meter.read();
    const wall = this.#drain() - before.wall;
    const after = this.#meter.read();
    const delivered = marks.count;
    const each = 1e6 / Math.max(1, delivered);
    return {
      ...{ connections, delivered, expected: this.#expected, perSecond: delivered / wall },
      cpuUs: (after.cpu - before.cpu) * each,
      loadCpuUs: (after.own - before.own) * each,
      p50: marks.latencies.quantile(0.5),
      p99: marks.latencies.quantile(0.99),
      max: marks.latencies.max,
      ...sharesOf(before, busy),
      rssMb: this.#meter.peak / 2 ** 20,
      lateMs: this.#lateMs,
      failed: this.#publisher.failed,
      ...this.#side.end(),
    };
  }

  /** Lets an evenly spread share of the readers read no more. */
  #stall(share: number): void {
    this.#stalled = Math.round(this.#crowd.ready * share);
    for (let index = 0; index < this.#stalled; index++) {
      this.#loop.stall(this.#subscribers[Math.floor(index / share)]!);
    }
  }

  /** Publishes at a rate for so long, however far behind the server is. */
  #publish(rate: number, seconds: number): void {
    const { channels, payload } = this.#job;
    const begin = performance.now();
    for (let number = 0; number < Math.ceil(seconds * rate); number++) {
      const due = begin + number * 1000 / rate;
      while (performance.now() < due) this.#turn(due);
      const now = performance.now();
      this.#lateMs = Math.max(this.#lateMs, now - due);
      this.#publisher.publish(channels[0]!, marked(now, payload));
      this.#expected += this.#crowd.ready - this.#stalled;
    }
    while (performance.now() < begin + seconds * 1000) this.#turn(begin + seconds * 1000);
  }

  /** Waits for what is on its way. @returns When the last of it came, in seconds since the load began. */
  #drain(): number {
    const deadline = performance.now() + DRAIN_MS;
    let last = performance.now();
    let seen = this.#marks.count;
    while (
      this.#marks.count < this.#expected && performance.now() < deadline &&
      performance.now() - last < SILENCE_MS
    ) {
      this.#turn(performance.now() + 20);
      if (this.#marks.count !== seen) last = performance.now();
      seen = this.#marks.count;
    }
    return (this.#marks.count < this.#expected ? last : performance.now()) / 1000;
  }

  #turn(until: number): void {
    this.#loop.turn(Math.max(0, Math.min(20, Math.floor(until - performance.now()))));
    this.#side.keep();
    this.#meter.sample();
  }
}
