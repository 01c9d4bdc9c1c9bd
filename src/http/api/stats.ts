import type { z } from "@hono/zod-openapi";
import { answer, operation, type Routes } from "./operation.ts";
import * as schema from "./schema.ts";

/** Adds `GET /api/stats`. */
export function addStats(routes: Routes, read: () => Promise<z.infer<typeof schema.Stats>>): void {
  routes.openapi(
    operation({
      method: "get",
      path: "/api/stats",
      operationId: "getStats",
      tag: "server",
      summary: "What is counted",
      answer: ["The counters, none of which is ever reset.", schema.Stats],
    }, {}),
    async () => answer(schema.Stats, await read()),
  );
}
