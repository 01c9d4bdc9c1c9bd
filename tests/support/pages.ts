/**
 * Every way in which a page can listen to Chloe, behind one interface: what the transport contract in
 * tests/transports_test.ts is run over.
 *
 * @module
 */
import { events } from "./carriers.ts";
import { request } from "./http.ts";
import {
  JsonpClient,
  type LegacyClient,
  LegacyWebSocketClient,
  XhrClient,
} from "./legacy_client.ts";
import type { Address, TestServer } from "./server.ts";
import { ConnectRefused, SessionClient, type TransportName } from "./session_client.ts";
import { HandshakeRefused } from "./websocket.ts";
import { eventually } from "./within.ts";

/** A page that listens. */
export interface Page {
  /** The data of the next message, whatever it was sent to. */
  next(): Promise<unknown>;
  /** Cuts its connections without a word. */
  cut(): void;
  /** Its transport's end, where the server ended it: an HTTP status or a WebSocket close code. */
  readonly ended: Promise<number>;
}

/** A way to listen. */
export interface Way {
  readonly name: string;
  /** Data as a page of this kind sees it. */
  shows(data: unknown): unknown;
  /**
   * Opens a page that is in `channel` when this resolves. Nobody else may be in that channel.
   *
   * @returns The HTTP status instead where the server has no room.
   */
  open(server: TestServer, channel: string): Promise<Page | number>;
}

/** All of them. */
export const WAYS: readonly Way[] = [
  native("websocket"),
  native("events"),
  native("poll"),
  { name: "EventSource", shows: asText, open: openEventSource },
  legacy("protocol 1, WebSocket", LegacyWebSocketClient),
  legacy("protocol 1, JSONP", JsonpClient),
  legacy("protocol 1, XHR", XhrClient),
];

/** Opens a page where there is room. */
export async function openPage(way: Way, server: TestServer, channel: string): Promise<Page> {
  const page = await way.open(server, channel);
  if (typeof page === "number") throw new Error(`Cannot open ${way.name}: ${page}`);
  return page;
}

/** Data that is not text comes as its JSON text. */
function asText(data: unknown): unknown {
  return typeof data === "string" ? data : JSON.stringify(data);
}

function native(transport: TransportName): Way {
  return {
    name: transport,
    shows: (data) => data,
    async open(server, channel) {
      const client = new SessionClient(server);
      try {
        await client.connect(transport, { subscribe: { [channel]: {} } });
      } catch (error) {
        client.dropTransport();
        if (error instanceof HandshakeRefused) return error.head.status;
        if (error instanceof ConnectRefused) return error.code;
        throw error;
      }
      return {
        next: () => client.nextData(),
        cut: () => client.dropTransport(),
        ended: client.ended.then(({ code }) => code),
      };
    },
  };
}

async function openEventSource(address: Address, channel: string): Promise<Page | number> {
  const path = `/chloe/events?channel=${encodeURIComponent(channel)}`;
  const stream = await request(address, path);
  const { status } = await stream.head();
  if (status !== 200) {
    stream.cut();
    return status;
  }
  const all = events(stream);
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  return {
    async next() {
      const { done, value } = await all.next();
      if (!done) return value.data;
      resolve(status);
      throw new Error("The stream ended");
    },
    cut: () => stream.cut(),
    get ended() {
      // Nobody else reads it: its end is found by reading on.
      void all.next().then(({ done }) => done && resolve(status));
      return ended;
    },
  };
}

const PROBE = "Is anybody in?";

function legacy(
  name: string,
  Client: new (address: Address) => LegacyClient,
): Way {
  return {
    name,
    shows: asText,
    async open(server, channel) {
      const client = new Client(server);
      try {
        // A page whose first request is refused says so by its status.
        const status = await Promise.race([client.connect().then(() => null), client.ended]);
        if (status !== null) return status;
        await client.subscribe(channel);
      } catch (error) {
        client.cut();
        if (error instanceof HandshakeRefused) return error.head.status;
        throw error;
      }
      // Over a WebSocket nothing else says that the subscription is in force.
      await eventually(async () => {
        const matched = await server.send({ channel, data: PROBE });
        return matched > 0 ? true : undefined;
      }, "a subscription of protocol 1");
      return {
        async next() {
          for (;;) {
            const { data } = await client.next();
            if (data !== PROBE) return data;
          }
        },
        cut: () => client.cut(),
        ended: client.ended,
      };
    },
  };
}
