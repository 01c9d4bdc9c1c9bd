import type { FanOutJob, Figures, Job } from "./jobs.ts";
import { findProgram, type RunningServer, type StartOptions } from "./servers.ts";
import type { Kind, Target, Transport } from "./targets.ts";

/** One measurement. */
export interface Result {
  readonly scenario: string;
  /** What was measured, the same text for every server that it was measured on. */
  readonly case: string;
  readonly server: Kind;
  readonly figures: Figures;
  /** What else was counted: of what, how many. */
  readonly counted?: Readonly<Record<string, number>>;
  /** Of {@linkcode medians}: of how many measurements it is the median one, and what their CPU was. */
  readonly turns?: string;
  /** The p99 of the same with nothing that presses, from the same run, in milliseconds. */
  readonly unpressedP99?: number;
}

/** What a scenario may do. */
export interface Bench {
  readonly isQuick: boolean;
  /** How often each server has its turn where figures are held against each other; see {@linkcode medians}. */
  readonly turns: number;
  /** The peers that take part. */
  readonly peers: readonly Kind[];
  /** Starts a server, fresh. */
  start(kind: Kind, options?: Partial<StartOptions>): Promise<RunningServer>;
  /** Starts the app of the relay. */
  startApp(): Promise<RunningServer & { url: string }>;
  /** Lets the load process do a job. */
  load(job: Job): Promise<Figures>;
  /** Tells what a measurement came to. */
  report(result: Result): void;
  /** Tells that one could not be done. */
  fail(scenario: string, name: string, server: Kind, why: unknown): void;
}

const CHANNEL = "bench:one";
const PAYLOAD = 64;

const HISTORY = '[[channel]]\npattern = "bench:*"\nhistory = { size = 100, ttl = "5m" }\n';
const RULE = '[[channel]]\npattern = "bench:*"\n';

/** What Chloe counts that nobody wants, by its name in `/api/stats`. */
const UNWANTED: Readonly<Record<string, string>> = {
  slowReaders: "slow readers ended",
  messagesDropped: "messages dropped",
  faults: "faults",
};

/** The same of its limits. */
const LIMITS: Readonly<Record<string, string>> = {
  connections: "connections refused",
  sessions: "sessions refused",
  banned: "refused by a ban",
  commandsRefused: "commands refused",
  queuedBytesTrimmed: "entries let go early",
  queuedBytesRefused: "messages refused",
};

/** What Chloe says that it refused, dropped and closed; nothing that it did not. */
async function countedBy({ port, apiKey }: Target): Promise<Record<string, number>> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const answer = await fetch(`http://127.0.0.1:${port}/api/stats`, { headers });
  const { hub } = await answer.json();
  const countsOf = (words: typeof UNWANTED, counts: Record<string, number>) =>
    Object.entries(words).map(([name, what]): [string, number] => [what, counts[name]!]);
  const closes = Object.entries<number>(hub.closes).map(([code, times]): [string, number] => [
    `closed with ${code}`,
    times,
  ]);
  const all = [...countsOf(UNWANTED, hub), ...countsOf(LIMITS, hub.limitsHit), ...closes];
  return Object.fromEntries(all.filter(([, times]) => times > 0));
}

type Options = Partial<StartOptions>;

/** A measurement on a server of its own. @returns Its p99; 0 where there is none. */
async function measure(
  bench: Bench,
  what: {
    scenario: string;
    name: string;
    kind: Kind;
    options?: Options;
    unpressedP99?: number | undefined;
  },
  job: (target: Target) => Job,
): Promise<number> {
  const { scenario, name, kind, options, unpressedP99 } = what;
  try {
    await using server = await bench.start(kind, options);
    const figures = await bench.load(job(server.target));
    bench.report({
      ...{ scenario, case: name, server: kind, figures },
      ...kind === "chloe" && { counted: await countedBy(server.target) },
      ...unpressedP99 !== undefined && { unpressedP99 },
    });
    return figures.p99 ?? 0;
  } catch (error) {
    bench.fail(scenario, name, kind, error);
    return 0;
  }
}

function fanOutJob(
  { isQuick }: Bench,
  target: Target,
  job: Partial<FanOutJob> & { readonly subscribers: number; readonly rate: number },
): FanOutJob {
  return {
    kind: "fan-out",
    transport: "websocket",
    channels: [CHANNEL],
    withToken: false,
    payload: PAYLOAD,
    seconds: isQuick ? 1 : 10,
    isQuick,
    target,
    ...job,
  };
}

/** Measures the same several times, so that a bad minute of the machine's host is one measurement's of each server. */
async function inTurns({ turns }: Bench, measureEach: () => Promise<void>): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await measureEach();
}

function count(number: number): string {
  return number.toLocaleString("en-GB");
}

