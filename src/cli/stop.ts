/**
 * `chloe stop`: ends the server in the background.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import { addConfigFile, type Options, readConfig } from "./config_options.ts";
import { addDaemonOptions, daemonFiles, daemonState, isOwn, stopDaemon } from "./daemon.ts";
import { Failure } from "./failure.ts";
import { say } from "./terminal.ts";

const DEFAULT_DRAIN_MS = 10_000;
/** What a daemon gets beyond `shutdown_timeout` before it is killed. */
const PATIENCE_MS = 5000;

/** Adds the command to the program. */
export function addStop(cli: Cli): void {
  const command = addCommand(cli, "stop", stop)
    .description("end the server in the background; done when what it had accepted is done");
  addDaemonOptions(addConfigFile(command), { log: false });
}

/** Stops the daemon. One that does not run is no failure. */
export async function stop(options: Options): Promise<number> {
  const { pidFile } = daemonFiles(options);
  const found = await daemonState(pidFile);
  if (found.state !== "running") {
    say("Chloe is not running");
    return 0;
  }
  const { pid } = found;
  if (pid === null) throw new Failure(`Cannot stop: ${pidFile} is held, but names no process`);
  if (!await isOwn(pid, found.url)) {
    throw new Failure(
      `Cannot stop: process ${pid}, which ${pidFile} names, does not answer as Chloe; end it by hand`,
    );
  }
  const { config } = await readConfig(options);
  const timeoutMs = (config?.shutdown_timeout ?? DEFAULT_DRAIN_MS) + PATIENCE_MS;
  if (await stopDaemon(pid, { pidFile, timeoutMs }) === "killed") {
    throw new Failure(`Process ${pid} did not end within ${timeoutMs / 1000} s and was killed`);
  }
  say(`Chloe (process ${pid}) has stopped`);
  return 0;
}
