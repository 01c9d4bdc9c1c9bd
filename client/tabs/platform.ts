import type { Environment } from "../environment.ts";
import type { Bus, Locks } from "./web_api.ts";

/** What the platform gives to tabs that share a connection. */
export interface Platform {
  readonly Bus: new (name: string) => Bus;
  readonly locks: Locks;
}

/** It, or `null` where there is none: on old platforms, and on pages that came by plain http. */
export function platformOf(environment: Environment): Platform | null {
  const { BroadcastChannel: platformBus, navigator } = globalThis as {
    BroadcastChannel?: Environment["BroadcastChannel"];
    navigator?: { readonly locks?: Locks };
  };
  const { BroadcastChannel: Bus = platformBus, locks = navigator && navigator.locks } = environment;
  return Bus && locks ? { Bus, locks } : null;
}
