/**
 * Readers that take nothing until they are told to: their sockets' buffers fill, or they do not poll.
 *
 * @module
 */
import type { Connected, ServerFrame } from "../../src/protocol/frames.ts";
import { events, type TransportName } from "./carriers.ts";
import { request } from "./http.ts";
import { poll, post } from "./polls.ts";
import type { Address } from "./server.ts";
import { RawWebSocket } from "./websocket.ts";

/** A page that stalls. */
export interface StalledReader extends Disposable {
  /** Reads on, to the end of its transport; may be left, and called again, to go on. */
  frames(): AsyncIterable<ServerFrame>;
}

/** Opens one over a transport, in these channels. */
export async function openStalled(
  transport: TransportName,
  address: Address,
  ...channels: readonly string[]
): Promise<StalledReader> {
  const subscribe = Object.fromEntries(channels.map((name) => [name, {}]));
  const { lines, cut } = await OPENERS[transport](
    address,
    JSON.stringify({ connect: { subscribe } }),
  );
  const all = frames(lines);
  const first = await all.next();
  if (first.done || !("connected" in first.value)) throw new Error("Cannot connect a reader");
  return {
    frames: () => ({ [Symbol.asyncIterator]: () => ({ next: () => all.next() }) }),
    [Symbol.dispose]: cut,
  };
}

async function* frames(lines: AsyncIterable<string>): AsyncGenerator<ServerFrame> {
  for await (const line of lines) if (line !== "") yield JSON.parse(line) as ServerFrame;
}

interface Lines {
  readonly lines: AsyncIterable<string>;
  cut(): void;
}

const OPENERS: Record<TransportName, (address: Address, connect: string) => Promise<Lines>> = {
  async websocket(address, connect) {
    const socket = await RawWebSocket.open(address, "/chloe/ws");
    await socket.send(connect);
    async function* lines() {
      for (;;) {
        const received = await socket.next();
        if (received.kind === "closed") return;
        yield* received.text.split("\n");
      }
    }
    return { lines: lines(), cut: () => socket.cut() };
  },

  async events(address, connect) {
    const stream = await request(address, "/chloe/events", { method: "POST", body: connect });
    await stream.head();
    async function* lines() {
      for await (const { data } of events(stream)) yield* data.split("\n");
    }
    return { lines: lines(), cut: () => stream.cut() };
  },

  async poll(address, connect) {
    const first = (await post(address, "/chloe/poll", [connect])).text.split("\n");
    const { connected } = JSON.parse(first[0]!) as { connected: Connected };
    let held: Disposable | null = null;
    async function* lines() {
      yield* first;
      for (let received = 0;;) {
        using exchange = await poll(address, connected.resume, received);
        held = exchange;
        const { status } = await exchange.head();
        if (status !== 200) return;
        const [from = "", ...rest] = (await exchange.text()).split("\n");
        received = JSON.parse(from).from + rest.length;
        yield* rest;
      }
    }
    return { lines: lines(), cut: () => held?.[Symbol.dispose]() };
  },
};
