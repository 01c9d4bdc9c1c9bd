/**
 * The flags that stand for config keys, and reading the config with them.
 *
 * @module
 */
import { type Command, Option } from "commander";
import { flagOf, type Key, keys } from "../config/keys.ts";
import { loadConfig, type Loaded } from "../config/load.ts";
import { problemLine } from "../config/problems.ts";
import type { Config } from "../config/schema.ts";
import { dateProblem, readTlsPair, tlsFiles } from "../config/tls_files.ts";
import { Failure } from "./failure.ts";

/** What commander read: flags by their names in camel case. */
export type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Adds `--config`. */
export function addConfigFile(command: Command): Command {
  return command.option(
    "-c, --config <file>",
    "the config file; without it ./chloe.toml, or /etc/chloe/chloe.toml",
  );
}

/** Adds `--config`, and a flag for each of the common keys. */
export function addConfigOptions(command: Command): Command {
  addConfigFile(command);
  for (const { key, option } of configOptions()) {
    const fallback = key.default === undefined || String(key.default) === ""
      ? ""
      : ` (default: ${key.default})`;
    option.description = `${key.doc}${fallback}`;
    command.addOption(option);
  }
  return command;
}

function configOptions(): { key: Key; option: Option }[] {
  return keys.filter((key) => key.flag !== undefined).map((key) => ({
    key,
    option: new Option(`${flagOf(key)} <${key.flag}>`),
  }));
}

/** The words that give another command the same config: what `chloe start` hands to `chloe serve`. */
export function configArguments(options: Options): string[] {
  const words: string[] = [];
  if (typeof options.config === "string") words.push("--config", options.config);
  for (const [key, text] of flagTexts(options)) words.push(`${flagOf(key)}=${text}`);
  return words;
}

function flagTexts(options: Options): Map<Key, string> {
  const texts = new Map<Key, string>();
  for (const { key, option } of configOptions()) {
    const text = options[option.attributeName()];
    if (typeof text === "string") texts.set(key, text);
  }
  return texts;
}

/** Reads the config as the flags, the environment and the file have it. */
export function readConfig(options: Options): Promise<Loaded> {
  return loadConfig({
    file: typeof options.config === "string" ? options.config : undefined,
    env: Deno.env.toObject(),
    flags: flagTexts(options),
  });
}

/** A config without problems, with the warnings for whoever logs them. */
export interface ReadyConfig {
  readonly config: Config;
  readonly warnings: readonly string[];
  readonly file?: string;
}

/** Reads the config. Throws a Failure with a line for each problem where there are any. */
export async function requireConfig(options: Options): Promise<ReadyConfig> {
  const loaded = await readConfig(options);
  if (loaded.problems === undefined) return loaded;
  const usedWrongly = loaded.problems.every(({ source }) => source?.startsWith("--"));
  throw new Failure(loaded.problems.map(problemLine).join("\n"), {
    exitCode: usedWrongly ? 2 : 1,
  });
}

/**
 * Reads the config and the files that a server needs besides. Throws a Failure with a line for each problem
 * where there are any.
 */
export async function requireServable(options: Options): Promise<ReadyConfig> {
  const ready = await requireConfig(options);
  const files = tlsFiles(ready.config);
  if (files === null) return ready;
  const { pair, problems } = await readTlsPair(files);
  if (problems !== undefined) throw new Failure(problems.map(problemLine).join("\n"));
  const late = dateProblem(pair, Date.now());
  return late === null ? ready : { ...ready, warnings: [...ready.warnings, `tls.cert: ${late}`] };
}
