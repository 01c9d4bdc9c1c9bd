import type { Config } from "../config/schema.ts";

/** Where a server listens, as a config or a server says it. */
export interface Listening {
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
}

/** What a config says of where its server listens. */
export function listeningOf({ host, port, tls }: Config): Listening {
  return { hostname: host, port, secure: tls.cert !== undefined };
}

/** Whether it is a Unix socket: `unix:` and its path. */
export function isSocketUrl(url: string): boolean {
  return url.startsWith("unix:");
}

/** The URL, without a path, at which a program on this machine reaches a server. */
export function localUrl({ hostname, port, secure }: Listening): string {
  if (isSocketUrl(hostname)) return hostname;
  const scheme = secure ? "https" : "http";
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  if (name === "0.0.0.0") return `${scheme}://127.0.0.1:${port}`;
  if (name === "::") return `${scheme}://[::1]:${port}`;
  return `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
