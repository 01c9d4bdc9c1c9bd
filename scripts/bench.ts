/**
 * Measures Chloe, and with `--peers` others by the same load: `deno task bench [scenario...]`.
 *
 *     --quick        a small scale, under 90 s: for the figures' existence
 *     --peers        nginx + nchan, NATS, Socket.IO and ws as well
 *     --binary FILE  Chloe's binary in place of its source
 *     --profile      a CPU profile, a flame graph and the hottest functions of each measurement of Chloe, from source
 *     --write        puts the tables and the plot into docs/performance.md
 *     --out FOLDER   where the results go; default: bench
 *
 * It writes results.md, results.svg and results.json into the folder, and ends with 0 where there are any figures.
 * What is there of other scenarios stays: of each the newest run counts.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { Buffer } from "node:buffer";
import { flameGraph, framesOf, hottest } from "./bench/flame.ts";
import type { Figures, Job } from "./bench/jobs.ts";
import { panelsOf, svg } from "./bench/plot.ts";
import { type Circumstances, human, markdown, medians, type Run, withRun } from "./bench/report.ts";
import { type Bench, type Result, SCENARIOS } from "./bench/scenarios.ts";
import {
  type Cores,
  findCores,
  findPeers,
  findProgram,
  installPackages,
  PACKAGES,
  startApp,
  startServer,
} from "./bench/servers.ts";
import type { Kind } from "./bench/targets.ts";

const ROOT = new URL("../", import.meta.url);
const DOCUMENT = new URL("docs/performance.md", ROOT);
const PLOT = new URL("docs/performance.svg", ROOT);

/** What the tables stand between. */
const MARKERS = /(<!-- bench -->\n)([^]*?)(<!-- \/bench -->)/;

/** How often what a minute can change is measured: an odd number, so that there is a median. */
const TURNS = 3;

const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stderr.writeSync(encoder.encode(`${text}\n`));
}

/** Puts what was measured into a document, between its markers. */
export function intoDocument(text: string, tables: string): string {
  if (!MARKERS.test(text)) {
    throw new Error("Cannot write: docs/performance.md has no <!-- bench --> and <!-- /bench -->");
  }
  return text.replace(MARKERS, (_, begin, __, end) => `${begin}\n${tables}\n${end}`);
}

/** The first line of what a program says. */
async function firstLine(program: string, ...args: string[]): Promise<string> {
  const path = await findProgram(program);
  if (path === null) return "";
  const { stdout, stderr } = await new Deno.Command(path, { args }).output();
  return Buffer.concat([stdout, stderr]).toString().trim().split("\n")[0]!;
}

async function circumstances(
  { command, cores, peers }: { command: string; cores: Cores; peers: readonly Kind[] },
): Promise<Circumstances> {
  const cpu = await Deno.readTextFile("/proc/cpuinfo");
  const model = /^model name\s*: (.*)$/m.exec(cpu)?.[1] ?? Deno.build.arch;
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const versions: Record<string, string> = { Deno: Deno.version.deno };
  const version = (text: string) => /\d+(\.\d+)+/.exec(text)?.[0] ?? "?";
  const wrk = version(await firstLine("wrk", "--version"));
  if (wrk !== "?") versions["wrk"] = wrk;
  if (peers.includes("nchan")) {
    versions["nginx"] = version(await firstLine("nginx", "-v"));
    const nchan = await firstLine("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan");
    versions["nchan"] = version(nchan);
  }
  if (peers.includes("nats")) versions["NATS"] = version(await firstLine("nats-server", "-v"));
  if (peers.includes("ws")) {
    versions["Node"] = version(await firstLine("node", "--version"));
    versions["Socket.IO"] = PACKAGES["socket.io"];
    versions["ws"] = PACKAGES.ws;
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    command,
    machine:
      `${navigator.hardwareConcurrency} cores of ${model}, ${memory} GB, Linux ${Deno.osRelease()}`,
    versions,
    cores: cores.server.length > 0
      ? "The server on one core, the load on the other"
      : "The server and the load on the same cores",
  };
}

/** What a run of the bench is to do. */
export interface RunOptions {
  readonly scenarios: readonly string[];
  readonly isQuick: boolean;
  readonly withPeers: boolean;
  /** Whether Chloe is profiled, which costs it some speed. */
  readonly isProfiled?: boolean;
  readonly binary?: string;
  /** An absolute path. */
  readonly folder: string;
  /** How it was called. */
  readonly command: string;
}

