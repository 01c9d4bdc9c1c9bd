/**
 * The control API, for who may use `/send`. docs/http-api.md is its specification.
 *
 * @module
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { type Context, Hono, type Next } from "hono";
import type { Hub } from "../../hub/hub.ts";
import { errorResponse } from "../../web/errors.ts";
import type { RemoteEnv } from "../../web/remote.ts";
import { strictTransport } from "../page_headers.ts";
import { addChannels } from "./channels.ts";
import { ApiCounters } from "./counters.ts";
import { Control } from "./control.ts";
import { docsPage, PAGE_HEADERS } from "./docs_page.ts";
import { type Document, makeDocument } from "./document.ts";
import { badRequest, guard, type GuardOptions } from "./guard.ts";
import { jsonAnswer } from "./operation.ts";
import { problemText } from "./problem.ts";
import { addSessions } from "./sessions.ts";
import { addStats } from "./stats.ts";
import { addTail } from "./tail.ts";
import { Watchers } from "./watchers.ts";

/** How the control API is set up. */
export interface ApiOptions extends GuardOptions {
  readonly hub: Hub;
  readonly version: string;
  readonly counters?: ApiCounters;
  readonly watchers?: Watchers;
  /** What is counted. */
  readStats(): Promise<{ readonly sessions: number; readonly channels: number }>;
}

/** `/api/*`. */
export function apiRoutes(options: ApiOptions): Hono<RemoteEnv> {
  const { hub, version, readStats, counters = new ApiCounters() } = options;
  const { watchers = new Watchers() } = options;
  const api = new OpenAPIHono<RemoteEnv>({
    defaultHook(result) {
      if (!result.success) return badRequest(problemText(result.target, result.error));
    },
  });
  const control = new Control(hub);
  addStats(api, readStats);
  addSessions(api, control);
  addChannels(api, control);
  addTail(api, { control, counters, watchers });

  const routes = new Hono<RemoteEnv>();
  routes.use("/api/*", async function count(c, next) {
    counters.requests++;
    await next();
    const { status } = c.res;
    if (status === 200) counters.ok++;
    else counters.refused[status] = (counters.refused[status] ?? 0) + 1;
  });
  routes.use("/api/*", readable);
  refuseOtherMethods(routes, [...api.routes, ...PUBLIC]);
  // Made when they are asked for first: most servers never are.
  let document: Document | undefined;
  let json: string | undefined;
  let page: string | undefined;
  const makeOnce = () => document ??= makeDocument(api, { version });
  routes.get("/api/openapi.json", () => jsonAnswer(json ??= JSON.stringify(makeOnce())));
  routes.use("/api/docs", strictTransport);
  routes.get("/api/docs", () => {
    return new Response(page ??= docsPage(makeOnce()), { headers: PAGE_HEADERS });
  });

  routes.use("/api/*", guard(options));
  routes.route("/", api);
  return routes;
}

const PUBLIC = [{ path: "/api/openapi.json", method: "GET" }, { path: "/api/docs", method: "GET" }];

/** Refuses what no route could read, and HEAD, for which Hono would run the route of GET. */
async function readable(c: Context<RemoteEnv>, next: Next): Promise<Response | void> {
  if (c.req.method === "HEAD") return wrongMethod("GET");
  try {
    decodeURIComponent(new URL(c.req.url).pathname);
  } catch {
    return badRequest("path: is not percent-encoded UTF-8: % itself is %25");
  }
  return await next();
}

/** Says of each address how it is asked, where it is asked otherwise. */
function refuseOtherMethods(
  routes: Hono<RemoteEnv>,
  known: readonly { readonly path: string; readonly method: string }[],
): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of known) {
    methods.set(path, (methods.get(path) ?? new Set()).add(method));
  }
  for (const [path, allowed] of methods) {
    routes.use(path, async (c, next) => {
      return allowed.has(c.req.method) ? await next() : wrongMethod([...allowed].join(", "));
    });
  }
}

function wrongMethod(allow: string): Response {
  return errorResponse(405, "method_not_allowed", `Use ${allow} for this address`, { allow });
}
