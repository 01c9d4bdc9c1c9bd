/**
 * What a reload changes, and what it cannot.
 *
 * @module
 */
import { type Key, keys } from "./keys.ts";
import type { Config } from "./schema.ts";
import { put, type Table, valueAt } from "./tree.ts";

/** How one config differs from the one in force. */
export interface Changes {
  /** Keys with a new value that a reload puts in force. */
  readonly live: readonly Key[];
  /** Keys with a new value that needs a restart. */
  readonly restart: readonly Key[];
  /** The new config, with the old values of what needs a restart: what is in force after the reload. */
  readonly config: Config;
}

/** Compares the config in force with the one that is to take its place. */
export function configChanges(before: Config, after: Config): Changes {
  const live: Key[] = [];
  const restart: Key[] = [];
  const config = structuredClone(after);
  for (const key of keys) {
    const [old, now] = [before, after].map((each) => valueAt(each as unknown as Table, key.path));
    if (JSON.stringify(old) === JSON.stringify(now)) continue;
    const isLive = key.live === "once set" ? old !== undefined && now !== undefined : key.live;
    if (isLive) {
      live.push(key);
    } else {
      restart.push(key);
      put(config as unknown as Table, key.path, old);
    }
  }
  return { live, restart, config };
}
