/**
 * The keys of the schema as a list, and how each is named in the environment and on the command line.
 *
 * @module
 */
import type { z } from "zod";
import { type KeyDoc, keyDocs, schema } from "./schema.ts";

/** One key of the config. */
export interface Key extends KeyDoc {
  /** Its place in the file: `["app", "url"]`. */
  readonly path: readonly string[];
  /** The same as text: `app.url`. */
  readonly name: string;
  /** Its environment variable: `CHLOE_APP_URL`. */
  readonly variable: string;
  /** Its default as it would stand in the file; undefined where it has none. */
  readonly default?: unknown;
}

interface Definition {
  readonly innerType?: z.core.$ZodType;
  readonly out?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly defaultValue?: unknown;
}

function definition(type: z.core.$ZodType): Definition {
  return type._zod.def as unknown as Definition;
}

function* leaves(type: z.core.$ZodType, path: readonly string[]): Generator<Key> {
  const { shape, innerType, defaultValue } = definition(type);
  const doc = keyDocs.get(type);
  if (doc !== undefined) {
    const name = path.join(".");
    yield { ...doc, path, name, variable: variableOf(path), default: defaultValue };
    return;
  }
  if (shape !== undefined) {
    for (const [key, inner] of Object.entries(shape)) yield* leaves(inner, [...path, key]);
  } else if (innerType !== undefined) {
    yield* leaves(innerType, path);
  }
}

function variableOf(path: readonly string[]): string {
  return `CHLOE_${path.join("_").toUpperCase()}`;
}

/** Every key, in the schema's order. */
export const keys: readonly Key[] = [...leaves(schema, [])];

/** The flag of a key, without its value: `--app-url`. */
export function flagOf(key: Key): string {
  return `--${key.path.join("-").replaceAll("_", "-")}`;
}

/** What is inside of defaults, and comes out of a preprocess. */
function innermost(type: z.core.$ZodType): z.core.$ZodType {
  const { innerType, out } = definition(type);
  const inner = innerType ?? out;
  return inner === undefined ? type : innermost(inner);
}

/** The names that a table of the config may hold; `path` leads to the table, over a list's index too. */
export function namesIn(path: readonly PropertyKey[]): readonly string[] {
  let type: z.core.$ZodType | undefined = schema;
  for (const part of [...path, null]) {
    type = type && innermost(type);
    if (type === undefined) return [];
    const { shape, element } = definition(type);
    if (part === null) return Object.keys(shape ?? {});
    type = typeof part === "number" ? element : shape?.[String(part)];
  }
  return [];
}

/** The key that a place in the config is in: `["secret", 1]` is in `secret`. */
export function keyAt(path: readonly PropertyKey[]): Key | undefined {
  return keys.find((key) => key.path.every((part, i) => part === path[i]));
}

/**
 * Reads a key's text from the environment or a flag as the value that would stand in the file. Text that
 * does not fit is left as it is, for the schema to refuse.
 */
export function readText(key: Key, text: string): unknown {
  switch (key.kind) {
    case "number":
      return /^-?\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : text;
    case "boolean":
      return { true: true, false: false }[text.trim().toLowerCase()] ?? text;
    case "list":
      return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
    case "json":
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    default:
      return text;
  }
}
