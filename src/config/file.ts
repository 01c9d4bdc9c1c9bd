/**
 * Finds and reads the config file.
 *
 * @module
 */
import { parse as parseToml } from "@std/toml";
import type { Problem } from "./problems.ts";
import type { Table } from "./tree.ts";

/** Where a config file is looked for when none is named. */
export const DEFAULT_FILES: readonly string[] = ["chloe.toml", "/etc/chloe/chloe.toml"];

/** A config file that was found, with what it holds or what is wrong with it; or none, with no path. */
export interface ConfigFile {
  readonly path?: string;
  readonly tree?: Table;
  readonly problems: readonly Problem[];
}

/** Reads the file called `named`, which must be there, or the first of {@linkcode DEFAULT_FILES} that is. */
export async function readConfigFile(named: string | undefined): Promise<ConfigFile> {
  for (const path of named === undefined ? DEFAULT_FILES : [named]) {
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (named === undefined && error instanceof Deno.errors.NotFound) continue;
      return { path, problems: [{ path: "", source: path, message: whyUnreadable(error) }] };
    }
    try {
      return { path, tree: parseToml(text.replace(/^\ufeff/, "")), problems: [] };
    } catch (error) {
      return { path, problems: [{ path: "", source: path, message: whyNotToml(error) }] };
    }
  }
  return { problems: [] };
}

function whyUnreadable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "Cannot read the file: there is none";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "Cannot read the file: permission denied";
  }
  const [why = "unknown error"] = (error instanceof Error ? error.message : "").split(" (os error");
  return `Cannot read the file: ${why}`;
}

/** The parser's message with the line, less the text of that line: it may hold a secret. */
function whyNotToml(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  const [, line, column, why = ""] =
    /^Parse error on line (\d+), column (\d+): (.*)$/s.exec(message) ?? [];
  // The parser's words for a table that was defined before.
  const words = why.includes("key length is not a positive number")
    ? "the table that ends here was begun above: put both together"
    : why.replace(/ on line '.*$/s, "").split("\n")[0];
  return line === undefined
    ? "Cannot read it as TOML"
    : `Cannot read it as TOML: line ${line}, column ${column}: ${words}`;
}
