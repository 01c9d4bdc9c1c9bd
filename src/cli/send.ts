/**
 * `chloe send`: a message to the browsers of a running server.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import type { Options } from "./config_options.ts";
import { Failure, reason } from "./failure.ts";
import { addServerOptions, findServer } from "./running_server.ts";
import { say } from "./terminal.ts";

/** Adds the command to the program. */
export function addSend(cli: Cli): void {
  const command = addCommand(cli, "send <data>", (options, data) => send(options, data!))
    .description(
      "send a message to the browsers of a running server; to everyone unless told whom",
    );
  addServerOptions(command)
    .option("--channel <name>", "to the sessions in this channel")
    .option("--session <id>", "to this session")
    .option("--user <name>", "to this user's sessions")
    .option("--json", "the data is JSON, not text");
}

async function send(options: Options, data: string): Promise<number> {
  const { channel, session, user } = options;
  const targets = Object.entries({ channel, session, user }).filter(([, name]) =>
    name !== undefined
  );
  if (targets.length > 1) {
    throw new Failure("--channel, --session, --user: give one of them", { exitCode: 2 });
  }
  const message = {
    data: options.json === true ? parseJson(data) : data,
    ...Object.fromEntries(targets),
  };
  const server = await findServer(options);
  const { matched } = await server.post("/send", message, "send to") as { matched: number };
  say(`sent to ${matched} ${matched === 1 ? "session" : "sessions"}`);
  return 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(`--json: the data is not JSON: ${reason(error)}`, { exitCode: 2 });
  }
}
