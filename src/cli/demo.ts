/**
 * `chloe demo`: the demo app alone, for a Chloe that runs elsewhere.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import { addConfigFile, type Options, requireConfig } from "./config_options.ts";
import { startDemoApp } from "./demo_app.ts";
import { Failure } from "./failure.ts";
import { listeningOf, localUrl } from "./local_url.ts";
import { configureLogging } from "./logging.ts";
import { stopSignals } from "./signals.ts";
import { complain, say } from "./terminal.ts";

/** Adds the command to the program. */
export function addDemo(cli: Cli): void {
  addConfigFile(addCommand(cli, "demo", demo))
    .description("run the demo app alone: it echoes what browsers send, to everyone")
    .option("-p, --port <number>", "the port to listen on", "4567")
    .option("--chloe-url <url>", "where Chloe is (default: as the config says)");
}

async function demo(options: Options): Promise<number> {
  using signals = stopSignals();
  const { config, warnings } = await requireConfig(options);
  for (const warning of warnings) complain(`warning: ${warning}`);
  const port = /^\d{1,5}$/.test(String(options.port)) ? Number(options.port) : NaN;
  if (!(port <= 65_535)) {
    throw new Failure("--port: must be a whole number from 0 to 65535", { exitCode: 2 });
  }
  const chloeUrl = options.chloeUrl === undefined
    ? localUrl(listeningOf(config))
    : String(options.chloeUrl).replace(/\/+$/, "");
  if (!URL.canParse(chloeUrl)) throw new Failure("--chloe-url: must be a URL", { exitCode: 2 });
  await using _logs = await configureLogging(config.log);
  const app = startDemoApp({
    port,
    chloeUrl,
    certFile: options.chloeUrl === undefined ? config.tls.cert : undefined,
    secrets: config.secret,
    signSend: config.secret.length > 0,
    apiKeys: config.api_keys,
  });
  say(`The demo app listens on ${app.url} and answers to Chloe at ${chloeUrl}`);
  say(`Start Chloe with: chloe serve --app-url ${app.url}`);
  await signals.asked;
  await app.shutdown();
  return 0;
}
