import { hostName, isLoopbackHost } from "./loopback.ts";
import type { Connection } from "./remote.ts";

/** Whether a page may speak with Chloe. */
export type OriginVerdict =
  | {
    readonly allowed: true;
    /** The origin to name in `access-control-allow-origin`, where the page is of another one. */
    readonly cors: string | null;
  }
  | { readonly allowed: false; readonly origin: string };

/** The headers by which it is decided: a policy reads no other. */
const PAGE_HEADERS = ["origin", "host", "sec-fetch-site"] as const;

/** What a request says in these: the request's own headers, or what `Pages` keeps of them. */
export interface PageHeaders {
  get(name: string): string | null;
}

/** What a page knows Chloe by, where the request's own headers do not say it. */
export type OwnPlace = Pick<Connection, "scheme" | "host">;

/** Decides on a request by its headers. */
export type OriginPolicy = (headers: PageHeaders, own?: OwnPlace) => OriginVerdict;

/** What is longer names no host. */
const MAX_HEADER_LENGTH = 1000;

/** So many that differ are known at once; then it begins anew. */
const MAX_PAGES = 1000;

/** Where a page is from, as its request said it. */
export interface PageSource extends PageHeaders {
  readonly own: OwnPlace;
}

/**
 * Keeps what requests say of where their pages are from, so that it can be decided on again when the origins
 * that may connect have changed. Thousands of sessions of one page share one object.
 */
export class Pages {
  readonly #known = new Map<string, PageSource>();

  of(headers: PageHeaders, { scheme, host }: OwnPlace): PageSource {
    const values = PAGE_HEADERS.map((name) => headers.get(name)?.slice(0, MAX_HEADER_LENGTH));
    const key = [...values, scheme, host].join("\n"); // no header has a line end
    let page = this.#known.get(key);
    if (page === undefined) {
      const kept = new Map(PAGE_HEADERS.map((name, i) => [name as string, values[i] ?? null]));
      const own = { ...(scheme !== undefined && { scheme }), ...(host !== undefined && { host }) };
      page = { get: (name) => kept.get(name) ?? null, own };
      if (this.#known.size >= MAX_PAGES) this.#known.clear();
      this.#known.set(key, page);
    }
    return page;
  }
}

/** Who may connect from a browser. */
export interface OriginOptions {
  /** Origins as a browser names them; `*` stands for one or more labels of a host, or alone for all. */
  readonly origins: readonly string[];
  /**
   * Whether a secret or a key is configured. While there is none, Chloe is on a developer's own machine: it
   * lets pages of loopback origins in, and takes a name for its own only if it is a loopback name, so that a
   * name that was rebound to 127.0.0.1 opens nothing.
   */
  readonly guarded: boolean;
}

/**
 * A policy for WebSockets and cross-origin requests alike. A request without `Origin` is not from another
 * origin's page, unless `Sec-Fetch-Site` says so; it may be a GET by a page of the host that it names.
 */
export function originPolicy({ origins, guarded }: OriginOptions): OriginPolicy {
  const patterns = origins.map(originExpression);
  const isListed = (origin: string) => patterns.some((pattern) => pattern.test(origin));
  return function decide(headers, own = {}) {
    const origin = headers.get("origin");
    const host = own.host ?? headers.get("host");
    if (origin === null) {
      if (headers.get("sec-fetch-site") === "cross-site") {
        return { allowed: false, origin: "(not named)" };
      }
      const named = `${own.scheme ?? "http"}://${host}`;
      return guarded || host === null || isLoopbackHost(hostName(host) ?? "") || isListed(named)
        ? { allowed: true, cors: null }
        : { allowed: false, origin: named };
    }
    if (isListed(origin)) return { allowed: true, cors: origin };
    const url = parseOrigin(origin);
    if (url !== null) {
      const isOwn = isSameHost(url, host) &&
        (own.scheme === undefined || url.protocol === `${own.scheme}:`);
      if (isOwn && (guarded || isLoopbackHost(hostName(host) ?? ""))) {
        return { allowed: true, cors: null };
      }
      if (!guarded && isLoopbackHost(url.hostname)) return { allowed: true, cors: origin };
    }
    return { allowed: false, origin };
  };
}

function parseOrigin(origin: string): URL | null {
  try {
    return new URL(origin);
  } catch {
    return null; // "null", of a sandboxed page or a file
  }
}

/** Whether `Host` names the origin's host and port, by the origin's scheme. */
function isSameHost(origin: URL, host: string | null): boolean {
  if (host === null) return false;
  try {
    return new URL(`${origin.protocol}//${host}`).host === origin.host;
  } catch {
    return false;
  }
}

function originExpression(pattern: string): RegExp {
  if (pattern === "*") return /^/;
  const source = pattern.replace(/[\\^$.+?()[\]{}|/-]/g, "\\$&").replaceAll("*", "[^/:@]+");
  return new RegExp(`^${source}$`, "i");
}
