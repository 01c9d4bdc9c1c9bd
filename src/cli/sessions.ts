/**
 * `chloe sessions`: who is connected to a running server.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import type { Options } from "./config_options.ts";
import { addServerOptions, findServer } from "./running_server.ts";
import { tableLines, terminalWidth, visible } from "./table.ts";
import { say } from "./terminal.ts";

interface Session {
  readonly id: string;
  readonly user: string | null;
  readonly transport: string | null;
  readonly opened: string | null;
  readonly address: string | null;
  readonly client: string | null;
  readonly channels: number;
}

const COLUMNS = [
  { title: "SESSION" }, // whole: it is what `chloe disconnect` wants
  { title: "USER", mayBeCut: true },
  { title: "BY" },
  { title: "CHANNELS" },
  { title: "FOR" },
  { title: "ADDRESS" },
  { title: "CLIENT", mayBeCut: true },
];

/** Adds the command to the program. */
export function addSessions(cli: Cli): void {
  const command = addCommand(cli, "sessions", sessions)
    .description("list the sessions of a running server: who is connected, and how");
  addServerOptions(command)
    .option("--user <name>", "only this user's")
    .option("--channel <name>", "only those in this channel")
    .option("--json", "a JSON object a line, for programs");
}

async function sessions(options: Options): Promise<number> {
  const server = await findServer(options);
  const { user, channel } = options as Readonly<Record<string, string | undefined>>;
  const rows: string[][] = [];
  for await (
    const session of server.list<Session>({
      path: "/api/sessions",
      query: { user, channel },
      name: "sessions",
      what: "list the sessions of",
    })
  ) {
    if (options.json === true) say(visible(JSON.stringify(session)));
    else rows.push(cells(session));
  }
  if (options.json !== true) tableLines(COLUMNS, rows, terminalWidth()).forEach(say);
  return 0;
}

function cells({ id, user, transport, opened, address, client, channels }: Session): string[] {
  return [
    id,
    user ?? "-",
    transport ?? "-",
    String(channels),
    opened === null ? "-" : age(Date.now() - Date.parse(opened)),
    address ?? "-",
    client ?? "-",
  ];
}

/** A time span in its largest unit. */
function age(ms: number): string {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
