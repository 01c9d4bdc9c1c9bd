import type { Environment } from "./environment.ts";
import { eventStream } from "./transports/event_stream.ts";
import { longPoll } from "./transports/long_poll.ts";
import type { TransportKind } from "./transports/transport.ts";
import { websocket } from "./transports/websocket.ts";

/**
 * Where a client with no address connects: the server that this script came from, if that is Chloe; `null`
 * means `http://localhost:8901`.
 */
export const home: { url: string | null } = { url: null };

/** Every transport, the best first. */
const KINDS: readonly TransportKind[] = [websocket, eventStream, longPoll];

/** The name of a transport. */
export type TransportName = "websocket" | "events" | "poll";

/** How a client finds Chloe, and what it says there. */
export interface ChloeOptions {
  /** Where Chloe is: `https://example.com`, with a path where a proxy puts her under one. */
  url?: string | URL;
  /** As in 2011, instead of `url`. An IPv6 address is written `[::1]`. Default: `localhost`. */
  host?: string;
  /** As in 2011, instead of `url`. Default: 8901. */
  port?: number | string;
  /**
   * A token that says who the user is, or a function that gives one, now or by a promise. It is called before
   * the first connection, and again when Chloe says that the token has expired.
   */
  token?:
    | string
    | undefined
    | (() => string | null | undefined | Promise<string | null | undefined>);
  /** The transports to try, in this order. Default: `["websocket", "events", "poll"]`. */
  transports?: readonly TransportName[];
  /**
   * Whether all tabs of the page's origin that name the same address share one connection, and with it one
   * session and one user. Needs Web Locks, which pages by plain http have on localhost only; where there are
   * none each tab connects by itself.
   */
  shareTabs?: boolean;
  /**
   * What the client takes from the world around it, for tests.
   *
   * @ignore
   */
  environment?: Partial<Environment>;
}

/**
 * The address that the options mean, without a slash at the end.
 *
 * @param home What to use where the options name none; `null` means `http://localhost:8901`.
 */
export function addressOf({ url, host, port }: ChloeOptions, home: string | null): string {
  if (!url && !host && !port && home) return home;
  // As text it is its address; where there is no page it is `undefined`.
  const page = globalThis.location as unknown as string;
  if (url && !/^((http|ws)s?:\/)?\//.test(url as string)) {
    throw new TypeError(`Not an address of http: ${url}`);
  }
  const address = new URL(
    // The scheme is the page's, where that is http or https: a page that came by https may not speak plainly.
    url || `${/^http/.test(page) ? "" : "http:"}//${host || "localhost"}:${port || 8901}`,
    page,
  );
  return (address.origin + address.pathname).replace(/^ws/, "http").replace(/\/+$/, "");
}

/** Where a script of Chloe's came from; `null` for any other script. */
export function homeOf(scriptUrl: string | undefined): string | null {
  const own = /^(https?:\/\/[^?#]+)\/chloe([.-]min)?\.m?js([?#]|$)/.exec(scriptUrl as string);
  return own && own[1]!;
}

/** The kinds of transport that the options name and the platform has. */
export function kindsOf({ transports }: ChloeOptions, environment: Environment): TransportKind[] {
  // Pages of 2011 named transports by objects that are no more: those mean nothing here.
  const names = (transports || []).filter((name) => typeof name === "string");
  const kinds = names.map((name) => {
    const kind = KINDS.find((kind) => kind.name === name);
    if (!kind) throw new TypeError(`Not a transport: ${name}`);
    return kind;
  });
  const usable = (kinds[0] ? kinds : KINDS).filter((kind) => kind.supported(environment));
  if (!usable[0]) throw new TypeError("No transport");
  return usable;
}
