/**
 * Scripts that make a shell complete Chloe's commands and flags.
 *
 * @module
 */
import type { OptionSynopsis, Synopsis } from "./synopsis.ts";

/** What a script is made of. */
export type Program = Synopsis & { readonly commands: readonly Synopsis[] };

/** For bash 3.2 and later, without the package bash-completion. */
export function bashCompletion(program: Program): string {
  const all = [program, ...program.commands].flatMap(({ options }) => options);
  const names = (options: readonly OptionSynopsis[]) => [
    ...new Set(options.flatMap(({ names }) => names)),
  ];
  const files = names(all.filter(({ isFile }) => isFile));
  const values = names(all.filter(({ value, isFile }) => value !== undefined && !isFile));
  const words = (words: readonly string[]) => `words="${words.join(" ")}"`;
  return `# bash completions of ${program.name}; put where bash looks for them by: ${program.name} completion bash
_${program.name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command="" words="" i
  COMPREPLY=()
  # bash takes --flag=value for three words
  if [ "$cur" = "=" ]; then cur=""; fi
  if [ "$prev" = "=" ]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      -*) ;;
      *) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $prev in
    ${files.join(" | ")})
      compopt -o filenames 2>/dev/null
      local IFS=$'\\n'
      COMPREPLY=($(compgen -f -- "$cur"))
      return
      ;;
    ${values.join(" | ")}) return ;;
  esac
  case $command in
    "") ${words([...program.commands.map(({ name }) => name), ...names(program.options)])} ;;
${
    program.commands.map(({ name, options }) =>
      `    ${name}) ${words(name === "help" ? commandNames(program) : names(options))} ;;\n`
    ).join("")
  }  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _${program.name} ${program.name}
`;
}

/** For zsh: a file called `_chloe` in a folder of its `fpath`. */
export function zshCompletion(program: Program): string {
  const commands = program.commands.map(({ name, description }) =>
    `    ${quoted(`${name}:${description}`)}\n`
  );
  const cases = program.commands.map(({ name, options }) =>
    name === "help"
      ? `    help) _describe -t commands 'command' commands ;;\n`
      : `    ${name})\n      _arguments -s${
        options.map(zshOption).join("")
      } \\\n        '*: :_default'\n      ;;\n`
  );
  return `#compdef ${program.name}
# zsh completions of ${program.name}, made by: ${program.name} completion zsh
_${program.name}() {
  local -a commands
  commands=(
${commands.join("")}  )
  if (( CURRENT == 2 )); then
    _describe -t commands 'command' commands
    _arguments -s${program.options.map(zshOption).join("")}
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("")}  esac
}
# Run as the completion that zsh loads, not where the file is sourced.
if [ "$funcstack[1]" = "_${program.name}" ]; then _${program.name} "$@"; else compdef _${program.name} ${program.name}; fi
`;
}

function zshOption({ names, value, isFile, description }: OptionSynopsis): string {
  const text = description.replaceAll(/[[\]:\\]/g, "\\$&");
  const argument = value === undefined ? "" : `:${value}:${isFile ? "_files" : " "}`;
  const only = names.length > 1 ? `(${names.join(" ")})` : "";
  return names.map((name) => {
    // A long name may have its value behind a = too.
    const end = value !== undefined && name.startsWith("--") ? "=" : "";
    return ` \\\n        ${quoted(`${only}${name}${end}[${text}]${argument}`)}`;
  }).join("");
}

/** For fish. */
export function fishCompletion(program: Program): string {
  const { name } = program;
  const lines = [
    `# fish completions of ${name}, made by: ${name} completion fish`,
    `complete -c ${name} -f`,
    ...program.options.map((option) =>
      `complete -c ${name} -n __fish_use_subcommand ${fishOption(option)}`
    ),
    ...program.commands.map((command) =>
      `complete -c ${name} -n __fish_use_subcommand -a ${command.name} ` +
      `-d ${fishQuoted(command.description)}`
    ),
    `complete -c ${name} -n '__fish_seen_subcommand_from help' ` +
    `-a ${fishQuoted(commandNames(program).join(" "))}`,
  ];
  for (const command of program.commands) {
    const where = `-n '__fish_seen_subcommand_from ${command.name}'`;
    for (const option of command.options) {
      lines.push(`complete -c ${name} ${where} ${fishOption(option)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishOption({ names, value, isFile, description }: OptionSynopsis): string {
  const words = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  );
  if (value !== undefined) words.push(isFile ? "-r -F" : "-x");
  return `${words.join(" ")} -d ${fishQuoted(description)}`;
}

function commandNames(program: Program): string[] {
  return program.commands.map(({ name }) => name).filter((name) => name !== "help");
}

/** As one word of sh, bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
