/**
 * Single long polls of protocol 2, one by one as a test wants them.
 *
 * @module
 */
import type { Connect, Connected } from "../../src/protocol/frames.ts";
import { ask, type Exchange, type Head, request } from "./http.ts";
import type { Address } from "./server.ts";

/** POSTs lines to `path`, and reads the whole answer. */
export function post(
  address: Address,
  path: string,
  lines: readonly unknown[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Head & { readonly text: string }> {
  return ask(address, path, { method: "POST", headers, body: linesOf(lines) });
}

/** Begins a session by a poll, which is answered at once. */
export async function connectByPoll(address: Address, connect: Connect = {}): Promise<Connected> {
  const { status, text } = await post(address, "/chloe/poll", [{ connect }]);
  if (status !== 200) throw new Error(`Cannot connect: ${status} ${text}`);
  return JSON.parse(text.split("\n")[0]!).connected;
}

/** Sends a poll that may be held. */
export function poll(
  address: Address,
  resume: string,
  received: number,
  ...more: readonly unknown[]
): Promise<Exchange> {
  const body = linesOf([{ resume, received }, ...more]);
  return request(address, "/chloe/poll", { method: "POST", body });
}

function linesOf(lines: readonly unknown[]): string {
  return lines.map((line) => typeof line === "string" ? line : JSON.stringify(line)).join("\n");
}
