/**
 * What the program's commands are called and take, read from the program itself: for the man page and for
 * shells that complete its words.
 *
 * @module
 */
import type { Command } from "commander";

/** An option of a command. */
export interface OptionSynopsis {
  /** Its names, the long one first: `--config`, `-c`. */
  readonly names: readonly string[];
  /** What stands for its value, such as `file`; none for one that is there or not. */
  readonly value?: string;
  /** Whether its value is a file. */
  readonly isFile: boolean;
  readonly description: string;
}

/** A command, or the program itself. */
export interface Synopsis {
  readonly name: string;
  readonly description: string;
  /** What comes after its name, such as `[options] <data>`. */
  readonly usage: string;
  readonly options: readonly OptionSynopsis[];
}

/** The program's own options, and its commands in the help's order. */
export function synopsis(program: Command): Synopsis & { readonly commands: readonly Synopsis[] } {
  const help = program.createHelp();
  return { ...describe(program), commands: help.visibleCommands(program).map(describe) };
}

function describe(command: Command): Synopsis {
  return {
    name: command.name(),
    description: command.description(),
    usage: command.usage(),
    options: command.createHelp().visibleOptions(command).map((option) => {
      const value = /[<[](.+?)[>\]]/.exec(option.flags)?.[1];
      return {
        names: [option.long, option.short].filter((name) => name !== undefined && name !== null),
        ...(value !== undefined && { value }),
        isFile: value === "file",
        description: option.description,
      };
    }),
  };
}
