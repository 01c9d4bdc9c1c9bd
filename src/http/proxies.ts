import { isIP } from "node:net";
import type { Connection } from "../web/remote.ts";
import { addressList } from "./addresses.ts";

/** What was not believed of what trusted proxies said, as plain numbers. */
export class ProxyCounters {
  /** Values that are no address, scheme or host. */
  malformed = 0;
  /** Requests with both `X-Forwarded-For` and `Forwarded`, which say different things. */
  contradictory = 0;
}

/** Whom to believe. */
export interface ProxiesOptions {
  /** Addresses, ranges, `loopback`, and `unix` for who comes by a Unix socket. */
  readonly trusted: readonly string[];
  /** Whether Chloe itself speaks TLS. */
  readonly secure: boolean;
  readonly counters?: ProxyCounters;
}

/** What a route is told of a request's connection. @param peer The address of the other end; `""`: none. */
export type ConnectionOf = (request: Request, peer: string) => Connection;

/**
 * Tells who asks: the peer, or, where that is a trusted proxy, whom it says that it asks for. Of the addresses
 * that a request came by the last one that is not a trusted proxy's counts: what is before it anybody could
 * have written.
 *
 * @throws TypeError where a text is no address, range or word.
 */
export function connectionsBy(
  { trusted, secure, counters = new ProxyCounters() }: ProxiesOptions,
): ConnectionOf {
  const includes = addressList(trusted.filter((range) => range !== "unix"));
  const trustsSocket = trusted.includes("unix");
  const isTrusted = (address: string) => address === "" ? trustsSocket : includes(address);
  const none = trusted.length === 0;

  return function connectionOf(request, peer) {
    const peerAddress = plainAddress(peer);
    if (none && !secure) return { remoteAddress: peerAddress, peerAddress };
    const direct: Connection = secure
      ? { remoteAddress: peerAddress, peerAddress, scheme: "https", ...authorityOf(request) }
      : { remoteAddress: peerAddress, peerAddress };
    if (none || !isTrusted(peerAddress)) return direct;

    const { headers } = request;
    const hops = hopsOf(headers, counters);
    if (hops === null) return direct;
    return {
      ...direct,
      remoteAddress: lastUntrusted(hops.addresses, peerAddress, { isTrusted, counters }),
      ...schemeOf(hops.scheme, counters),
      ...hostOf(hops.host, counters),
    };
  };
}

/** What proxies say: addresses from the first to the last, and of the last what it was asked by and for. */
interface Hops {
  readonly addresses: readonly string[];
  readonly scheme: string | null;
  readonly host: string | null;
}

/** Who could set one of the two headers, because a proxy passes on what it does not know, is not believed. */
function hopsOf(headers: Headers, counters: ProxyCounters): Hops | null {
  const forwarded = headers.get("forwarded");
  const hops: Hops = {
    addresses: splitList(headers.get("x-forwarded-for")),
    scheme: splitList(headers.get("x-forwarded-proto")).at(-1) ?? null,
    host: splitList(headers.get("x-forwarded-host")).at(-1) ?? null,
  };
  if (forwarded === null) return hops;
  const standard = parseForwarded(forwarded);
  if (standard === null) {
    counters.malformed++;
    return hops.addresses.length === 0 ? null : hops;
  }
  const differ = (one: string | null | undefined, other: string | null | undefined) =>
    one != null && other != null && one.toLowerCase() !== other.toLowerCase();
  if (
    differ(hops.addresses.at(-1), standard.addresses.at(-1)) ||
    differ(hops.scheme, standard.scheme) || differ(hops.host, standard.host)
  ) {
    counters.contradictory++;
    return null;
  }
  return {
    addresses: standard.addresses.length > 0 ? standard.addresses : hops.addresses,
    scheme: standard.scheme ?? hops.scheme,
    host: standard.host ?? hops.host,
  };
}

function splitList(value: string | null): string[] {
  return value === null ? [] : value.split(",").map((each) => each.trim());
}

/** From the last backwards, up to who is no trusted proxy; or what cannot be read, behind which all is hearsay. */
function lastUntrusted(
  addresses: readonly string[],
  peer: string,
  { isTrusted, counters }: {
    readonly isTrusted: (address: string) => boolean;
    readonly counters: ProxyCounters;
  },
): string {
  let nearest = peer;
  for (let i = addresses.length - 1; i >= 0; i--) {
    const text = addresses[i]!;
    const address = addressOf(text);
    if (address === null) {
      // RFC 7239 has these for who does not want to tell (section 6.3).
      if (!/^(?:unknown|_[\w.-]+)$/i.test(text)) counters.malformed++;
      return nearest;
    }
    if (!isTrusted(address)) return address;
    nearest = address;
  }
  return nearest;
}

/** An address that may have a port: `192.0.2.1:80`, `[2001:db8::1]:80`; `null` where it is none. */
function addressOf(text: string): string | null {
  const [, bracketed, bare] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(text) ?? [];
  const address = bracketed ?? bare ?? text;
  return isIP(address) === 0 ? null : plainAddress(address);
}

/** `::ffff:192.0.2.1` is how a socket that takes both versions names an IPv4 peer. */
export function plainAddress(address: string): string {
  if (!address.startsWith("::ffff:") && !address.startsWith("::FFFF:")) return address;
  const rest = address.slice("::ffff:".length);
  return isIP(rest) === 4 ? rest : address;
}

const SCHEMES: Readonly<Record<string, "http" | "https">> = {
  http: "http",
  https: "https",
  ws: "http",
  wss: "https",
};

function schemeOf(text: string | null, counters: ProxyCounters): { scheme?: "http" | "https" } {
  if (text === null) return {};
  const name = text.toLowerCase();
  if (Object.hasOwn(SCHEMES, name)) return { scheme: SCHEMES[name]! };
  counters.malformed++;
  return {};
}

/** A host as `Host` has it; what does not read as one is left out. */
function hostOf(text: string | null, counters: ProxyCounters): { host?: string } {
  if (text === null) return {};
  if (/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(text)) return { host: text };
  counters.malformed++;
  return {};
}

/** By HTTP/2 there is no `Host`: what it would say is in the request's address. */
function authorityOf({ headers, url }: Request): { host?: string } {
  if (headers.has("host")) return {};
  const parsed = URL.parse(url);
  return parsed === null ? {} : { host: parsed.host };
}

/** A name and its value, which may be quoted (RFC 7239, section 4). */
const PAIR =
  /\s*([!#$%&'*+.^_`|~0-9a-z-]+)=(?:([!#$%&'*+.^_`|~0-9a-z:[\]-]*)|"((?:[^"\\]|\\.)*)")\s*([;,]|$)/iy;

/** The hops that a `Forwarded` header names; `null` where it cannot be read. */
export function parseForwarded(value: string): Hops | null {
  const elements: Map<string, string>[] = [new Map()];
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < value.length) {
    const match = PAIR.exec(value);
    if (match === null) return null;
    const [, name = "", bare, quoted = "", end] = match;
    const element = elements.at(-1)!;
    const key = name.toLowerCase();
    if (element.has(key)) return null; // section 4: once in each
    element.set(key, bare ?? quoted.replaceAll(/\\(.)/g, "$1"));
    if (end === ",") elements.push(new Map());
  }
  const last = elements.at(-1)!;
  return {
    addresses: elements.flatMap((element) => element.get("for") ?? []),
    scheme: last.get("proto") ?? null,
    host: last.get("host") ?? null,
  };
}
