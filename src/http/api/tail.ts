import type { Entry } from "../../hub/entry.ts";
import type { Session } from "../../hub/session.ts";
import type { Transport } from "../../hub/transport.ts";
import { ALL_CHANNEL, channelName } from "../../protocol/channel_name.ts";
import type { Codec } from "../../protocol/codec.ts";
import { type Close, ERRORS } from "../../protocol/codes.ts";
import { nativeCodec } from "../../protocol/native.ts";
import { createRoute } from "@hono/zod-openapi";
import { errorResponse } from "../../web/errors.ts";
import type { Control } from "./control.ts";
import type { ApiCounters } from "./counters.ts";
import { badRequest } from "./guard.ts";
import { refusals, type Routes } from "./operation.ts";
import * as schema from "./schema.ts";
import type { Watchers } from "./watchers.ts";

/** Watchers at once, each of which holds a connection. */
const MAX_WATCHERS = 100;

/** How far Deno may be ahead of the reader, beyond what the kernel's buffers take. */
const MAX_AHEAD_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Writes each frame of protocol 2 that a watcher gets as one event: messages, gaps and the goodbye. */
const watcherCodec: Codec = {
  ...nativeCodec,
  name: "watcher",
  acknowledged: false,
  answersPing: false,
  ping: ":\n\n",
  separator: "",
  push: (label, data, position) => event(nativeCodec.push(label, data, position)),
  gap: (label, missed) => event(nativeCodec.gap(label, missed)!),
  presence: () => null,
  unsubscribed: () => null,
  bye: (close) => event(nativeCodec.bye(close)!),
};

function event(frame: string): string {
  return `data: ${frame}\n\n`;
}

/** The stream to one watcher. */
class Tail implements Transport {
  readonly kind = "tail";
  readonly oneShot = false;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  session: Session | null = null;
  readonly #onEnd: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #open = true;

  /** @param onEnd Called once, when it is over. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#end(),
    }, { highWaterMark: MAX_AHEAD_BYTES, size: (chunk) => chunk.byteLength });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  get writable(): boolean {
    return this.#open && this.#controller.desiredSize! > 0;
  }

  write(entry: Entry): void {
    if (this.#open) this.#controller.enqueue(entry.raw);
  }

  flush(): void {} // each write has left

  control(frame: string): void {
    if (this.#open) this.#controller.enqueue(encoder.encode(frame));
  }

  close(_close: Close, farewell: string | null): void {
    if (farewell !== null) this.control(farewell);
    if (!this.#open) return; // gone while it was told
    this.#controller.close();
    this.#end();
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#onEnd();
    this.session?.detach(this);
  }
}

/** Adds `GET /api/channels/{channel}/tail`. */
export function addTail(
  routes: Routes,
  { control, counters, watchers }: {
    readonly control: Control;
    readonly counters: ApiCounters;
    readonly watchers: Watchers;
  },
): void {
  const route = createRoute({
    method: "get",
    path: "/api/channels/{channel}/tail",
    operationId: "tailChannel",
    tags: ["channels"],
    summary: "Watch a channel",
    description:
      "Its messages from now on, until you go. Each event's data is a frame as in docs/protocol.md: " +
      '`{"channel":"x","data":...,"offset":44}`, or `gap`, or `bye` before the end. You are bound by ' +
      "no rule, count nowhere, and nobody is told of you.",
    request: { params: schema.ChannelParam },
    responses: {
      200: {
        description: "The messages, as they come.",
        content: { "text/event-stream": { schema: schema.Frame } },
      },
      400: { $ref: "#/components/responses/BadRequest" },
      ...refusals(401, 409, 503),
    },
  });
  routes.openapi(route, (c) => {
    const name = channelName(c.req.valid("param").channel)!;
    if (name === ALL_CHANNEL) {
      return badRequest(`channel: cannot watch ${ALL_CHANNEL}: it is no channel of its own`);
    }
    if (counters.watchers >= MAX_WATCHERS) {
      return errorResponse(
        503,
        "full",
        `There are ${MAX_WATCHERS} watchers: end one first`,
        { "retry-after": "1" },
      );
    }
    counters.watchers++;
    const tail = new Tail(() => {
      counters.watchers--;
      if (tail.session !== null) watchers.remove(tail.session);
    });
    const session = control.watch(name, { codec: watcherCodec, transport: tail });
    if (typeof session === "string") {
      tail.body.cancel();
      return errorResponse(503, session, ERRORS[session].message);
    }
    tail.session = session;
    watchers.add(session, { headers: c.req.raw.headers, ...c.env });
    return new Response(tail.body, { headers: STREAM_HEADERS });
  });
}

const STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx collects an answer before it passes it on, unless it is told not to.
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
};