/** Subscribers of one channel: 5 messages a second, and 100. */
async function fanOut(bench: Bench): Promise<void> {
  const { isQuick, peers } = bench;
  const subscribers = isQuick ? 500 : 10_000;
  const kinds = (able: readonly Kind[]) =>
    ["chloe" as const, ...peers].filter((kind) => able.includes(kind));
  const every: readonly Kind[] = ["chloe", "nchan", "nats", "socket.io", "ws"];
  const runs: [Transport, number, number, readonly Kind[]][] = [
    ["websocket", 5, 10, every],
    ["websocket", 100, 6, every],
    ["event stream", 5, 10, ["chloe", "nchan"]],
    ["event stream", 100, 6, ["chloe", "nchan"]],
    ["long-poll", 1, 10, ["chloe", "nchan"]],
  ];
  for (const [transport, rate, seconds, able] of runs) {
    const name = `${transport}, ${count(subscribers)} subscribers, ${rate} msg/s`;
    const measureEach = async () => {
      for (const kind of kinds(able)) {
        await measure(
          bench,
          { scenario: "fan-out", name, kind },
          (target) =>
            fanOutJob(bench, target, {
              ...{ transport, subscribers, rate },
              seconds: isQuick ? 1 : seconds,
            }),
        );
      }
    };
    // At 100 a second servers differ by a factor, and those that fall behind take 40 s.
    if (rate < 100) await inTurns(bench, measureEach);
    else await measureEach();
  }
}

/** What a connection costs: to make, to have, to keep alive; and what happens past the limits. */
async function connections(bench: Bench): Promise<void> {
  const { isQuick, peers } = bench;
  const scenario = "connections";
  const subscribers = isQuick ? 500 : 10_000;
  const many = count(subscribers);
  const hold = isQuick ? {} : { idleSeconds: 50 };
  const runs: [string, Kind, Partial<FanOutJob>][] = [
    ["connected, in no channel", "chloe", { channels: [] }],
    ["subscribed", "chloe", hold],
    ["subscribed, with an HS256 token each", "chloe", { withToken: true }],
    ...peers.map((kind): [string, Kind, Partial<FanOutJob>] => ["subscribed", kind, {}]),
  ];
  await inTurns(bench, async () => {
    for (const [name, kind, more] of runs) {
      await measure(
        bench,
        { scenario, name: `${many} ${name}`, kind },
        (target) => fanOutJob(bench, target, { subscribers, rate: 0, ...more }),
      );
    }
  });
  if (!isQuick) {
    await measure(
      bench,
      {
        scenario,
        name: "19,000 subscribed, ulimit -n 20000",
        kind: "chloe",
        options: { files: 20_000 },
      },
      (target) => fanOutJob(bench, target, { subscribers: 19_000, rate: 2 }),
    );
  }
  const files = isQuick ? 700 : 3500;
  await measure(
    bench,
    {
      scenario,
      name: `${count(files - 500)} subscribed at the connection limit, and 200 more come`,
      kind: "chloe",
      options: { files },
    },
    (target) => fanOutJob(bench, target, { subscribers: files - 500, rate: 2, beyond: 200 }),
  );
  await measure(
    bench,
    {
      scenario,
      name: `${count(files + 200)} come where ulimit -n is ${count(files)}`,
      kind: "chloe",
      options: { files, config: `[limits]\nconnections = 100000\n${RULE}` },
    },
    (target) => fanOutJob(bench, target, { subscribers: files + 200, rate: 2 }),
  );
}

/** The way of a message that reaches one: from the app, and to it. */
async function requests(bench: Bench): Promise<void> {
  await inTurns(bench, () => eachRequest(bench));
}

async function eachRequest(bench: Bench): Promise<void> {
  const { isQuick, peers } = bench;
  const scenario = "publish-and-relay";
  const seconds = isQuick ? 1 : 10;
  const kinds = ["chloe" as const, ...peers.filter((kind) => kind === "nchan")];
  for (const kind of kinds) {
    const name = "publish: 64 connections, JSON, one subscriber";
    await measure(bench, { scenario, name, kind }, (target) => ({
      ...{ kind: "publish", connections: 64, payload: PAYLOAD, seconds, isQuick, target },
    }));
  }
  // wrk sleeps between two answers, and each server pays to wake it. It takes whole seconds to begin.
  for (const kind of isQuick ? [] : kinds) {
    const name = "publish by wrk: 64 connections, JSON, one subscriber";
    const wrk = await findProgram("wrk");
    if (wrk === null) {
      bench.fail(scenario, name, kind, "Install it: apt-get install wrk");
      continue;
    }
    await measure(bench, { scenario, name, kind }, (target) => ({
      ...{ kind: "publish", connections: 64, payload: PAYLOAD, seconds, isQuick, target, wrk },
    }));
  }
  const sessions = isQuick ? 100 : 1000;
  const name = `relay: ${count(sessions)} sessions to an app, signed`;
  try {
    await using app = await bench.startApp();
    await using server = await bench.start("chloe", { appUrl: app.url });
    const job = { kind: "relay", sessions, payload: PAYLOAD, seconds, isQuick } as const;
    const figures = await bench.load({ ...job, target: server.target });
    const { taken, unsigned, disordered } = await (await fetch(app.url)).json();
    const counted = { "taken by the app": taken, unsigned, "out of order": disordered };
    bench.report({ scenario, case: name, server: "chloe", figures, counted });
  } catch (error) {
    bench.fail(scenario, name, "chloe", error);
  }
}

