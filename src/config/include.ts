/**
 * Config files that another includes: keys can so be where fewer people may read than the rest.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";
import { type ConfigFile, readConfigFile } from "./file.ts";
import { pathText, type Problem } from "./problems.ts";
import { isTable, type Table, valueAt } from "./tree.ts";

/** What the included files came to. */
export interface Included {
  /** Those that could be read, in order. */
  readonly files: readonly { readonly path: string; readonly tree: Table }[];
  readonly problems: readonly Problem[];
}

/**
 * Reads the files called `names` and adds what they hold to `tree`. A key that is there already stays, and is
 * a problem: of two values, say of a secret, nobody could tell which is in force.
 *
 * @param main The file that includes them, from whose folder relative names go; none: from the current one.
 */
export async function include(
  tree: Table,
  { names, main }: { readonly names: unknown; readonly main: string | undefined },
): Promise<Included> {
  const files: { path: string; tree: Table }[] = [];
  const problems: Problem[] = [];
  // What is no list of names the schema refuses.
  const listed = (Array.isArray(names) ? names : [names])
    .filter((name) => typeof name === "string" && name.trim() !== "");
  for (const name of listed) {
    const file = await readConfigFile(from(name, main));
    problems.push(...file.problems);
    if (!isRead(file)) continue;
    problems.push(...merge(tree, file).map((problem) => ({ source: file.path, ...problem })));
    files.push(file);
  }
  return { files, problems };
}

function from(name: string, main: string | undefined): string {
  return name.startsWith("/") || main === undefined ? name : `${dirname(main)}/${name}`;
}

function isRead(file: ConfigFile): file is ConfigFile & { path: string; tree: Table } {
  return file.path !== undefined && file.tree !== undefined;
}

function merge(tree: Table, file: { readonly tree: Table }): { path: string; message: string }[] {
  const problems: { path: string; message: string }[] = [];
  const add = (into: Table, from: Table, at: readonly string[]) => {
    for (const [key, value] of Object.entries(from)) {
      const path = [...at, key];
      const there = valueAt(into, [key]);
      if (path.length === 1 && key === "include") {
        problems.push({ path: key, message: "must not be in a file that another includes" });
      } else if (there === undefined) {
        into[key] = structuredClone(value);
      } else if (isTable(there) && isTable(value)) {
        add(there, value, path);
      } else {
        const message = "is in another file as well: take it out of one of them";
        problems.push({ path: pathText(path), message });
      }
    }
  };
  add(tree, file.tree, []);
  return problems;
}
