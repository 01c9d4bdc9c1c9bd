import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import {
  ChloePoll,
  EventStream,
  HttpPublisher,
  type Listeners,
  NatsPublisher,
  NchanPoll,
  post,
} from "./http.ts";
import type { Connection, Loop } from "./loop.ts";
import { type Dialect, textFrame } from "./websocket.ts";

/** The servers that can be measured. */
export type Kind = "chloe" | "nchan" | "nats" | "socket.io" | "ws";

/** A server that runs. */
export interface Target {
  readonly kind: Kind;
  readonly port: number;
  /** Its first process. */
  readonly pid: number;
  /** Where publishers speak to it, if not at `port`. */
  readonly publishPort?: number;
  /** What opens Chloe's `/send`. */
  readonly apiKey?: string;
  /** Signs tokens that Chloe takes. */
  readonly tokenSecret?: string;
}

/** How a message comes down. */
export type Transport = "websocket" | "event stream" | "long-poll";

/** How subscribers begin. */
export interface Entrance {
  /** The channels that each is in; a message goes to the first. */
  readonly channels: readonly string[];
  /** Whether each brings a token of its own user. */
  readonly withToken: boolean;
}

/** A JWT of HS256, as an app would sign it. */
export function jwt(secret: string, claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** How each server's WebSockets are spoken to. */
export function dialectOf(target: Target, { channels, withToken }: Entrance): Dialect {
  const [first] = channels;
  switch (target.kind) {
    case "chloe":
      return chloeDialect(target, channels, withToken);
    case "nchan":
      return { path: `/sub/${first}`, subscribed: true };
    case "ws":
      return { path: "/", subscribed: true };
    case "nats":
      return {
        path: "/",
        subscribed: false,
        hello: () =>
          textFrame(
            'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1}\r\n' +
              channels.map((channel, index) => `SUB ${channel} ${index + 1}\r\n`).join("") +
              "PING\r\n",
          ),
        other(socket, text) {
          if (text.includes("PONG\r\n")) socket.ready();
          if (text.includes("PING\r\n")) socket.sendText("PONG\r\n");
          if (text.includes("-ERR")) throw new Error(`NATS says ${text}`);
        },
      };
    case "socket.io":
      return {
        path: "/socket.io/?EIO=4&transport=websocket",
        subscribed: false,
        other(socket, text) {
          if (text.startsWith("0")) socket.sendText("40");
          else if (text === "2") socket.sendText("3");
          else if (text.startsWith("40")) {
            socket.sendText(`420${JSON.stringify(["join", ...channels])}`);
          } else if (text.startsWith("43")) socket.ready();
        },
      };
  }
}

function chloeDialect(
  { tokenSecret }: Target,
  channels: readonly string[],
  withToken: boolean,
): Dialect {
  const subscribe = Object.fromEntries(channels.map((channel) => [channel, {}]));
  const plain = textFrame(JSON.stringify({ connect: { client: "bench/1", subscribe } }));
  const exp = Math.floor(Date.now() / 1000) + 3600;
  // All are made before any connects: this is the page's and the app's work.
  const tokens: Uint8Array<ArrayBuffer>[] = [];
  const own = (index: number) => {
    const token = jwt(tokenSecret ?? "", { sub: `user-${index}`, exp });
    return textFrame(JSON.stringify({ connect: { client: "bench/1", token, subscribe } }));
  };
  return {
    path: "/chloe/ws",
    subscribed: false,
    pong: textFrame("{}"),
    acknowledge: (count) => textFrame(`{"received":${count}}`),
    hello: (index) => withToken ? tokens[index] ??= own(index) : plain,
    other(socket, text) {
      if (text.startsWith('{"connected":')) socket.ready();
      else if (text.startsWith('{"error":')) throw new Error(`Chloe says ${text}`);
    },
  };
}

/** A subscriber that needs no WebSocket. */
export function listenerOf(
  { kind }: Target,
  transport: Transport,
  channel: string,
  all: Listeners,
): Connection {
  if (transport === "event stream") {
    const query = `channel=${encodeURIComponent(channel)}`;
    return new EventStream(all, kind === "chloe" ? `/chloe/events?${query}` : `/sub/${channel}`);
  }
  return kind === "chloe" ? new ChloePoll(all, channel) : new NchanPoll(all, `/sub/${channel}`);
}

/** Publishes messages to a server. */
export interface Publisher {
  publish(channel: string, text: string): void;
  /** How many were refused, or never left. */
  readonly failed: number;
}

/** A request that publishes, in its parts. */
export interface Publication {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What publishes a text. */
export function publication(target: Target, channel: string, text: string): Publication {
  const json = { "Content-Type": "application/json" };
  const body = JSON.stringify({ channel, data: text });
  switch (target.kind) {
    case "chloe":
      return {
        path: "/send",
        headers: { Authorization: `Bearer ${target.apiKey}`, ...json },
        body,
      };
    case "nchan":
      return { path: `/pub/${channel}`, headers: json, body };
    default:
      return {
        path: `/publish/${channel}`,
        headers: { "Content-Type": "text/plain" },
        body: text,
      };
  }
}

/** The request that publishes a text. */
export function publishRequest(
  target: Target,
  channel: string,
  text: string,
): Uint8Array<ArrayBuffer> {
  const { path, headers, body } = publication(target, channel, text);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return post(path, target.port, lines.join(""), body);
}

/** Opens one. */
export function publisherOf(target: Target, loop: Loop): Publisher {
  if (target.kind === "nats") {
    const nats = new NatsPublisher(loop);
    loop.open(nats, target.publishPort ?? target.port);
    return {
      publish: (channel, text) => nats.publish(channel, text),
      failed: 0,
    };
  }
  const http = new HttpPublisher(loop, target.publishPort ?? target.port);
  return {
    publish: (channel, text) => http.send(publishRequest(target, channel, text)),
    get failed() {
      return http.failed;
    },
  };
}
