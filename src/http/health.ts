import { Hono } from "hono";
import { isLoopbackAddress } from "../web/loopback.ts";
import type { RemoteEnv } from "../web/remote.ts";

/** What the health checks tell. */
export interface HealthOptions {
  readonly version: string;
  /** Whether new sessions are taken. */
  isReady(): boolean;
}

/**
 * `GET /healthz`: the process lives, and, for its own machine, which one it is. `GET /readyz`: send it
 * traffic, or 503 while it is on its way out.
 */
export function healthRoutes({ version, isReady }: HealthOptions): Hono<RemoteEnv> {
  const routes = new Hono<RemoteEnv>();
  routes.get("/healthz", (c) => {
    const own = isLoopbackAddress(c.env.remoteAddress);
    return c.json({ status: "ok", ...(own && { pid: Deno.pid, version }) }, 200, NO_STORE);
  });
  routes.get("/readyz", (c) => {
    return isReady()
      ? c.json({ status: "ready" }, 200, NO_STORE)
      : c.json({ status: "shutting down" }, 503, NO_STORE);
  });
  return routes;
}

const NO_STORE = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
