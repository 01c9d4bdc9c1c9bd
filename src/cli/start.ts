/**
 * `chloe start`: the server in the background.
 *
 * @module
 */
import type { Config } from "../config/schema.ts";
import { addCommand, type Cli } from "./command.ts";
import { configArguments, type Options, requireServable } from "./config_options.ts";
import {
  addDaemonOptions,
  daemonFiles,
  rememberStart,
  settledState,
  startDaemon,
} from "./daemon.ts";
import { Failure, reason } from "./failure.ts";
import { addServeOptions } from "./serve.ts";
import { complain, say } from "./terminal.ts";

const START_TIMEOUT_MS = 30_000;

/** Adds the command to the program. */
export function addStart(cli: Cli): void {
  const command = addCommand(cli, "start", start)
    .description("run a server in the background; done when it answers");
  addDaemonOptions(addServeOptions(command), { log: true });
}

/** Starts the daemon that `options` describe. A daemon that runs already is left alone, and is no failure. */
export async function start(options: Options): Promise<number> {
  // What is wrong with the config is better said here than in the log.
  const { config, warnings, file } = await requireServable(options);
  for (const warning of warnings) complain(warning);
  const files = daemonFiles(options);
  const before = await settledState(files.pidFile, { timeoutMs: START_TIMEOUT_MS });
  if (before.state === "running") {
    say(`Chloe is running already${at(before)}`);
    return 0;
  }
  if (before.state === "stale") {
    complain(
      `the pid file ${files.pidFile} is stale (process ${before.pid ?? "?"}): starting anew`,
    );
  }
  const args = [...configArguments(options), "--pid-file", files.pidFile];
  if (options.demo === true) args.push("--demo");
  const started = await startDaemon(args, {
    ...files,
    firstLine: firstLine(config),
    timeoutMs: START_TIMEOUT_MS,
  });
  if ("pid" in started) {
    try {
      await rememberStart(files.pidFile, {
        ...options,
        ...files,
        ...(file !== undefined && { config: await Deno.realPath(file) }),
      });
    } catch (error) {
      complain(`cannot keep its flags for 'chloe restart', give them again then: ${reason(error)}`);
    }
    say(`Chloe is running${at(started)}, log ${files.logFile}`);
    return 0;
  }
  // Of two starts at once the other may have been first.
  const after = await settledState(files.pidFile, { timeoutMs: START_TIMEOUT_MS });
  if (after.state === "running") {
    say(`Chloe is running already${at(after)}`);
    return 0;
  }
  throw new Failure(
    [
      `Cannot start: ${started.why}; the log ${files.logFile} ends with`,
      ...started.lines.map((line) => `  ${line}`),
    ].join("\n"),
  );
}

function firstLine({ log: { format } }: Config): string {
  const message = "Started by 'chloe start'";
  return format === "pretty" ? message : JSON.stringify({
    "@timestamp": new Date().toISOString(),
    level: "INFO",
    message,
    logger: "chloe.cli",
    properties: {},
  });
}

/** Where a server is, to be put after a verb: ` (process 7) at http://127.0.0.1:8901`. */
export function at({ pid, url }: { pid: number | null; url: string | null }): string {
  return `${pid === null ? "" : ` (process ${pid})`}${url === null ? "" : ` at ${url}`}`;
}
