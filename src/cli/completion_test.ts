import { assertEquals, assertStringIncludes } from "@std/assert";
import { findProgram } from "../../tests/support/programs.ts";
import { within } from "../../tests/support/within.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completion_scripts.ts";
import { createCli } from "./run.ts";
import { synopsis } from "./synopsis.ts";

const PROGRAM = synopsis(createCli({ clientDir: "" }).program);

const SCRIPTS = {
  bash: bashCompletion(PROGRAM),
  zsh: zshCompletion(PROGRAM),
  fish: fishCompletion(PROGRAM),
};

/** A test of a shell that may not be there; where CI is set it has to be. */
function shellTest(
  shell: keyof typeof SCRIPTS,
  { name, fn }: { name: string; fn: (run: (script: string) => Promise<string>) => Promise<void> },
): void {
  const program = findProgram(`CHLOE_${shell.toUpperCase()}`, [
    `/usr/bin/${shell}`,
    `/bin/${shell}`,
    `/opt/homebrew/bin/${shell}`,
  ]);
  Deno.test({
    name,
    ignore: program === null && !Deno.env.get("CI"),
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "chloe-completion-" });
      try {
        await Deno.writeTextFile(`${folder}/script`, SCRIPTS[shell]);
        await Deno.writeTextFile(`${folder}/my.toml`, "");
        await fn(async (script) => {
          const output = new Deno.Command(program ?? shell, {
            args: [...(shell === "bash" ? ["--norc"] : []), "-c", script],
            cwd: folder,
            env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
            stdin: "null",
          }).output();
          const { stdout, stderr } = await within(output, `${shell} to end`);
          assertEquals(new TextDecoder().decode(stderr), "");
          return new TextDecoder().decode(stdout);
        });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

Deno.test("synopsis() has the program's commands, with their flags", () => {
  const names = PROGRAM.commands.map(({ name }) => name);
  for (const name of ["serve", "start", "send", "completion", "help"]) {
    assertEquals(names.includes(name), true, name);
  }
  const send = PROGRAM.commands.find(({ name }) => name === "send")!;
  assertEquals(send.usage, "[options] <data>");
  assertEquals(
    send.options.find(({ names }) => names.includes("--config")),
    {
      names: ["--config", "-c"],
      value: "file",
      isFile: true,
      description: "the config file; without it ./chloe.toml, or /etc/chloe/chloe.toml",
    },
  );
});

for (const [shell, script] of Object.entries(SCRIPTS)) {
  Deno.test(`completions of ${shell} name every command, and every flag of it`, () => {
    for (const { name, options } of [PROGRAM, ...PROGRAM.commands]) {
      assertStringIncludes(script, name);
      for (const flag of options.flatMap(({ names }) => names)) {
        const inFish = flag.replace(/^--/, "-l ").replace(/^-(?=\w$)/, "-s ");
        assertStringIncludes(script, shell === "fish" ? inFish : flag);
      }
    }
  });
}

shellTest("bash", {
  name: "bash completes commands, flags, files, and nothing where a value is due",
  async fn(run) {
    assertEquals(await run("bash -n script"), "");
    const complete = async (...words: string[]) =>
      lines(
        await run(
          `. ./script; COMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); ` +
            `COMP_CWORD=${words.length - 1}; _chloe; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ),
      );
    assertEquals(await complete("chloe", "s"), [
      ...["serve", "start", "stop", "status", "secret", "send", "sessions"],
    ]);
    assertEquals(await complete("chloe", "serve", "--log"), ["--log-level", "--log-format"]);
    assertEquals(await complete("chloe", "stop", "--log"), []);
    assertEquals(await complete("chloe", "serve", "--config", "m"), ["my.toml"]);
    assertEquals(await complete("chloe", "serve", "--config", "=", "m"), ["my.toml"]);
    assertEquals(await complete("chloe", "serve", "--port", ""), []);
    assertEquals(await complete("chloe", "help", "tai"), ["tail"]);
  },
});

shellTest("zsh", {
  name: "zsh offers commands, and the flags of the command before",
  async fn(run) {
    assertEquals(await run("zsh -n script"), "");
    // What zsh's own functions are given, as they draw on the terminal.
    const complete = (...words: string[]) =>
      run(
        "compdef() { :; }; _arguments() { print -rl -- $@; }; " +
          "_describe() { print -rl -- ${(P)4}; }; source ./script; " +
          `words=(${words.map((word) => `'${word}'`).join(" ")}); CURRENT=${words.length}; _chloe`,
      );
    const commands = await complete("chloe", "");
    assertStringIncludes(commands, "serve:run a server in the foreground");
    assertStringIncludes(commands, "channels:list the channels of a running server; with");
    const flags = await complete("chloe", "stop", "--");
    assertStringIncludes(flags, "--pid-file=[the daemon's pid file (default\\: /run/chloe");
    assertEquals(flags.includes("--port"), false);
    assertStringIncludes(await complete("chloe", "help", ""), "tail:show what is published");
  },
});

shellTest("fish", {
  name: "fish completes commands, flags and files",
  async fn(run) {
    assertEquals(await run("fish -n script"), "");
    const complete = async (line: string) =>
      lines(await run(`source ./script; complete -C '${line}'`)).map((line) =>
        line.split("\t")[0]!
      );
    assertEquals((await complete("chloe s")).sort(), [
      ...["secret", "send", "serve", "sessions", "start", "status", "stop"],
    ]);
    assertEquals((await complete("chloe serve --log")).sort(), ["--log-format", "--log-level"]);
    assertEquals(await complete("chloe stop --log"), []);
    assertEquals(await complete("chloe serve --config m"), ["my.toml"]);
    assertEquals(await complete("chloe help tai"), ["tail"]);
  },
});
