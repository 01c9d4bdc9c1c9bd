/**
 * `chloe status`: whether a server runs, and how it is.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import { addCommand, type Cli } from "./command.ts";
import { addConfigFile, type Options, readConfig } from "./config_options.ts";
import { addDaemonOptions, daemonFiles, daemonState, recallStart } from "./daemon.ts";
import { Failure } from "./failure.ts";
import { health } from "./health.ts";
import { listeningOf, localUrl } from "./local_url.ts";
import { readReloadNote, remarks } from "./reload_note.ts";
import { numberLines } from "./numbers.ts";
import { RunningServer } from "./running_server.ts";
import { at } from "./start.ts";
import { complain, say } from "./terminal.ts";

/** Adds the command to the program. */
export function addStatus(cli: Cli): void {
  const command = addCommand(cli, "status", status)
    .description(
      "say whether a server runs, and how it is: 0 it does, 1 it does not or does not answer",
    );
  addDaemonOptions(addConfigFile(command), { log: false });
}

async function status(options: Options): Promise<number> {
  const { pidFile } = daemonFiles(options);
  const found = await daemonState(pidFile);
  if (found.state === "running") {
    if (found.url !== null && await health(found.url) !== null) {
      say(`Chloe is running${at(found)}`);
      for (const line of remarks(await readReloadNote(pidFile))) say(line);
      // Its config is the one that it was started with, flags and all, wherever this is asked.
      const { config } = await readConfig({ ...await recallStart(pidFile), ...options });
      await sayNumbers(found.url, config);
      return 0;
    }
    complain(`Chloe${at(found)} runs, but does not answer`);
    return 1;
  }
  const { config } = await readConfig(options);
  const url = config === undefined ? null : localUrl(listeningOf(config));
  const other = url === null ? null : await health(url);
  if (other !== null) {
    say(`Chloe is running${at({ pid: other.pid, url })}, not as the daemon of ${pidFile}`);
    await sayNumbers(url!, config);
    return 0;
  }
  const stale = found.state === "stale"
    ? `; the pid file ${pidFile} is stale (process ${found.pid ?? "?"})`
    : "";
  say(`Chloe is not running${stale}`);
  return 1;
}

/**
 * Says what the server at `url` counts. That it runs is known: what cannot be read changes nothing about it.
 *
 * @param config Its config, where that can be read.
 */
async function sayNumbers(url: string, config: Config | undefined): Promise<void> {
  const server = new RunningServer(url, config ?? { api_keys: [], secret: [] }, config?.tls.cert);
  try {
    const lines = numberLines(await server.get("/api/stats", "read the numbers of"));
    lines.forEach(say);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    complain(error.message);
    // Without it there is no key to show.
    if (config === undefined) complain("The config has a problem: 'chloe check' says which");
  }
}
