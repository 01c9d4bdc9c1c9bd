import { Hono } from "hono";
import { errorResponse } from "../web/errors.ts";
import type { RemoteEnv } from "../web/remote.ts";
import { type AccessOptions, metricsAccess } from "./access.ts";
import type { Exposition } from "./exposition.ts";
import type { Stats } from "./stats.ts";

/** How `/metrics` is set up. */
export interface MetricsOptions extends AccessOptions {
  readStats(): Promise<Stats>;
}

/** `GET /metrics`: what is counted, as Prometheus reads it. docs/metrics.md says what each metric means. */
export function metricsRoutes({ readStats, ...access }: MetricsOptions): Hono<RemoteEnv> {
  const admit = metricsAccess(access);
  // Made at the first scrape: prom-client takes 15 MB and some 50 ms, which most servers never need.
  let exposition: Promise<Exposition> | undefined;
  const routes = new Hono<RemoteEnv>();
  routes.get("/metrics", async function scrape(c) {
    const { headers } = c.req.raw;
    const verdict = admit({ headers, ...c.env });
    if (!verdict.ok) {
      return errorResponse(401, "unauthorized", verdict.message, { "www-authenticate": "Bearer" });
    }
    exposition ??= import("./exposition.ts").then(({ Exposition }) => new Exposition());
    const writer = await exposition;
    const text = await writer.text(await readStats());
    return new Response(text, {
      headers: {
        "content-type": writer.contentType,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
    });
  });
  routes.all("/metrics", () => {
    return errorResponse(405, "method_not_allowed", "Use GET for this address", { allow: "GET" });
  });
  return routes;
}
