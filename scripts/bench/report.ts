import { type Figures, limitOf } from "./jobs.ts";
import type { Result } from "./scenarios.ts";

/** The machine and the programs that figures are of. */
export interface Circumstances {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  /** How the server and the load shared the machine. */
  readonly cores: string;
}

function whole(count: number): string {
  return count.toLocaleString("en-GB");
}

interface Column {
  readonly title: string;
  /** A cell of a result; `chloe` is Chloe's in the same case. Empty where it has none. */
  cell(result: Result, chloe: Result | undefined): string;
}

/** A number as one reads it: three digits that count, thousands apart. */
export function human(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(Number(value.toPrecision(3))).toLocaleString("en-GB");
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

function figure(title: string, take: (figures: Figures) => number | undefined): Column {
  return { title, cell: ({ figures }) => human(take(figures)) };
}

/** Chloe's figure as a share of a peer's: below 1 it is the smaller one. */
function ratio(title: string, take: (figures: Figures) => number | undefined): Column {
  return {
    title,
    cell({ server, figures }, chloe) {
      const [own, peer] = [chloe && take(chloe.figures), take(figures)];
      if (server === "chloe" || !own || !peer) return "";
      return (own / peer).toFixed(2);
    },
  };
}

const CASE: Column = { title: "case", cell: (result) => result.case };
const SERVER: Column = { title: "server", cell: (result) => result.server };
const CPU = figure("server CPU µs/message", ({ cpuUs }) => cpuUs);
const CPU_RATIO = ratio("CPU, Chloe : it", ({ cpuUs }) => cpuUs);
const RATE = figure("delivered/s", ({ perSecond }) => perSecond);
const RATE_RATIO = ratio("delivered/s, Chloe : it", ({ perSecond }) => perSecond);
const COME: Column = {
  title: "% arrived",
  cell({ figures: { delivered, expected } }) {
    if (delivered === undefined || !expected) return "";
    return delivered === expected
      ? "100"
      : (Math.floor(delivered / expected * 10_000) / 100).toFixed(2);
  },
};
const P50 = figure("p50 ms", ({ p50 }) => p50);
const P99 = figure("p99 ms", ({ p99 }) => p99);
/** How much worse it is than with nothing that presses. */
const P99_RATIO: Column = {
  title: "p99 : unpressed",
  cell({ unpressedP99, figures: { p99 } }) {
    return p99 && unpressedP99 ? (p99 / unpressedP99).toFixed(2) : "";
  },
};
const MAX = figure("max ms", ({ max }) => max);
const RSS = figure("RSS MB", ({ rssMb }) => rssMb);
const KB = figure("KB/connection", ({ kbPerConnection }) => kbPerConnection);
const CONNECT = figure("CPU µs to connect", ({ connectCpuUs }) => connectCpuUs);
const LOAD_CPU = figure("load CPU µs/message", ({ loadCpuUs }) => loadCpuUs);
const SHARE = figure(
  "server, % of a core",
  ({ serverShare }) => serverShare === undefined ? undefined : serverShare * 100,
);
const OTHERS = figure(
  "others, % of a core",
  ({ othersShare }) => othersShare === undefined ? undefined : othersShare * 100,
);
const LIMIT: Column = {
  title: "full core",
  cell: ({ figures }) => figures.serverShare === undefined ? "" : limitOf(figures),
};
const NOTE: Column = {
  title: "and",
  cell({ counted, turns, figures }) {
    const { failed, ended, closes, churned, flooded, hugeFrames, commanded, beyondIn } = figures;
    return [
      ...Object.entries(counted ?? {}).map(([what, times]) => `${whole(times)} ${what}`),
      ...beyondIn === undefined ? [] : [`${beyondIn} of those beyond got in`],
      ...churned === undefined ? [] : [`${whole(churned)} came and went`],
      ...hugeFrames === undefined ? [] : [`${whole(hugeFrames)} huge frames`],
      ...commanded === undefined ? [] : [`${human(commanded)} flooding commands/s`],
      ...flooded === undefined ? [] : [`${human(flooded)} flooding requests/s`],
      ...failed ? [`${whole(failed)} requests not done`] : [],
      ...ended ? [`${whole(ended)} ended`] : [],
      ...Object.entries(closes ?? {}).map(([why, times]) => `${whole(times)} by ${why}`),
      ...turns === undefined ? [] : [turns],
    ].join("; ");
  },
};

/** The columns of each scenario's table; one that stays empty is left out. */
const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  "fan-out": [
    ...[
      CASE,
      SERVER,
      CPU,
      CPU_RATIO,
      RATE,
      RATE_RATIO,
      COME,
      P50,
      P99,
      RSS,
      LOAD_CPU,
      LIMIT,
      OTHERS,
      NOTE,
    ],
  ],
  connections: [
    ...[CASE, SERVER, {
      title: "connected",
      cell: ({ figures }: Result) => whole(figures.connections),
    }, KB],
    ...[ratio("KB, Chloe : it", ({ kbPerConnection }) => kbPerConnection), CONNECT],
    ratio("CPU, Chloe : it", ({ connectCpuUs }) => connectCpuUs),
    figure("idle, % of a core", ({ idleCpuPercent }) => idleCpuPercent),
    ...[COME, NOTE],
  ],
  "publish-and-relay": [
    ...[CASE, SERVER, figure("done/s", ({ perSecond }) => perSecond)],
    ratio("done/s, Chloe : it", ({ perSecond }) => perSecond),
    figure("server CPU µs each", ({ cpuUs }) => cpuUs),
    figure("load CPU µs each", ({ loadCpuUs }) => loadCpuUs),
    ...[P50, P99, RSS, LIMIT, OTHERS, NOTE],
  ],
  size: [CASE, CPU, RATE, COME, P50, P99, KB, CONNECT, RSS, LIMIT, OTHERS, NOTE],
  pressure: [CASE, SHARE, RATE, COME, P50, P99, P99_RATIO, MAX, RSS, LIMIT, OTHERS, NOTE],
};

