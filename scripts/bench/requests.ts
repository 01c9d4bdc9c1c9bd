import type { Figures, PublishJob, RelayJob } from "./jobs.ts";
import { Histogram } from "./histogram.ts";
import { HttpFlood } from "./http.ts";
import { Loop } from "./loop.ts";
import { Marks } from "./marks.ts";
import { Meter, type Reading, sharesOf } from "./meter.ts";
import { dialectOf, publication, publishRequest } from "./targets.ts";
import { type Crowd, WebSocketConnection } from "./websocket.ts";
import { Wrk } from "./wrk.ts";

const WARM_MS = 2000;
const QUICK_WARM_MS = 300;

const CHANNEL = "bench:one";

function newCrowd(job: PublishJob | RelayJob, loop: Loop, channels: readonly string[]): Crowd {
  const { target } = job;
  return {
    ...{ loop, marks: new Marks(job.payload), port: target.port },
    dialect: dialectOf(target, { channels, withToken: false }),
    ...{ ready: 0, ended: 0, closes: new Map() },
  };
}

/** Opens sessions, 200 at a time, and waits until all are in. */
function openAll(crowd: Crowd, count: number): WebSocketConnection[] {
  const sockets: WebSocketConnection[] = [];
  while (crowd.ready < count) {
    while (sockets.length < count && sockets.length - crowd.ready < 200) {
      const socket = new WebSocketConnection(crowd, sockets.length);
      sockets.push(socket);
      crowd.loop.open(socket, crowd.port);
    }
    crowd.loop.turn(20);
    if (crowd.ended > 0) throw new Error("The server lets not all sessions in");
  }
  return sockets;
}

/** Runs the loop for so long, and tells what was used meanwhile. */
function measure(loop: Loop, meter: Meter, seconds: number): [before: Reading, after: Reading] {
  const before = meter.begin();
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    loop.turn(20);
    meter.sample();
  }
  return [before, meter.read()];
}

function figuresOf(
  count: number,
  [before, after]: readonly [Reading, Reading],
  meter: Meter,
): Partial<Figures> {
  const wall = after.wall - before.wall;
  return {
    delivered: count,
    perSecond: count / wall,
    cpuUs: (after.cpu - before.cpu) * 1e6 / Math.max(1, count),
    loadCpuUs: (after.own - before.own) * 1e6 / Math.max(1, count),
    ...sharesOf(before, after),
    rssMb: meter.peak / 2 ** 20,
  };
}

/** Publishes as fast as a number of connections are answered. */
export function publish(job: PublishJob): Figures {
  const { target, connections, payload, seconds } = job;
  using loop = new Loop({ dozes: false });
  const meter = new Meter(target.pid);
  const crowd = newCrowd(job, loop, [CHANNEL]);
  openAll(crowd, 1);
  const request = publishRequest(target, CHANNEL, "x".repeat(payload));
  const flood = new HttpFlood(loop, target.port, connections, request);
  loop.runUntil(performance.now() + (job.isQuick ? QUICK_WARM_MS : WARM_MS));
  const begun = flood.answered;
  const readings = measure(loop, meter, seconds);
  const figures = figuresOf(flood.answered - begun, readings, meter);
  return { connections, ...figures, failed: flood.failed, ended: crowd.ended };
}

/** wrk's own start and end, of which it takes no account. */
const WRK_MARGIN_MS = 500;

/** Has wrk publish as fast as its connections are answered; the subscriber is ours. */
export async function publishByWrk(job: PublishJob, program: string): Promise<Figures> {
  const { target, connections, payload } = job;
  using loop = new Loop({ dozes: true });
  const meter = new Meter(target.pid);
  const crowd = newCrowd(job, loop, [CHANNEL]);
  openAll(crowd, 1);
  const { path, ...request } = publication(target, CHANNEL, "x".repeat(payload));
  const url = `http://127.0.0.1:${target.port}${path}`;
  const run = async (seconds: number) => {
    const wrk = new Wrk({ program, url, ...request, connections, seconds });
    const readings = measure(loop, meter, seconds + WRK_MARGIN_MS / 1000);
    const { cpuSeconds } = wrk;
    return { readings, cpuSeconds, ...await wrk.result() };
  };
  await run(WARM_MS / 1000);
  const { readings, cpuSeconds, answered, perSecond, failed } = await run(job.seconds);
  const figures = figuresOf(answered, readings, meter);
  const loadCpuUs = (figures.loadCpuUs ?? 0) + cpuSeconds * 1e6 / Math.max(1, answered);
  const { serverShare = 0, loadShare = 0, othersShare = 0 } = figures;
  const wrkShare = cpuSeconds / job.seconds;
  return {
    connections,
    ...{ ...figures, perSecond, loadCpuUs, failed, ended: crowd.ended },
    // Of the time in which wrk was at work.
    serverShare: serverShare * (job.seconds + WRK_MARGIN_MS / 1000) / job.seconds,
    loadShare: loadShare + wrkShare,
    othersShare: Math.max(0, othersShare - wrkShare),
  };
}

/** Sends to the app as fast as it answers, from each session one after the other. */
export function relay(job: RelayJob): Figures {
  const { target, sessions, payload, seconds } = job;
  using loop = new Loop({ dozes: false });
  const meter = new Meter(target.pid);
  const crowd = newCrowd(job, loop, []);
  const latencies = new Histogram();
  let answered = 0;
  let failed = 0;
  let isOver = false;
  openAll(crowd, sessions).forEach((socket, index) => {
    let id = 0;
    let sent = 0;
    const next = () => {
      sent = performance.now();
      id++;
      const data = `${index}:${id}:`.padEnd(payload, "x");
      socket.sendText(`{"id":${id},"send":{"data":"${data}"}}`);
    };
    socket.intercept = (text) => {
      if (!text.startsWith('{"id":')) return false;
      socket.countAnswer();
      latencies.add(performance.now() - sent);
      if (text.includes('"ok":')) answered++;
      else failed++;
      if (!isOver) next();
      return true;
    };
    next();
  });
  loop.runUntil(performance.now() + (job.isQuick ? QUICK_WARM_MS : WARM_MS));
  const begun = answered;
  latencies.clear();
  const readings = measure(loop, meter, seconds);
  const figures = figuresOf(answered - begun, readings, meter);
  isOver = true;
  loop.runUntil(performance.now() + 500); // the last are answered: the app knows of no hole
  return {
    connections: sessions,
    ...figures,
    p50: latencies.quantile(0.5),
    p99: latencies.quantile(0.99),
    max: latencies.max,
    failed,
    ended: crowd.ended,
  };
}
