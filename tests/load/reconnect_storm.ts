/**
 * The reconnect storm, measured: real clients, in processes of their own, lose a real server for a while.
 * Prints what each second held and whether the bounds were kept; ends with 1 where they were not.
 *
 *     scripts/deno task storm                         # 2,000 clients, 5 s, every way to lose a server
 *     scripts/deno task storm kill --clients=500 --down=10
 *     scripts/deno task storm cut --config='session.grace = "30s"'
 *
 * @module
 */
// deno-lint-ignore-file no-console -- it is what this program is for
import { parseArgs } from "node:util";
import { delay } from "@std/async/delay";
import { eventually } from "../support/within.ts";
import { publish } from "./sessions.ts";
import { type Crowd, startCrowd } from "./storm_crowd.ts";
import { cpuSeconds, startStormServer, type StormServer, type Way } from "./storm_server.ts";
import {
  BACK_WITHIN_MS,
  fates,
  LARGEST_SHARE,
  largestShare,
  perSecond,
  type Storm,
} from "./storm_tally.ts";

const WAYS: readonly Way[] = ["bye", "kill", "cut"];
const CHANNEL = "storm";
const PROCESSES = 4;

/** A connection that lasted less does not let a client's backoff begin anew. */
const SETTLING_MS = 6000;

/** How often the app sends a message; how exactly is known when a client hears again. */
const MEANWHILE_EVERY_MS = 500;
const AFTERWARDS_EVERY_MS = 1000;

/** Who is not back by then does not come back. */
const PATIENCE_MS = 2 * BACK_WITHIN_MS;

/** So many messages tell what sending one costs the server. */
const QUIET_MESSAGES = 10;

interface Options {
  readonly clients: number;
  readonly downMs: number;
  readonly config: string;
}

/** What a storm came to, and what it cost the server's process in seconds of a processor. */
interface Measured {
  readonly storm: Storm;
  readonly cpu: number;
  /** What of that went into the messages of the app. */
  readonly cpuOfMessages: number;
}

/** Sends numbers to the channel, 0 first; says how many it has sent. */
class Numbers {
  sent = 0;
  readonly #server: StormServer;

  constructor(server: StormServer) {
    this.#server = server;
  }

