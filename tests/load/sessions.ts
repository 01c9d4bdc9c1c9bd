import { ask } from "../support/http.ts";
import type { Address, Outgoing } from "../support/server.ts";
import { LeanSocket } from "./lean_socket.ts";

/** How many handshakes are under way at once. */
const AT_ONCE = 200;

/** Does `make` for 0 to `count - 1`, a bounded number at once; the results are in order. */
export async function many<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  async function work(): Promise<void> {
    while (next < count) {
      const index = next++;
      results[index] = await make(index);
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, work));
  return results;
}

/** Opens a WebSocket, begins a session with a subscription to each of `channels`, and waits for the answer. */
export async function openSession(
  address: Address,
  channels: readonly string[],
  { origin }: { readonly origin?: string } = {},
): Promise<LeanSocket> {
  const socket = await LeanSocket.open(address, { origin });
  const subscribe = Object.fromEntries(channels.map((channel) => [channel, {}]));
  socket.send(JSON.stringify({ connect: { subscribe } }));
  const answer = await socket.receive();
  if (!answer?.startsWith('{"connected":')) throw new Error(`Cannot begin a session: ${answer}`);
  return socket;
}

/** The lines that a session gets from now on, one by one, pings left out, until the server closes. */
export async function* linesOf(socket: LeanSocket): AsyncGenerator<string> {
  for (;;) {
    const message = await socket.receive();
    if (message === null) return;
    for (const line of message.split("\n")) {
      if (line === "{}") socket.send("{}");
      else yield line;
    }
  }
}

/**
 * POSTs messages to `/send`, as an app on this machine, on a connection that does not outlive the answer.
 *
 * @returns How many sessions each was queued for.
 */
export async function publishAll(
  address: Address,
  messages: readonly Outgoing[],
): Promise<number[]> {
  const { status, text } = await ask(address, "/send", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(messages),
  });
  if (status !== 200) throw new Error(`Cannot send: ${status} ${text}`);
  return (JSON.parse(text) as { matched: number }[]).map(({ matched }) => matched);
}

/** As {@linkcode publishAll}, for one message. */
export async function publish(address: Address, message: Outgoing): Promise<number> {
  return (await publishAll(address, [message]))[0]!;
}
