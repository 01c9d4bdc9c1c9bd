import { cpuSeconds, machineSeconds, processTree, residentBytes } from "./usage.ts";

/** The server's memory is looked at so often while it is measured. */
const SAMPLE_MS = 250;

/** What was used up to a moment. */
export interface Reading {
  /** Seconds since the load began. */
  readonly wall: number;
  /** Seconds of a processor that the server used. */
  readonly cpu: number;
  /** Seconds of a processor that the load itself used. */
  readonly own: number;
  /** Seconds of all processors that anything used. */
  readonly machine: number;
  /** The server's resident memory, in bytes. */
  readonly rss: number;
}

/** Shares of a core that were used between two readings: by the server, by the load, by anything else. */
export function sharesOf(
  before: Reading,
  after: Reading,
): { serverShare: number; loadShare: number; othersShare: number } {
  const wall = after.wall - before.wall;
  const [cpu, own] = [after.cpu - before.cpu, after.own - before.own];
  const others = Math.max(0, after.machine - before.machine - cpu - own);
  return { serverShare: cpu / wall, loadShare: own / wall, othersShare: others / wall };
}

/** Reads what a server uses, with all its processes. */
export class Meter {
  /** The most memory that was seen since the last {@linkcode begin}, in bytes. */
  peak = 0;
  readonly #pids: readonly number[];
  #next = 0;

  constructor(pid: number) {
    this.#pids = processTree(pid);
  }

  read(): Reading {
    const rss = residentBytes(this.#pids);
    this.peak = Math.max(this.peak, rss);
    return {
      wall: performance.now() / 1000,
      cpu: cpuSeconds(this.#pids),
      own: cpuSeconds([Deno.pid]),
      machine: machineSeconds(),
      rss,
    };
  }

  /** Reads, and looks for the most memory from here on. */
  begin(): Reading {
    this.peak = 0;
    return this.read();
  }

  /** Looks at the memory, where it is time to. */
  sample(): void {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + SAMPLE_MS;
    this.peak = Math.max(this.peak, residentBytes(this.#pids));
  }
}
