import { errorText } from "../web/error_text.ts";
import { getLogger } from "@logtape/logtape";
import { Hono } from "hono";
import { errorResponse } from "../web/errors.ts";
import type { RemoteEnv } from "../web/remote.ts";

const logger = getLogger(["chloe", "http"]);

/** The whole of Chloe's HTTP side: `parts` in the order in which they are tried. */
export function createApp(parts: readonly Hono<RemoteEnv>[]): Hono<RemoteEnv> {
  const app = new Hono<RemoteEnv>();
  for (const part of parts) app.route("/", part);
  app.notFound(() => errorResponse(404, "not_found", "There is nothing at this address"));
  app.onError(faultAnswer);
  return app;
}

/** The answer to a request that a bug of ours left without one. */
export function faultAnswer(error: unknown): Response {
  logger.error("Cannot answer a request: {error}", { error: errorText(error) });
  return errorResponse(500, "internal", "Something went wrong here; the log says what");
}
