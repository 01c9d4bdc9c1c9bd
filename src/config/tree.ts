/**
 * A config as it stands in a file: tables in tables.
 *
 * @module
 */

/** A table of a TOML file. */
export type Table = Record<string, unknown>;

/** Whether a value is a table: not a list, not a date. */
export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

/** What stands at a place, or undefined. */
export function valueAt(tree: Table, path: readonly PropertyKey[]): unknown {
  let value: unknown = tree;
  for (const part of path) {
    if (!isTable(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[String(part)];
  }
  return value;
}

/** Sets what stands at a place; false where something else than a table is in the way. */
export function put(tree: Table, path: readonly string[], value: unknown): boolean {
  let table = tree;
  for (const part of path.slice(0, -1)) {
    const inner = Object.hasOwn(table, part) ? table[part] : table[part] = {};
    if (!isTable(inner)) return false;
    table = inner;
  }
  table[path[path.length - 1]!] = value;
  return true;
}
