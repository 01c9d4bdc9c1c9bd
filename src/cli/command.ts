/**
 * What every command shares: help, version, and what the program exits with.
 *
 * @module
 */
import type { Command } from "commander";
import type { Options } from "./config_options.ts";
import { VERSION_LINE } from "./version.ts";

/** What a command is given beside its options. */
export interface Cli {
  /** The folder of the built client files. */
  readonly clientDir: string;
  readonly program: Command;
  /** What the program will exit with. */
  exitCode: number;
}

/** A command's work; resolves to the exit code. */
export type Action = (options: Options, ...words: string[]) => Promise<number>;

/** Adds the command `name` to the program. `name` may carry arguments: `send <data>`. */
export function addCommand(cli: Cli, name: string, action: Action): Command {
  const command = withVersion(cli.program.command(name));
  return command.action(async (...passed: unknown[]) => {
    const words = passed.slice(0, -2) as string[]; // commander adds the options and the command
    cli.exitCode = await action(command.opts(), ...words);
  });
}

/** Adds `--version`. */
export function withVersion(command: Command): Command {
  return command.version(VERSION_LINE, "-V, --version", "say which version this is");
}