/** Measures, and writes the results into the folder. @returns How many there are, and the tables and the plot. */
export async function run(
  options: RunOptions,
): Promise<{ count: number; tables: string; plot: string }> {
  const { scenarios, isQuick, withPeers, isProfiled = false, binary, folder } = options;
  if (Deno.build.os !== "linux") throw new Error("Run the bench on Linux: it reads /proc");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/.gitignore`, "*\n");
  const cores = await findCores();
  let peers: Kind[] = [];
  if (withPeers) {
    const { found, missing } = await findPeers();
    for (const line of missing) say(`left out: ${line}`);
    if (found.includes("ws")) await installPackages(`${folder}/peers`);
    peers = found;
  }
  const results: Result[] = [];
  const begun = performance.now();
  const clock = () => `${Math.round((performance.now() - begun) / 1000)} s`.padStart(6);
  const runFolder = `${folder}/run`;
  const profiles = `${folder}/profiles`;
  const startOptions = {
    ...{ folder: runFolder, cores, denoFlags: [] },
    ...binary !== undefined && { binary },
    ...isProfiled && { denoFlags: ["--cpu-prof", `--cpu-prof-dir=${profiles}`] },
  };
  const bench: Bench = {
    isQuick,
    turns: isQuick || isProfiled ? 1 : TURNS,
    peers,
    start: (kind, more) => startServer(kind, { ...startOptions, ...more }),
    startApp: () => startApp({ ...startOptions, folder: `${folder}/app` }),
    load: (job) => runLoad(job, cores),
    report(result) {
      results.push(result);
      say(`${clock()}  ${result.case} | ${result.server}: ${brief(result.figures)}`);
    },
    fail(scenario, name, server, why) {
      say(`${clock()}  ${scenario}: ${name} | ${server}: failed. ${why}`);
    },
  };
  if (isProfiled) await Deno.remove(profiles, { recursive: true }).catch(() => {});
  const about = await circumstances({ command: options.command, cores, peers });
  const before = await readRuns(folder);
  let written = { tables: "", plot: "" };
  for (const scenario of scenarios) {
    say(`${clock()}  == ${scenario}`);
    await SCENARIOS[scenario]!(bench);
    // After each, so that a bench that is cut off leaves what it has.
    written = await writeResults(folder, withRun(before, { about, results }));
  }
  if (isProfiled) await drawProfiles(profiles, results);
  say(`${clock()}  ${results.length} measurements, in ${folder}`);
  return { count: results.length, ...written };
}

async function writeResults(
  folder: string,
  runs: readonly Run[],
): Promise<{ tables: string; plot: string }> {
  const shown = runs.map(({ about, results }) => ({ about, results: medians(results) }));
  const tables = markdown(shown);
  const plot = svg(panelsOf(shown.flatMap(({ results }) => results)));
  await Deno.writeTextFile(`${folder}/results.md`, tables);
  await Deno.writeTextFile(`${folder}/results.svg`, plot);
  await Deno.writeTextFile(`${folder}/results.json`, json(runs));
  return { tables, plot };
}

/** Beside each profile its flame graph, and the hottest functions of all of them as a list. */
async function drawProfiles(folder: string, results: readonly Result[]): Promise<void> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".cpuprofile"));
  // Their names begin with the time, and servers are started one after the other.
  names.sort();
  const own = results.filter(({ server }) => server === "chloe");
  for (const [index, name] of names.entries()) {
    const root = framesOf(JSON.parse(await Deno.readTextFile(`${folder}/${name}`)));
    await Deno.writeTextFile(
      `${folder}/${name.replace(/\.cpuprofile$/, ".svg")}`,
      flameGraph(root),
    );
    say(`profile ${name}: ${own.length === names.length ? own[index]!.case : "of Chloe"}`);
    for (const { name, percent } of hottest(root, 25)) {
      say(`${percent.toFixed(1).padStart(6)} %  ${name}`);
    }
  }
}

/** All figures, for programs and for the next run. */
export function json(runs: readonly Run[]): string {
  return `${JSON.stringify({ runs }, null, 2)}\n`;
}

/** What earlier runs left in the folder: one that measures a single scenario leaves the others as they were. */
async function readRuns(folder: string): Promise<Run[]> {
  try {
    return JSON.parse(await Deno.readTextFile(`${folder}/results.json`)).runs;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function brief(figures: Figures): string {
  const { cpuUs, perSecond, p99, connectCpuUs, kbPerConnection, idleCpuPercent } = figures;
  return [
    ...cpuUs === undefined ? [] : [`${human(cpuUs)} µs each`],
    ...perSecond === undefined ? [] : [`${human(perSecond)}/s`],
    ...p99 === undefined ? [] : [`p99 ${human(p99)} ms`],
    ...kbPerConnection === undefined ? [] : [`${human(kbPerConnection)} KB a connection`],
    ...connectCpuUs === undefined ? [] : [`${human(connectCpuUs)} µs to connect`],
    ...idleCpuPercent === undefined ? [] : [`${human(idleCpuPercent)} % idle`],
  ].join(", ");
}

async function runLoad(job: Job, { load }: Cores): Promise<Figures> {
  const script = new URL("bench/load.ts", import.meta.url).pathname;
  const limit = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';
  const deno = [Deno.execPath(), "run", "--allow-all", script, JSON.stringify(job)];
  const [program, ...args] = [...load, "/bin/sh", "-c", limit, "sh", ...deno];
  const { success, stdout, stderr } = await new Deno.Command(program!, { args }).output();
  if (!success) throw new Error(`The load failed: ${new TextDecoder().decode(stderr).trim()}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      peers: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      binary: { type: "string" },
      out: { type: "string", default: "bench" },
    },
  });
  const names = Object.keys(SCENARIOS);
  const unknown = positionals.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    say(`Name one of ${names.map((name) => `"${name}"`).join(", ")}, not "${unknown[0]}"`);
    Deno.exit(2);
  }
  const absolute = (path: string) => new URL(path, `file://${Deno.cwd()}/`).pathname;
  const { count, tables, plot } = await run({
    scenarios: positionals.length > 0 ? positionals : names,
    isQuick: values.quick,
    withPeers: values.peers,
    isProfiled: values.profile,
    ...values.binary !== undefined && { binary: absolute(values.binary) },
    folder: absolute(values.out),
    command: ["scripts/deno task bench", ...Deno.args].join(" "),
  });
  Deno.stdout.writeSync(encoder.encode(tables));
  if (count === 0) Deno.exit(1);
  if (values.write) {
    const text = await Deno.readTextFile(DOCUMENT);
    await Deno.writeTextFile(DOCUMENT, intoDocument(text, tables));
    await Deno.writeTextFile(PLOT, plot);
    await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", DOCUMENT.pathname, PLOT.pathname],
    })
      .output();
  }
}
