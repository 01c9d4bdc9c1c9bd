import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { Hono } from "hono";
import type { RemoteEnv } from "../web/remote.ts";

const FOR_ALL: Readonly<Record<string, string>> = {
  // Pages look again after five minutes: client and server are released together.
  "cache-control": "public, max-age=300",
  // Module scripts are fetched with CORS, and pages isolated by COEP need to be told.
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
};

const SCRIPT = "text/javascript; charset=utf-8";
const JSON_TYPE = "application/json";
// Not registered with IANA, whose video/mp2t is what many servers say of .ts. Deno and esm.sh know this one.
const TYPES = "application/typescript; charset=utf-8";

/** What is served, by path: the file and its type. `chloe-min.js` is the name of 2011. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "/chloe.js": ["chloe.js", SCRIPT],
  "/chloe.js.map": ["chloe.js.map", JSON_TYPE],
  "/chloe.min.js": ["chloe.min.js", SCRIPT],
  "/chloe-min.js": ["chloe.min.js", SCRIPT],
  "/chloe.min.js.map": ["chloe.min.js.map", JSON_TYPE],
  "/chloe.mjs": ["chloe.mjs", SCRIPT],
  "/chloe.mjs.map": ["chloe.mjs.map", JSON_TYPE],
  "/chloe.d.ts": ["chloe.d.ts", TYPES],
};

/**
 * The client's files, for pages of any origin. They are read here, once.
 *
 * @param options.dir The folder of the built files.
 * @throws Error where a file is missing.
 */
export function clientFiles({ dir }: { readonly dir: string }): Hono<RemoteEnv> {
  const routes = new Hono<RemoteEnv>();
  for (const [path, [file, type]] of Object.entries(FILES)) {
    routes.get(path, builtFile(readBuilt(dir, file), { type, headers: FOR_ALL }));
  }
  return routes;
}

/** Reads one of the built files. */
export function readBuilt(dir: string, file: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(`${dir}/${file}`);
  } catch (cause) {
    throw new Error(`Cannot read a file of the client: build it first: ${dir}/${file}`, {
      cause,
    });
  }
}

/**
 * A handler that answers with one file, compressed for those who take that, or with 304 where the browser
 * has it.
 *
 * @param options.headers What every answer carries besides.
 */
export function builtFile(
  body: Uint8Array<ArrayBuffer>,
  { type, headers }: { readonly type: string; readonly headers: Readonly<Record<string, string>> },
) {
  const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const always: Record<string, string> = {
    // Weak, as it stands for the file and not for one of its encodings.
    etag: `W/${tag}`,
    vary: "accept-encoding",
    "x-content-type-options": "nosniff",
    ...headers,
  };
  let gzipped: Uint8Array<ArrayBuffer> | undefined;
  return function serveFile(
    { req }: { req: { header(name: string): string | undefined } },
  ): Response {
    const known = req.header("if-none-match")?.split(",") ?? [];
    if (known.some((each) => each.trim() === "*" || each.trim().replace(/^W\//, "") === tag)) {
      return new Response(null, { status: 304, headers: always });
    }
    const content = { ...always, "content-type": type };
    if (!GZIP.test(req.header("accept-encoding") ?? "")) {
      return new Response(body, { headers: content });
    }
    gzipped ??= new Uint8Array(gzipSync(body, { level: 9 }));
    return new Response(gzipped, { headers: { ...content, "content-encoding": "gzip" } });
  };
}

/** `gzip` in an `Accept-Encoding`, but for that which says that it is not accepted (RFC 9110, 12.5.3). */
const GZIP = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i;
