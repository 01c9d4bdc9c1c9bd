/**
 * The command line: one command a file, and what it exits with.
 *
 * @module
 */
import { Command, CommanderError } from "commander";
import { addCheck } from "./check.ts";
import { addChannels } from "./channels.ts";
import { type Cli, withVersion } from "./command.ts";
import { addCompletion } from "./completion.ts";
import { addDemo } from "./demo.ts";
import { addDisconnect } from "./disconnect.ts";
import { Failure, reason } from "./failure.ts";
import { addReload } from "./reload.ts";
import { addRestart } from "./restart.ts";
import { addSecret } from "./secret.ts";
import { addSend } from "./send.ts";
import { addServe } from "./serve.ts";
import { addSessions } from "./sessions.ts";
import { addStart } from "./start.ts";
import { addStatus } from "./status.ts";
import { addStop } from "./stop.ts";
import { addTail } from "./tail.ts";
import { complain, writeErr, writeOut } from "./terminal.ts";

const OK = 0;
const FAILED = 1;
const USED_WRONGLY = 2;

const AFTER_HELP = `
'chloe start' runs a server in the background and 'chloe serve' in the foreground; from the source,
'deno task start' is 'chloe serve --demo'.

Every key of the config file is also an environment variable, such as CHLOE_APP_URL for app.url.
Exit codes: 0 done, 1 failed, 2 used wrongly.`;

/** The program with all its commands. */
export function createCli({ clientDir }: { clientDir: string }): Cli {
  const program = withVersion(new Command("chloe"))
    .description("A realtime server that stands beside a web app which only speaks HTTP.")
    .exitOverride()
    .configureOutput({
      writeOut,
      writeErr,
      outputError: (text, write) => write(text.replace(/^error: /, "chloe: ")),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    })
    .helpCommand("help [command]", "say how a command is used")
    .addHelpText("after", AFTER_HELP);
  const cli: Cli = { clientDir, program, exitCode: OK };
  addServe(cli);
  addStart(cli);
  addStop(cli);
  addReload(cli);
  addRestart(cli);
  addStatus(cli);
  addCheck(cli);
  addSecret(cli);
  addSend(cli);
  addTail(cli);
  addChannels(cli);
  addSessions(cli);
  addDisconnect(cli);
  addDemo(cli);
  addCompletion(cli);
  return cli;
}

/** Runs the program with its arguments; resolves to its exit code, once it has nothing more to do. */
export async function run(
  args: readonly string[],
  options: { clientDir: string },
): Promise<number> {
  const cli = createCli(options);
  try {
    await cli.program.parseAsync([...args], { from: "user" });
    return cli.exitCode;
  } catch (error) {
    // Commander throws even to end well, after help or version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : USED_WRONGLY;
    if (error instanceof Failure) {
      error.message.split("\n").forEach(complain);
      return error.exitCode;
    }
    complain(reason(error));
    return FAILED;
  }
}
