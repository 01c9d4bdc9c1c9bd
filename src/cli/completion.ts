/**
 * `chloe completion`: what makes a shell complete the words of the other commands.
 *
 * @module
 */
import { addCommand, type Cli } from "./command.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completion_scripts.ts";
import { Failure } from "./failure.ts";
import { synopsis } from "./synopsis.ts";
import { writeOut } from "./terminal.ts";

const SHELLS = new Map([
  ["bash", bashCompletion],
  ["zsh", zshCompletion],
  ["fish", fishCompletion],
]);

/** Adds the command to the program. */
export function addCompletion(cli: Cli): void {
  const names = [...SHELLS.keys()];
  addCommand(cli, "completion <shell>", (_options, shell) => {
    const script = SHELLS.get(shell!);
    if (script === undefined) {
      throw new Failure(`completion: must be one of ${names.join(", ")}`, { exitCode: 2 });
    }
    writeOut(script(synopsis(cli.program)));
    return Promise.resolve(0);
  }).description(`print the completions of a shell: ${names.join(", ")}`);
}
