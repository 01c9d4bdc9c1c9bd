/**
 * `chloe status`: whether a server runs.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import { addConfigFile, type Options, readConfig } from "./config_options.ts";
import { addDaemonOptions, daemonFiles, daemonState } from "./daemon.ts";
import { health } from "./health.ts";
import { listeningOf, localUrl } from "./local_url.ts";
import { at } from "./start.ts";
import { complain, say } from "./terminal.ts";

/** Adds the command to the program. */
export function addStatus(cli: Cli): void {
  const command = addCommand(cli, "status", status)
    .description("say whether a server runs: 0 it does, 1 it does not or does not answer");
  addDaemonOptions(addConfigFile(command), { log: false });
}

async function status(options: Options): Promise<number> {
  const { pidFile } = daemonFiles(options);
  const found = await daemonState(pidFile);
  if (found.state === "running") {
    if (found.url !== null && await health(found.url) !== null) {
      say(`Chloe is running${at(found)}`);
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
    return 0;
  }
  const stale = found.state === "stale"
    ? `; the pid file ${pidFile} is stale (process ${found.pid ?? "?"})`
    : "";
  say(`Chloe is not running${stale}`);
  return 1;
}
