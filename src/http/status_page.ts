import { Hono } from "hono";
import type { RemoteEnv } from "../web/remote.ts";
import { builtFile, readBuilt } from "./client_files.ts";
import { pageHeaders, strictTransport } from "./page_headers.ts";

/** The page's parts may do nothing that does not come from this server, and nothing inline. */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-cache",
  ...pageHeaders(["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"]),
};

const PARTS: Readonly<Record<string, string>> = {
  "/status.css": "text/css; charset=utf-8",
  "/status.js": "text/javascript; charset=utf-8",
  "/status.svg": "image/svg+xml",
};

/** What the status page says. */
export interface StatusPageOptions {
  /** The folder of the built client files. */
  readonly dir: string;
  readonly version: string;
  /** Whether the demo app is the app: the page then lets a line travel. */
  readonly demo: boolean;
  /** Whether `/send` asks for a key by now: the page's example shows one then. */
  isGuarded?(): boolean;
}

/**
 * `GET /`: a page that says that Chloe is up, and its parts. All are read here, once.
 *
 * @throws Error where a file is missing.
 */
export function statusPage(
  { dir, version, demo, isGuarded = () => false }: StatusPageOptions,
): Hono<RemoteEnv> {
  const html = new TextDecoder().decode(readBuilt(dir, "status.html"))
    .replace("__VERSION__", () => escapeHtml(version))
    .replace("__DEMO__", String(demo));

  const routes = new Hono<RemoteEnv>();
  const serve = (body: Uint8Array<ArrayBuffer>, type: string) =>
    builtFile(body, { type, headers: PAGE_HEADERS });
  routes.use("/", strictTransport);
  const [guarded, open] = [true, false].map((guarded) => {
    const text = html.replace("__GUARDED__", String(guarded));
    return serve(new TextEncoder().encode(text), "text/html; charset=utf-8");
  });
  routes.get("/", (c) => (isGuarded() ? guarded! : open!)(c));
  for (const [path, type] of Object.entries(PARTS)) {
    routes.get(path, serve(readBuilt(dir, path.slice(1)), type));
  }
  return routes;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
