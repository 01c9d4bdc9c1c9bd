/**
 * Which environment variables are Chloe's.
 *
 * @module
 */
import { type Key, keys } from "./keys.ts";
import { nearest } from "./problems.ts";

/** What the environment says about the config. */
export interface Environment {
  readonly values: ReadonlyMap<Key, string>;
  readonly warnings: readonly string[];
}

// Kubernetes and old Docker links describe a service that is called chloe in these, to every container.
const SERVICE = /^CHLOE_(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT_\d+_(?:TCP|UDP)(?:_.+)?)$/;
const SERVICE_ADDRESS = /^(?:tcp|udp):\/\//;

/**
 * Picks the config's variables out of `env`. An empty one counts as not set. Unknown ones called `CHLOE_*`
 * are warned of, and those that a container platform made are passed over with one warning.
 */
export function readEnvironment(env: Readonly<Record<string, string>>): Environment {
  const values = new Map<Key, string>();
  const platform: string[] = [];
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(env).sort()) {
    if (!name.startsWith("CHLOE_")) continue;
    const key = keys.find((key) => key.variable === name);
    if (SERVICE.test(name) || (name === "CHLOE_PORT" && SERVICE_ADDRESS.test(value))) {
      platform.push(name);
    } else if (key === undefined) {
      unknown.push(name);
    } else if (value !== "") {
      values.set(key, value);
    }
  }
  const warnings = unknown.map((name) => {
    const meant = nearest(name, keys.map((key) => key.variable));
    return `${name}: there is no such key${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  });
  if (platform.length > 0) {
    warnings.push(
      `${
        platform.join(", ")
      }: passed over, a container platform made them for a service called chloe`,
    );
  }
  return { values, warnings };
}
