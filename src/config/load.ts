/**
 * Reads the config: flags over environment over file over default.
 *
 * @module
 */
import { checkConfig } from "./check.ts";
import { readEnvironment } from "./environment.ts";
import { readConfigFile } from "./file.ts";
import { include } from "./include.ts";
import { flagOf, type Key, keyAt, readText } from "./keys.ts";
import type { Problem } from "./problems.ts";
import type { Config } from "./schema.ts";
import { put, valueAt } from "./tree.ts";

/** Where to read the config from. */
export interface LoadOptions {
  /** The file that must be read; without it the first of `DEFAULT_FILES` that exists, if any. */
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** The text of each flag that was given. */
  readonly flags?: ReadonlyMap<Key, string>;
}

/** A config, or everything that is wrong with it. */
export type Loaded =
  & { readonly warnings: readonly string[]; readonly file?: string }
  & (
    | { readonly config: Config; readonly problems?: undefined }
    | { readonly config?: undefined; readonly problems: readonly Problem[] }
  );

/** Reads and checks the config. What is wrong with it is returned, not thrown. */
export async function loadConfig(options: LoadOptions = {}): Promise<Loaded> {
  const file = await readConfigFile(options.file);
  const environment = readEnvironment(options.env ?? {});
  const tree = file.tree ?? {};
  const inFile = structuredClone(tree);
  const variable = [...environment.values].find(([key]) => key.name === "include");
  const included = await include(tree, {
    names: variable === undefined ? tree.include : readText(...variable),
    main: variable === undefined ? file.path : undefined,
  });
  const sources = new Map<Key, string>();
  const set = (key: Key, text: string, source: string) => {
    if (put(tree, key.path, readText(key, text))) sources.set(key, source);
  };
  for (const [key, text] of environment.values) set(key, text, key.variable);
  for (const [key, text] of options.flags ?? []) set(key, text, flagOf(key));

  const sourceOf = (path: readonly PropertyKey[]) => {
    const key = keyAt(path);
    return (key && sources.get(key)) ??
      included.files.find(({ tree }) => valueAt(tree, key?.path ?? path) !== undefined)?.path ??
      (valueAt(inFile, path.slice(0, 1)) === undefined ? undefined : file.path);
  };
  const unread = [...file.problems, ...included.problems];
  const checked = checkConfig(tree, { sourceOf, incomplete: unread.length > 0 });
  const found = {
    warnings: [...environment.warnings, ...checked.warnings],
    ...(file.path !== undefined && { file: file.path }),
  };
  const problems = [...unread, ...checked.problems];
  if (checked.config === undefined || problems.length > 0) return { ...found, problems };
  return { ...found, config: checked.config };
}
