/**
 * `chloe serve`: the server in the foreground.
 *
 * @module
 */
import type { Command } from "commander";
import { getLogger } from "@logtape/logtape";
import type { Config } from "../config/schema.ts";
import { type RunningServer, startServer } from "../server.ts";
import { createWebhookSecret } from "../signing/secrets.ts";
import { addCommand, type Cli } from "./command.ts";
import { addConfigOptions, type Options, requireConfig } from "./config_options.ts";
import { startDemoApp } from "./demo_app.ts";
import { Failure, reason } from "./failure.ts";
import { isSocketUrl, listeningOf, localUrl } from "./local_url.ts";
import { configureLogging } from "./logging.ts";
import { PidFile, pidFileRemedy } from "./pid_file.ts";
import { ReloadNote } from "./reload_note.ts";
import { Reloader } from "./reloader.ts";
import { serviceManager } from "./service_manager.ts";
import { reloadSignals, stopSignals } from "./signals.ts";
import { catchStrays } from "./strays.ts";
import { VERSION } from "./version.ts";

const logger = getLogger(["chloe", "cli"]);

/** What a shutdown takes at most beyond `shutdown_timeout`, with room to spare: goodbyes to app and browsers. */
const GOODBYES_MS = 10_000;

/** Adds the command to the program. */
export function addServe(cli: Cli): void {
  const command = addCommand(cli, "serve", (options) => serve(options, cli))
    .description(
      "run a server in the foreground, until SIGTERM or SIGINT; SIGHUP: read the config anew",
    );
  addServeOptions(command)
    .option(
      "--pid-file <file>",
      "keep the process id in the first line of this file while the server runs",
    );
}

/** Adds the options that `serve` and the daemon's commands share. */
export function addServeOptions(command: Command): Command {
  return addConfigOptions(command)
    .option("--demo", "serve the built-in demo app where no app.url is configured");
}

async function serve(options: Options, { clientDir }: Cli): Promise<number> {
  const reloads = reloadSignals();
  using stops = stopSignals();
  const { config, warnings, file } = await requireConfig(options);
  using pidFile = await claimPidFile(options.pidFile);
  await using logs = await configureLogging(config.log);
  using _net = catchStrays();
  for (const warning of warnings) logger.warn("{warning}", { warning });
  const withDemo = options.demo === true && config.app.url === undefined;
  await using server = withDemo
    ? await startWithDemo(config, clientDir)
    : await startServer({ config, version: VERSION, clientDir });
  const url = localUrl({ ...listeningOf(config), port: server.port });
  pidFile?.publish(url);
  using note = typeof options.pidFile === "string" ? new ReloadNote(options.pidFile) : null;
  logger.info("Chloe {version} listens on {url} (process {pid}, config file: {file})", {
    version: VERSION,
    url: server.url,
    port: server.port,
    pid: Deno.pid,
    file: file ?? "none",
  });
  if (!isSocketUrl(url)) logger.info("Status page: {page}", { page: `${url}/` });
  logger.info("Say hello to every page that listens: {command}", { command: hello(config, url) });
  const manager = serviceManager(Deno.env.toObject());
  const listening = `Listening on ${server.url}`;
  await manager.ready(listening);
  const reloader = new Reloader({
    ...{ options, file, server, logs, note },
    starting: () => manager.reloading(),
    done: () => manager.ready(listening),
  });
  reloads.onReload(() => reloader.request());
  return await serveUntilAsked(server, {
    asked: [stops.asked, reloads.orphaned],
    stopping: () => manager.stopping(config.shutdown_timeout + GOODBYES_MS),
  });
}

async function serveUntilAsked(
  server: RunningServer,
  { asked, stopping }: {
    readonly asked: readonly Promise<string>[];
    stopping(): Promise<void>;
  },
): Promise<number> {
  const signal = await Promise.race([...asked, server.finished]);
  if (signal === undefined) {
    logger.error("The server ended by itself");
    return 1;
  }
  logger.info("Stopping, asked by {signal}; a second signal ends it at once", { signal });
  await stopping();
  await server.shutdown();
  logger.info("Stopped");
  return 0;
}

async function claimPidFile(path: Options[string]): Promise<PidFile | null> {
  if (typeof path !== "string") return null;
  let pidFile: PidFile | null;
  try {
    pidFile = await PidFile.claim(path);
  } catch (error) {
    throw new Failure(
      `Cannot start: cannot write the pid file ${path}: ${reason(error)}; ${pidFileRemedy(error)}`,
      { cause: error },
    );
  }
  if (pidFile !== null) return pidFile;
  throw new Failure(
    `Cannot start: a running process, most likely a Chloe, holds the pid file ${path}: ` +
      "stop that first, or name another file with --pid-file",
  );
}

/** Starts the demo app and a server for it. */
async function startWithDemo(config: Config, clientDir: string): Promise<RunningServer> {
  const guarded = config.secret.length + config.api_keys.length > 0;
  // A config without any keys leaves /send open to this machine; events are signed all the same.
  const secrets = guarded ? config.secret : [createWebhookSecret()];
  let chloeUrl = "";
  const demo = startDemoApp({
    port: 0,
    chloeUrl: () => chloeUrl,
    certFile: config.tls.cert,
    secrets,
    signSend: config.secret.length > 0,
    apiKeys: config.api_keys,
  });
  const withDemo = (config: Config): Config =>
    config.app.url !== undefined
      ? config
      : { ...config, app: { ...config.app, url: demo.url, format: "json", events: ["message"] } };
  try {
    const server = await startServer({
      config: withDemo(config),
      version: VERSION,
      clientDir,
      demo: true,
      appSecrets: secrets,
    });
    chloeUrl = localUrl({ ...listeningOf(config), port: server.port });
    logger.info("The built-in demo app answers, at {url}", { url: demo.url });
    const shutdown = async () => {
      await server.shutdown();
      await demo.shutdown();
    };
    const reload = async (config: Config) => {
      const reloaded = await server.reload(withDemo(config));
      if (reloaded.ok) {
        demo.configure({
          secrets: config.secret.length > 0 ? config.secret : secrets,
          signSend: config.secret.length > 0,
          apiKeys: config.api_keys,
        });
      }
      return reloaded;
    };
    return { ...server, reload, shutdown, [Symbol.asyncDispose]: shutdown };
  } catch (error) {
    await demo.shutdown();
    throw error;
  }
}

/** A command that sends something, to be pasted into a terminal. */
function hello(config: Config, url: string): string {
  return config.secret.length + config.api_keys.length > 0 || config.tls.cert !== undefined
    ? "chloe send hello"
    : `curl -d 'data=hello' ${url}/send`;
}