/** Whether what one message costs depends on how much there is. */
async function size(bench: Bench): Promise<void> {
  const { isQuick } = bench;
  const scenario = "size";
  const kind = "chloe";
  const perSecond = isQuick ? 5000 : 50_000;
  const crowds = isQuick ? [200, 500] : [1000, 5000, 10_000, 19_000];
  for (const subscribers of crowds) {
    const name = `connections: ${count(subscribers)}`;
    await measure(
      bench,
      { scenario, name, kind },
      (target) => fanOutJob(bench, target, { subscribers, rate: perSecond / subscribers }),
    );
  }
  for (const [name, config] of [["off", RULE], ["on", HISTORY]] as const) {
    const subscribers = crowds.at(-2)!;
    await measure(
      bench,
      {
        scenario,
        name: `history ${name}, ${count(subscribers)} connections`,
        kind,
        options: { config },
      },
      (target) => fanOutJob(bench, target, { subscribers, rate: perSecond / subscribers }),
    );
  }
  const few = isQuick ? 100 : 1000;
  const config = `[limits]\nsubscriptions = 1000\n${RULE}`;
  for (const number of isQuick ? [1, 100] : [1, 10, 100, 1000]) {
    const channels = Array.from({ length: number }, (_, index) => `bench:${index}`);
    const name = `channels a session: ${count(number)}, ${count(few)} connections`;
    await measure(
      bench,
      { scenario, name, kind, options: { config } },
      (target) => fanOutJob(bench, target, { subscribers: few, rate: 20, channels }),
    );
  }
  for (const payload of isQuick ? [16, 16_384] : [16, 256, 1024, 4096, 16_384, 65_500]) {
    const name = `payload: ${count(payload)} B, ${count(few)} connections`;
    await measure(
      bench,
      { scenario, name, kind },
      (target) => fanOutJob(bench, target, { subscribers: few, rate: 10, payload }),
    );
  }
}

/** What others notice of a reader that stalls, of a crowd that comes and goes, of floods, of huge frames. */
async function pressure(bench: Bench): Promise<void> {
  const { isQuick } = bench;
  const readers = isQuick ? 100 : 300;
  const heavy = { subscribers: readers, rate: 50, payload: 8192, seconds: isQuick ? 2 : 15 };
  const light = { subscribers: isQuick ? 200 : 2000, rate: 10 };
  const many = count(light.subscribers);
  const passers = isQuick ? 200 : 1000;
  await pressed(bench, `${readers} readers of 400 KB/s`, heavy, [
    ["one in ten stalls", { stalled: 0.1 }],
  ]);
  // Of this machine's own address nobody is banned, unless it is said that each address has a limit.
  const ofAny = { config: `[limits]\nconnections_per_address = 100000\n${RULE}` };
  await pressed(bench, `${many} readers of 10 msg/s`, light, [
    [`${count(passers)} come and go each second`, { churn: passers }],
    ["one session floods with commands", { commanders: 1 }],
    ["one client sends 64 MiB each second", { hugeMiB: 64 }],
    ["one client sends 63 MiB each second", { hugeMiB: 63 }],
    ["one sends 63 MiB and is banned for it", { hugeMiB: 63 }, ofAny],
    ["16 flood, and come again 20 ms later", { commanders: 16, commandersBackMs: 20 }],
    ["16 flood, and are banned for it", { commanders: 16, commandersBackMs: 20 }, ofAny],
  ]);
  await pressed(bench, `${many} readers of 10 msg/s, a load awake`, { ...light, isAwake: true }, [
    ["16 connections flood another channel", { flood: 16 }],
  ]);
}

/** Measures a fan-out, and then with each of what presses on it. */
async function pressed(
  bench: Bench,
  name: string,
  job: Partial<FanOutJob> & { readonly subscribers: number; readonly rate: number },
  pressures: readonly (readonly [what: string, more: Partial<FanOutJob>, options?: Options])[],
): Promise<void> {
  const what = { scenario: "pressure", kind: "chloe" } as const;
  const p99 = await measure(bench, { ...what, name }, (target) => fanOutJob(bench, target, job));
  for (const [presses, more, options = {}] of pressures) {
    await measure(
      bench,
      { ...what, name: `${name}, and ${presses}`, options, unpressedP99: p99 },
      (target) => fanOutJob(bench, target, { ...job, ...more }),
    );
  }
}

/** All scenarios, by the name that runs one alone. */
export const SCENARIOS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  "fan-out": fanOut,
  connections,
  "publish-and-relay": requests,
  size,
  pressure,
};
