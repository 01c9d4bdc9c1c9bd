/**
 * `chloe tail`: what is published to a channel of a running server, as it comes.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import type { Options } from "./config_options.ts";
import { Failure } from "./failure.ts";
import { addServerOptions, findServer } from "./running_server.ts";
import { stopSignals } from "./signals.ts";
import { visible } from "./table.ts";
import { complain } from "./terminal.ts";

/** What of a frame is shown. */
interface Frame {
  readonly data?: unknown;
  readonly gap?: { readonly missed: number };
  readonly bye?: { readonly reason: string };
}

const EVENT_DATA = "data: ";

/** Adds the command to the program. */
export function addTail(cli: Cli): void {
  const command = addCommand(cli, "tail <channel>", (options, channel) => tail(options, channel!))
    .description("show what is published to a channel of a running server, until Ctrl-C");
  addServerOptions(command)
    .option("--json", "the whole message, with channel and offset; else its data, as JSON");
}

async function tail(options: Options, channel: string): Promise<number> {
  const server = await findServer(options);
  using signals = stopSignals();
  const stop = new AbortController();
  signals.asked.then(() => stop.abort());
  let goodbye = "the server ended it";
  await server.watch(`/api/channels/${encodeURIComponent(channel)}/tail`, {
    what: "watch a channel",
    signal: stop.signal,
    onOpen: () => complain(`watching ${visible(channel)}`),
    onLine(line) {
      if (!line.startsWith(EVENT_DATA)) return; // a sign of life, or the end of an event
      const json = line.slice(EVENT_DATA.length);
      const { data, gap, bye } = JSON.parse(json) as Frame;
      if (gap !== undefined) complain(`too slow: missed ${gap.missed} messages`);
      if (bye !== undefined) goodbye += `: ${visible(bye.reason)}`;
      if (data === undefined) return;
      if (!print(visible(options.json === true ? json : JSON.stringify(data)))) stop.abort();
    },
  });
  if (!stop.signal.aborted) throw new Failure(goodbye);
  return 0;
}

const encoder = new TextEncoder();

/** Writes a line to stdout. @returns Whether somebody reads on: `head` goes when it has enough. */
function print(line: string): boolean {
  const bytes = encoder.encode(`${line}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