  /** One now and then one each `everyMs`, until `isOver()`. */
  async send(everyMs: number, isOver: () => boolean): Promise<void> {
    do {
      await publish(this.#server.app, { channel: CHANNEL, data: this.sent++ });
      await delay(everyMs);
    } while (!isOver());
  }
}

async function measure(way: Way, { clients, downMs, config }: Options): Promise<Measured> {
  await using server = await startStormServer(way, config);
  await using crowd = startCrowd({
    ...{ url: server.url, clients, processes: PROCESSES, channel: CHANNEL },
    ...{ seed: Date.now(), random: [0, 1] },
  });
  await joined(crowd);
  await delay(SETTLING_MS);

  const numbers = new Numbers(server);
  const lostAt = Date.now();
  const isDown = () => Date.now() - lostAt < downMs;
  await server.lose();
  if (way === "cut") await numbers.send(MEANWHILE_EVERY_MS, () => !isDown());
  else await delay(lostAt + downMs - Date.now());
  const backAt = await server.bring();
  const begun = await cpuSeconds(server.pid);

  const storm = () => ({ way, members: crowd.members, lostAt, backAt, sent: numbers.sent });
  const isOver = () =>
    Date.now() - backAt > PATIENCE_MS ||
    fates(storm()).every(({ recovered }) => recovered !== null);
  await numbers.send(AFTERWARDS_EVERY_MS, isOver);
  const ended = await cpuSeconds(server.pid);

  const delivered = crowd.members.flatMap(({ messages }) => messages)
    .filter(({ at }) => at >= backAt).length;
  const last = numbers.sent + QUIET_MESSAGES;
  await numbers.send(AFTERWARDS_EVERY_MS, () => numbers.sent === last);
  const each = (await cpuSeconds(server.pid) - ended) / (QUIET_MESSAGES * clients);
  return { storm: storm(), cpu: ended - begun, cpuOfMessages: each * delivered };
}

async function joined({ members }: Crowd): Promise<void> {
  const all = () => members.every(({ connections }) => connections.length > 0) || undefined;
  await eventually(() => Promise.resolve(all()), "everyone to connect");
}

/** Prints a storm. Returns whether the bounds were kept. */
function report({ storm, cpu, cpuOfMessages }: Measured): boolean {
  const { way, lostAt, backAt, members } = storm;
  const all = fates(storm);
  const attempts = all.flatMap(({ attempts }) => attempts);
  const back = all.flatMap(({ back }) => back ?? []);
  const recovered = all.flatMap(({ recovered }) => recovered ?? []);
  const down = backAt - lostAt;

  console.log(`\n${way}: the server was back after ${seconds(down)}`);
  console.log("second  attempts   share    back  recovered");
  const [backIn, recoveredIn] = [perSecond(back), perSecond(recovered)];
  for (const [second, count] of perSecond([...attempts, ...recovered]).entries()) {
    const tried = perSecond(attempts)[second] ?? 0;
    if (count === 0) continue;
    const share = percent(tried / attempts.length);
    const row = [tried, share, backIn[second] ?? 0, recoveredIn[second] ?? 0];
    console.log([second, ...row].map((cell, i) => String(cell).padStart(WIDTHS[i]!)).join(""));
  }
  const perClient = all.map(({ attempts }) => attempts.length);
  const others = members.flatMap(({ connections }) => connections.slice(1))
    .filter(({ by }) => by !== "websocket").length;
  console.log(
    `attempts: ${attempts.length}, ${(attempts.length / members.length).toFixed(2)} a client, ` +
      `at most ${Math.max(...perClient)}; back by another transport than WebSocket: ${others}`,
  );
  console.log(
    `sessions that went on: ${all.filter(({ resumed }) => resumed).length}, ` +
      `clients told of a gap: ${members.filter(({ gaps }) => gaps.length > 0).length}`,
  );
  console.log(
    `server: ${cpu.toFixed(2)} s of a processor until all were back, ` +
      `${cpuOfMessages.toFixed(2)} s of it for messages; ` +
      `${((cpu - cpuOfMessages) / members.length * 1000).toFixed(2)} ms a client`,
  );

  const share = largestShare(attempts);
  const latest = Math.max(...recovered) - down;
  const stay = way === "cut";
  const verdicts: [boolean, string][] = [
    [back.length === members.length, `${back.length} of ${members.length} are back`],
    [recovered.length === members.length, `${recovered.length} hear their channel again`],
    [latest <= BACK_WITHIN_MS, `the last ${seconds(latest)} after the server's return`],
    [share <= LARGEST_SHARE, `the fullest second holds ${percent(share)} of the attempts`],
    [all.every(({ once }) => once), `${all.filter(({ once }) => once).length} heard all once`],
    ...(stay
      ? [[all.every(({ resumed }) => resumed), "every session goes on"] as [boolean, string]]
      : []),
  ];
  for (const [kept, text] of verdicts) console.log(`${kept ? "ok    " : "BROKEN"}  ${text}`);
  return verdicts.every(([kept]) => kept);
}

/** Those of the table's columns. */
const WIDTHS = [6, 10, 8, 8, 11];

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const percent = (part: number) => `${(part * 100).toFixed(1)} %`;

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      clients: { type: "string", default: "2000" },
      down: { type: "string", default: "5" },
      config: { type: "string", default: "" },
    },
  });
  const options = {
    clients: Number(values.clients),
    downMs: Number(values.down) * 1000,
    config: values.config + "\n",
  };
  let kept = true;
  for (const way of WAYS) {
    if (positionals.length > 0 && !positionals.includes(way)) continue;
    kept = report(await measure(way, options)) && kept;
  }
  if (!kept) Deno.exitCode = 1;
}
