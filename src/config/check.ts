/**
 * Checks a config tree by the schema, and by the rules between keys.
 *
 * @module
 */
import { keyAt } from "./keys.ts";
import { describeIssue, pathText, type Problem, suggestKey } from "./problems.ts";
import { rules } from "./rules.ts";
import { type Config, schema } from "./schema.ts";
import { isTable, type Table, valueAt } from "./tree.ts";

/** What came of a check. `config` may be there with problems: then defaults stand for what is broken. */
export interface Checked {
  readonly config?: Config;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** What a check has to know beside the tree. */
export interface CheckOptions {
  /** Where the value at a place came from. */
  sourceOf(path: readonly PropertyKey[]): string | undefined;
  /** Whether a part is missing that could not be read: the rules between keys would then guess. */
  readonly incomplete: boolean;
}

/** What to do about a key that is not known where it stands. */
function hintFor(path: readonly PropertyKey[], unknown: string): string {
  // Lines that were pasted below a table became a part of it.
  if (path.length > 0 && Object.hasOwn(schema.shape, unknown)) {
    return `; ${unknown} belongs to the top of the file, above the first [table]`;
  }
  const meant = suggestKey(path, unknown);
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

/** Checks `tree`, which stays as it is. */
export function checkConfig(tree: Table, { sourceOf, incomplete }: CheckOptions): Checked {
  const at = (path: readonly PropertyKey[], message: string): Problem => {
    const source = sourceOf(path);
    return { path: pathText(path), message, ...(source !== undefined && { source }) };
  };
  const problems: Problem[] = [];
  const broken: (readonly PropertyKey[])[] = [];
  const first = schema.safeParse(tree, { error: describeIssue });
  for (const issue of first.error?.issues ?? []) {
    if (issue.code === "unrecognized_keys") {
      for (const unknown of issue.keys) {
        const hint = hintFor(issue.path, unknown);
        problems.push(at([...issue.path, unknown], `there is no such key${hint}`));
        broken.push([...issue.path, unknown]);
      }
    } else {
      problems.push(at(issue.path, issue.message));
      broken.push(issue.path);
    }
  }
  // The rules run over what is left, with defaults for what is broken, so that all problems show at once.
  const config = first.success ? first.data : schema.safeParse(without(tree, broken)).data;
  if (config === undefined || incomplete) return { problems, warnings: [] };
  const found = checkRules(config, broken);
  return {
    problems: [...problems, ...found.problems],
    warnings: found.warnings,
    config,
  };
}

/**
 * Checks what must hold between keys.
 *
 * @param broken Places whose values are not known: a rule that depends on one is passed over.
 */
export function checkRules(
  config: Config,
  broken: readonly (readonly PropertyKey[])[] = [],
): Omit<Checked, "config"> {
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const { keys: [key, ...others], severity, check } of rules) {
    if (broken.some((path) => [key, ...others].some((name) => overlaps(name, path)))) continue;
    const found = check(config) ?? [];
    for (
      const { path, message } of typeof found === "string" ? [{ path: key, message: found }] : found
    ) {
      if (severity === "warning") warnings.push(`${path}: ${message}`);
      else problems.push({ path, message }); // several keys, so no one source
    }
  }
  return { problems, warnings };
}

/** Whether the key called `name` is, holds, or lies in what stands at `path`. */
function overlaps(name: string, path: readonly PropertyKey[]): boolean {
  return name.split(".").every((part, i) => path[i] === undefined || path[i] === part);
}

/** A copy of `tree` without what stands at the given places; of a list, the whole key is left out. */
function without(tree: Table, paths: readonly (readonly PropertyKey[])[]): Table {
  const copy = structuredClone(tree);
  for (const path of paths) {
    const place = keyAt(path)?.path ?? path.map(String);
    const parent = valueAt(copy, place.slice(0, -1));
    if (isTable(parent)) delete parent[place[place.length - 1]!];
  }
  return copy;
}
