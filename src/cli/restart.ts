/**
 * `chloe restart`: ends the server in the background, and starts it anew.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import { type Options, requireServable } from "./config_options.ts";
import { addDaemonOptions, daemonFiles, recallStart } from "./daemon.ts";
import { addServeOptions } from "./serve.ts";
import { start } from "./start.ts";
import { stop } from "./stop.ts";

/** Adds the command to the program. */
export function addRestart(cli: Cli): void {
  const command = addCommand(cli, "restart", restart)
    .description("stop, then start as before; flags and a config that are given now count more");
  addDaemonOptions(addServeOptions(command), { log: true });
}

async function restart(given: Options): Promise<number> {
  const { pidFile } = daemonFiles(given);
  const options = { ...await recallStart(pidFile), ...given };
  await requireServable(options); // before the old one is stopped for a config that cannot start
  await stop(options);
  return await start(options);
}
