/**
 * A server under test: in this process, or the real binary where `CHLOE_BIN` names one. A test that uses it
 * knows only what crosses the socket, so it holds for both.
 *
 * @module
 */
import type { z } from "zod";
import { type Config, schema } from "../../src/config/schema.ts";
import { startServer } from "../../src/server.ts";
import { CHLOE_BIN, startChloe } from "./chloe_process.ts";
import { request } from "./http.ts";

/** What stands in `chloe.toml`, as an object. */
export type ConfigFile = z.input<typeof schema>;

/** What an app POSTs to `/send`. */
export interface Outgoing {
  readonly data: unknown;
  readonly channel?: string;
  readonly channels?: readonly string[];
  readonly session?: string;
  readonly user?: string;
  readonly except?: string;
}

/** Where a server listens. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  /** Opens a connection, where that is not by TCP alone. */
  connect?(): Promise<Deno.Conn>;
}

/** A server that a test started. */
export interface TestServer extends Address, AsyncDisposable {
  readonly url: string;
  /** POSTs to `/send`, as the app; several messages at once. @returns How many it was queued for. */
  send(...messages: readonly Outgoing[]): Promise<number>;
  /** Shuts it down as SIGTERM would. */
  shutdown(): Promise<void>;
}

/** The client files of the source tree; they need not be built for these tests. */
const CLIENT_DIR = new URL("../../client/dist", import.meta.url).pathname;

/**
 * Starts a server on a free port of loopback. `overrides` is spelled as in `chloe.toml`.
 *
 * @param connect How one connects to its port, where that is not by TCP alone.
 */
export async function startTestServer(
  overrides: ConfigFile = {},
  connect?: (port: number) => Promise<Deno.Conn>,
): Promise<TestServer> {
  const config = schema.parse({ host: "127.0.0.1", port: 0, ...overrides });
  const { port, stop } = CHLOE_BIN === undefined
    ? await startHere(config)
    : await startBinary(overrides);
  const address: Address = {
    hostname: "127.0.0.1",
    port,
    ...(connect !== undefined && { connect: () => connect(port) }),
  };
  let stopping: Promise<void> | undefined;
  const shutdown = () => stopping ??= stop();
  return {
    ...address,
    url: `http://127.0.0.1:${port}`,
    send: (...messages) => sendTo(address, messages, config.api_keys[0]),
    shutdown,
    [Symbol.asyncDispose]: shutdown,
  };
}

interface Started {
  readonly port: number;
  stop(): Promise<void>;
}

async function startHere(config: Config): Promise<Started> {
  const server = await startServer({ config, version: "0.0.0-test", clientDir: CLIENT_DIR });
  return { port: server.port, stop: () => server.shutdown() };
}

async function startBinary(overrides: ConfigFile): Promise<Started> {
  const config = Object.entries(overrides).map(([key, value]) => `${key} = ${toml(value)}\n`);
  const process = await startChloe({ config: config.join("") });
  return { port: process.port, stop: async () => void await process.stop() };
}

/** A value as TOML: tables inline, so that it fits behind a key. */
function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, value]) => `${key} = ${toml(value)}`);
  return `{ ${members.join(", ")} }`;
}

/** POSTs JSON to `/send`. @throws Error where it is not accepted. */
async function sendTo(
  address: Address,
  messages: readonly Outgoing[],
  apiKey?: string,
): Promise<number> {
  const exchange = await request(address, "/send", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify(messages.length === 1 ? messages[0] : messages),
  });
  const { status } = await exchange.head();
  const text = await exchange.text();
  if (status !== 200) throw new Error(`Cannot send: ${status} ${text}`);
  const answers = [JSON.parse(text)].flat() as { matched: number }[];
  return answers.reduce((sum, { matched }) => sum + matched, 0);
}
