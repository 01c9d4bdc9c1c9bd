import { assertEquals } from "@std/assert";
import { originPolicy, type OriginVerdict } from "./origins.ts";

interface Case {
  readonly origins?: readonly string[];
  readonly guarded?: boolean;
  readonly host?: string;
  readonly origin?: string;
  readonly site?: string;
}

function verdict({ origins = [], guarded = false, host, origin, site }: Case): OriginVerdict {
  const headers = new Headers();
  if (host !== undefined) headers.set("host", host);
  if (origin !== undefined) headers.set("origin", origin);
  if (site !== undefined) headers.set("sec-fetch-site", site);
  return originPolicy({ origins, guarded })(headers);
}

function letIn(name: string, cors: string | null, request: Case): void {
  Deno.test(`originPolicy() lets in ${name}`, () => {
    assertEquals(verdict(request), { allowed: true, cors });
  });
}

function refused(name: string, request: Case): void {
  Deno.test(`originPolicy() refuses ${name}`, () => {
    assertEquals(verdict(request).allowed, false);
  });
}

const HOST = "127.0.0.1:8901";
const LISTED = ["https://app.example.com", "https://*.example.org"];

letIn("a program, which names no origin", null, { host: HOST });
letIn("a program, with a secret configured", null, { host: "chloe.example.com", guarded: true });
letIn("a page of the own origin", null, { host: HOST, origin: `http://${HOST}` });
letIn("a page of the own origin that names none", null, { host: HOST, site: "same-origin" });
letIn("a page of another loopback origin", "http://localhost:3000", {
  host: HOST,
  origin: "http://localhost:3000",
});
letIn("a page of loopback by IPv6", "http://[::1]:3000", {
  host: HOST,
  origin: "http://[::1]:3000",
});
letIn("a listed origin", "https://app.example.com", {
  host: HOST,
  origin: "https://app.example.com",
  origins: LISTED,
});
letIn("a listed origin whatever its case", "https://APP.example.com", {
  host: HOST,
  origin: "https://APP.example.com",
  origins: LISTED,
});
letIn("an origin that fits a pattern", "https://a.b.example.org", {
  host: HOST,
  origin: "https://a.b.example.org",
  origins: LISTED,
});
letIn("any origin by *", "https://anything.example", {
  host: HOST,
  origin: "https://anything.example",
  origins: ["*"],
});
letIn("a sandboxed page by *", "null", { host: HOST, origin: "null", origins: ["*"] });
letIn("the own origin of a public name with a secret", null, {
  host: "chloe.example.com",
  origin: "https://chloe.example.com",
  guarded: true,
});
letIn("the own origin behind a proxy that ends TLS", null, {
  host: "chloe.example.com:443",
  origin: "https://chloe.example.com",
  guarded: true,
});

refused("a page of another site", { host: HOST, origin: "https://evil.example" });
refused("a page of another port with a secret", {
  host: HOST,
  origin: "http://localhost:3000",
  guarded: true,
});
refused("a page of another site that names none", { host: HOST, site: "cross-site" });
refused("a sandboxed page", { host: HOST, origin: "null" });
refused("an origin that cannot be read", { host: HOST, origin: "nonsense" });
refused("an origin that only begins like a listed one", {
  host: HOST,
  origin: "https://app.example.com.evil.example",
  origins: LISTED,
});
refused("an origin that only ends like a listed one", {
  host: HOST,
  origin: "https://evilapp.example.com",
  origins: LISTED,
});
refused("the bare domain of a pattern for its parts", {
  host: HOST,
  origin: "https://example.org",
  origins: LISTED,
});
refused("another port than the listed one", {
  host: HOST,
  origin: "https://app.example.com:8443",
  origins: LISTED,
});
refused("another scheme than the listed one", {
  host: HOST,
  origin: "http://app.example.com",
  origins: LISTED,
});
refused("a dot in a listed origin as any character", {
  host: HOST,
  origin: "https://appxexample.com",
  origins: LISTED,
});

// The browser of a page whose name was pointed at 127.0.0.1 takes Chloe for that page's own server.
refused("a name that was rebound to loopback", {
  host: "evil.example:8901",
  origin: "http://evil.example:8901",
});
refused("a rebound name whose page names no origin, as for a GET", {
  host: "evil.example:8901",
  site: "same-origin",
});
refused("a rebound name in a browser that says nothing of the page", { host: "evil.example:8901" });
letIn("a name of this machine's own that is listed", null, {
  host: "chloe.test:8901",
  site: "same-origin",
  origins: ["http://chloe.test:8901"],
});

Deno.test("originPolicy() says which origin it refused", () => {
  assertEquals(verdict({ host: HOST, origin: "https://evil.example" }), {
    allowed: false,
    origin: "https://evil.example",
  });
});
