import type { Context, Next } from "hono";
import { hostName, isLoopbackHost } from "../web/loopback.ts";
import type { RemoteEnv } from "../web/remote.ts";

/**
 * The headers of an HTML page of Chloe's and of its parts.
 *
 * @param policy What the page may do beside nothing, as directives of CSP.
 */
export function pageHeaders(policy: readonly string[]): Readonly<Record<string, string>> {
  return {
    "content-security-policy": [
      "default-src 'none'",
      ...policy,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };
}

/** For a year. Not for subdomains: they are not Chloe's to speak for. */
const STRICT = "max-age=31536000";

/**
 * Tells browsers that this host is only ever to be asked by TLS (RFC 6797), where it is at the default port.
 * At another it would speak for whatever else is on the host: the word holds for all of its ports.
 */
export async function strictTransport(c: Context<RemoteEnv>, next: Next): Promise<void> {
  await next();
  const { scheme, host = c.req.raw.headers.get("host") } = c.env;
  if (scheme !== "https" || host === null || !/^[^:]+(?::443)?$/.test(host)) return;
  const name = hostName(host);
  if (name !== null && !isLoopbackHost(name)) {
    c.res.headers.set("strict-transport-security", STRICT);
  }
}
