/**
 * `chloe disconnect`: sends a session, or all of a user's, away from a running server.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import type { Options } from "./config_options.ts";
import { Failure } from "./failure.ts";
import { addServerOptions, findServer } from "./running_server.ts";
import { say } from "./terminal.ts";

/** Adds the command to the program. */
export function addDisconnect(cli: Cli): void {
  const command = addCommand(cli, "disconnect", disconnect)
    .description("end a session of a running server, or all of a user's");
  addServerOptions(command)
    .option("--session <id>", "this session")
    .option("--user <name>", "all of this user's sessions")
    .option("--reason <text>", "what the browser is told")
    .option("--reconnect", "let the client come back after a while; else it stays away");
}

async function disconnect(options: Options): Promise<number> {
  const { session, user, reason, reconnect = false } = options;
  if ((session === undefined) === (user === undefined)) {
    throw new Failure("--session, --user: give one of them", { exitCode: 2 });
  }
  const path = session !== undefined
    ? `/api/sessions/${encodeURIComponent(String(session))}/disconnect`
    : `/api/users/${encodeURIComponent(String(user))}/disconnect`;
  const server = await findServer(options);
  const body = { ...(reason !== undefined && { reason }), reconnect };
  const { disconnected } = await server.post(path, body, "disconnect by") as {
    disconnected: number;
  };
  say(`disconnected ${disconnected} ${disconnected === 1 ? "session" : "sessions"}`);
  return 0;
}
