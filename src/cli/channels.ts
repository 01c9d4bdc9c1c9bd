/**
 * `chloe channels`: which channels a running server has.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import type { Options } from "./config_options.ts";
import { addServerOptions, findServer } from "./running_server.ts";
import { tableLines, terminalWidth, visible } from "./table.ts";
import { say } from "./terminal.ts";

interface Channel {
  readonly name: string;
  readonly subscribers: number;
  readonly history: boolean;
  readonly presence: boolean;
}

const COLUMNS = [
  { title: "CHANNEL" },
  { title: "SUBSCRIBERS" },
  { title: "HISTORY" },
  { title: "PRESENCE" },
];

/** Adds the command to the program. */
export function addChannels(cli: Cli): void {
  const command = addCommand(cli, "channels [pattern]", channels)
    .description("list the channels of a running server; with a pattern, such as 'chat:*', some");
  addServerOptions(command).option("--json", "a JSON object a line, for programs");
}

async function channels(options: Options, pattern?: string): Promise<number> {
  const server = await findServer(options);
  const rows: string[][] = [];
  for await (
    const channel of server.list<Channel>({
      path: "/api/channels",
      query: { pattern },
      name: "channels",
      what: "list the channels of",
    })
  ) {
    if (options.json === true) say(visible(JSON.stringify(channel)));
    else rows.push(cells(channel));
  }
  if (options.json !== true) tableLines(COLUMNS, rows, terminalWidth()).forEach(say);
  return 0;
}

function cells({ name, subscribers, history, presence }: Channel): string[] {
  return [name, String(subscribers), history ? "yes" : "-", presence ? "yes" : "-"];
}