/**
 * Of each server in each case one result: where it was measured in turns, the one whose CPU is the median (the upper
 * one, where a turn failed and two are left), with what was counted in all of them. It stands where the first stood.
 */
export function medians(results: readonly Result[]): Result[] {
  const cases = Map.groupBy(results, (result) => JSON.stringify([result.scenario, result.case]));
  return [...cases.values()].flatMap((of) => {
    const servers = [...Map.groupBy(of, ({ server }) => server).values()];
    const inTurns = servers.some((turns) => turns.length > 1);
    return servers.map((turns) => inTurns ? medianOf(turns) : turns[0]!);
  });
}

function medianOf(turns: readonly Result[]): Result {
  const sorted = turns.toSorted((a, b) => cpuOf(a) - cpuOf(b));
  const [least, most] = [cpuOf(sorted[0]!), cpuOf(sorted.at(-1)!)];
  const count = turns.length === 1 ? "1 turn" : `${turns.length} turns`;
  const median = sorted[Math.floor(sorted.length / 2)]!;
  const all = turns.map(({ figures }) => figures);
  const sums: Partial<Figures> = summed(
    all.map(({ failed, ended, delivered, expected }) => ({ failed, ended, delivered, expected })),
  );
  const closes = summed(all.map(({ closes }) => closes ?? {}));
  return {
    ...median,
    figures: { ...median.figures, ...sums, closes },
    counted: summed(turns.map(({ counted }) => counted ?? {})),
    turns: `${count} of ${human(least)} to ${human(most)} µs`,
  };
}

/** The sums of numbers by their names. */
function summed<Name extends string>(
  all: readonly Readonly<Partial<Record<Name, number | undefined>>>[],
): Record<Name, number> {
  const sums: Record<string, number> = {};
  for (const numbers of all) {
    for (const [name, number] of Object.entries<number | undefined>(numbers)) {
      if (number !== undefined) sums[name] = (sums[name] ?? 0) + number;
    }
  }
  return sums as Record<Name, number>;
}

function cpuOf({ figures: { cpuUs, connectCpuUs } }: Result): number {
  return cpuUs ?? connectCpuUs ?? 0;
}

/** What one call of the bench came to. */
export interface Run {
  readonly about: Circumstances;
  readonly results: readonly Result[];
}

/** The runs with a new one: of each scenario only the newest is kept, so that ratios are from one run. */
export function withRun(runs: readonly Run[], run: Run): Run[] {
  const measured = new Set(run.results.map(({ scenario }) => scenario));
  const kept = runs.map(({ about, results }) => ({
    about,
    results: results.filter(({ scenario }) => !measured.has(scenario)),
  }));
  return [...kept, run].filter(({ results }) => results.length > 0);
}

/** The results, a table a scenario, as Markdown. */
export function markdown(runs: readonly Run[]): string {
  const parts: string[] = [];
  for (const [scenario, columns] of Object.entries(COLUMNS)) {
    for (const { about, results } of runs) {
      const own = results.filter((result) => result.scenario === scenario);
      if (own.length === 0) continue;
      const heading = scenario[0]!.toUpperCase() + scenario.slice(1);
      parts.push(`### ${heading}`, caption(about), table(own, columns));
    }
  }
  return parts.join("\n\n") + "\n";
}

function caption({ command, date, machine, cores, versions }: Circumstances): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `\`${command}\`, ${date}. ${machine}. ${cores}. ${programs.join(", ")}.`;
}

function table(results: readonly Result[], columns: readonly Column[]): string {
  const cells = results.map((result) => {
    const chloe = results.find((other) => other.case === result.case && other.server === "chloe");
    return columns.map((column) => column.cell(result, chloe));
  });
  const kept = columns.map((_, index) => cells.some((row) => row[index] !== ""));
  const rows = [columns.map(({ title }) => title), ...cells].map((row) =>
    row.filter((_, index) => kept[index])
  );
  const widths = rows[0]!.map((_, index) => Math.max(3, ...rows.map((row) => row[index]!.length)));
  const isText = (index: number) =>
    rows.slice(1).some((row) => /[^\d.,\s-]/.test(row[index]!) || row[index] === "-");
  const line = (row: readonly string[]) =>
    `| ${
      row.map((cell, index) =>
        isText(index) ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)
      ).join(" | ")
    } |`;
  const rule = `| ${
    widths.map((width, index) => isText(index) ? "-".repeat(width) : "-".repeat(width - 1) + ":")
      .join(" | ")
  } |`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join("\n");
}
