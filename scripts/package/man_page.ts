import { keys } from "../../src/config/keys.ts";
import { createCli } from "../../src/cli/run.ts";
import { type Synopsis, synopsis } from "../../src/cli/synopsis.ts";

/** The man page chloe(1), made of the program's own help and of the config's schema. */
export function manPage({ version, date }: { version: string; date: Date }): string {
  const program = synopsis(createCli({ clientDir: "" }).program);
  const day = date.toISOString().slice(0, 10);
  return [
    `.TH CHLOE 1 "${day}" "Chloe ${roff(version)}" "User Commands"`,
    ".SH NAME",
    "chloe \\- realtime web server for apps that only speak HTTP",
    ".SH SYNOPSIS",
    ...program.commands.filter(({ name }) => name !== "help").flatMap(({ name, usage }, i) => [
      ...(i > 0 ? [".br"] : []),
      `.B chloe ${roff(name)}`,
      roff(usage),
    ]),
    ".SH DESCRIPTION",
    "Chloe holds browsers' connections for a web app that only speaks HTTP. What a browser sends",
    "reaches the app as a signed POST; what the app POSTs to",
    ".I /send",
    "reaches the browsers.",
    ".PP",
    ".B chloe serve",
    "runs a server in the foreground and",
    ".B chloe start",
    "in the background. As a package it runs under systemd: see",
    ".B systemctl status chloe",
    "and",
    '.BR "journalctl \\-u chloe" .',
    ".SH COMMANDS",
    ...program.commands.flatMap(commandLines),
    ".SH EXIT STATUS",
    "0 done, 1 failed, 2 used wrongly.",
    ".SH SIGNALS",
    ".TP",
    '.BR SIGTERM ", " SIGINT',
    "Takes nothing new, waits until the app has what browsers sent, says goodbye, and ends. A second one",
    "ends it at once.",
    ".SH ENVIRONMENT",
    "Each key of the config is a variable too, which counts more than the file. Lists are separated by",
    "commas.",
    ...keys.flatMap(({ variable, doc }) => [".TP", `.B ${roff(variable)}`, roff(doc)]),
    ".SH FILES",
    ...FILES.flatMap(([path, what]) => [".TP", `.I ${roff(path)}`, roff(what)]),
    "",
  ].join("\n");
}

const FILES = [
  ["./chloe.toml, /etc/chloe/chloe.toml", "The config, where --config names no other."],
  ["/etc/chloe/secrets.toml", "The package's keys, which chloe.toml includes."],
  ["/usr/share/doc/chloe/chloe.example.toml", "Every key of the config with its default."],
  ["/var/lib/chloe", "A small file that remembers which server was here before."],
] as const;

function commandLines({ name, usage, description, options }: Synopsis): string[] {
  return [
    `.SS "chloe ${roff(name)} ${roff(usage)}"`,
    `${roff(description[0]!.toUpperCase() + description.slice(1))}.`,
    ...options.flatMap(({ names, value, description }) => [
      ".TP",
      `${names.map((each) => `\\fB${roff(each)}\\fR`).join(", ")}${
        value === undefined ? "" : ` \\fI${roff(value)}\\fR`
      }`,
      roff(description),
    ]),
  ];
}

/** Text as troff takes it for text. */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
}
