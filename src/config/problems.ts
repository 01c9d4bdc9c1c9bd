/**
 * What is wrong with a config, in words for the person who wrote it. No message repeats a value.
 *
 * @module
 */
import { levenshteinDistance } from "@std/text/levenshtein-distance";
import type { z } from "zod";
import { keys, namesIn } from "./keys.ts";

/** One thing that is wrong. */
export interface Problem {
  /** The key that it is about, as `app.timeout` or `channel[0].pattern`; empty where it is about no key. */
  readonly path: string;
  /** Where the value came from: the file's path, a variable or a flag. */
  readonly source?: string;
  readonly message: string;
}

/** A problem on one line: `chloe.toml: app.timeout: must be ...`. */
export function problemLine({ source, path, message }: Problem): string {
  return [source, path, message].filter((part) => part).join(": ");
}

/** A place in the config as people write it: `channel[0].pattern`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.map((part, i) => {
    if (typeof part === "number") return `[${part}]`;
    return i === 0 ? String(part) : `.${String(part)}`;
  }).join("");
}

const TYPE_WORDS: Record<string, string> = {
  string: "text",
  int: "a whole number",
  number: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a table",
};

/** zod's error map: the words for what the schema's own messages do not say. */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? "is missing"
        : `must be ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be ${anyOf(issue.values.map((value) => JSON.stringify(value)))}`;
    case "too_small":
      return `must be ${issue.minimum} or more`;
    case "too_big":
      return `must be ${issue.maximum} or less`;
    default:
      return "is not valid";
  }
}

function anyOf(words: readonly string[]): string {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
}

/** What an unknown key of the table at `path` was probably meant to be, as its whole path. */
export function suggestKey(path: readonly PropertyKey[], unknown: string): string | undefined {
  const flat = (text: string) => text.toLowerCase().replaceAll(/[.-]/g, "_");
  const whole = pathText([...path, unknown]);
  const siblings = namesIn(path).map((name) => pathText([...path, name]));
  const names = keys.map((key) => key.name);
  return names.find((name) => flat(name) === flat(whole)) ??
    nearest(whole, siblings) ??
    names.find((name) => name.endsWith(`.${flat(unknown)}`)) ??
    nearest(whole, names);
}

/** The word closest to `word`, where no more than two letters or a third of them differ. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = (word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3))) + 1;
  for (const candidate of words) {
    const distance = levenshteinDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}
