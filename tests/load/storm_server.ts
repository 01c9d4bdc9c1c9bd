import { freePort } from "../support/app_process.ts";
import type { Address } from "../support/server.ts";
import { startProcess } from "./process.ts";
import { startProxy } from "./storm_proxy.ts";

/**
 * How clients lose a server:
 *
 * - `bye`: it is stopped and says so (SIGTERM), then started again.
 * - `kill`: it ends with no word (SIGKILL), then is started again.
 * - `cut`: it lives on, and the network between is broken.
 */
export type Way = "bye" | "kill" | "cut";

/** A real Chloe that can be lost and come back at the same address. */
export interface StormServer extends AsyncDisposable {
  /** Where clients find it. */
  readonly url: string;
  /** Where the app finds it, if it is there. */
  readonly app: Address;
  /** The process that serves now. */
  readonly pid: number;
  /** Resolves when nobody can reach it. */
  lose(): Promise<void>;
  /** Resolves when it listens, to that moment, in milliseconds since 1970. */
  bring(): Promise<number>;
}

/**
 * Starts one.
 *
 * @param config More lines of its `chloe.toml`.
 */
export async function startStormServer(way: Way, config = ""): Promise<StormServer> {
  return await (way === "cut" ? startBehindProxy(config) : startMortal(way, config));
}

async function startMortal(way: "bye" | "kill", config: string): Promise<StormServer> {
  const port = freePort();
  const start = () => startProcess({ config: `port = ${port}\n${config}` });
  let chloe = await start();
  return {
    url: chloe.url,
    app: { hostname: "127.0.0.1", port },
    get pid() {
      return chloe.pid;
    },
    async lose() {
      chloe.signal(way === "bye" ? "SIGTERM" : "SIGKILL");
      await chloe.ended;
    },
    async bring() {
      chloe = await start();
      const line = await chloe.lineLike(/" listens on /);
      return Date.parse(JSON.parse(line)["@timestamp"]);
    },
    [Symbol.asyncDispose]: async () => void await chloe.stop(),
  };
}

async function startBehindProxy(config: string): Promise<StormServer> {
  const chloe = await startProcess({ config });
  const proxy = startProxy(chloe);
  return {
    url: `http://127.0.0.1:${proxy.port}`,
    app: chloe,
    pid: chloe.pid,
    lose: () => Promise.resolve(proxy.cut()),
    bring() {
      proxy.mend();
      return Promise.resolve(Date.now());
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await chloe.stop();
    },
  };
}

/** Linux counts a process's time in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** How many seconds of a processor a process has used, its own and the kernel's for it. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; what follows is numbers, the third field first.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
