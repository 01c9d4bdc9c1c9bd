/**
 * An app that checks who speaks to it, and can be held in the middle of an answer.
 *
 * @module
 */
import { webhookVerifier } from "../../src/signing/standard_webhooks.ts";
import { within } from "./within.ts";

/** An event as the app got it. */
export interface AppEvent {
  readonly type: string;
  readonly data?: unknown;
}

/** An app on a port of loopback. Disposing ends it. */
export interface HeldApp extends AsyncDisposable {
  readonly url: string;
  /** Events whose signature was right, in order. */
  readonly events: readonly AppEvent[];
  /** The secrets of those who may sign; set it before the first event. */
  secrets: readonly string[];
  /** How many events were not signed by one of them. */
  unsigned: number;
  /** Answers with what it got. While it is held, the answer waits. */
  hold(): { readonly reached: Promise<void>; release(): void };
}

/** Starts the app. It answers a message with `{handled: <its data>}`. */
export function startHeldApp(): HeldApp {
  const events: AppEvent[] = [];
  let held: { reached(): void; released: Promise<void> } | null = null;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    if (!webhookVerifier(app.secrets)({ headers: request.headers, body }).ok) {
      app.unsigned++;
      return new Response(null, { status: 401 });
    }
    const event = JSON.parse(body) as AppEvent;
    events.push(event);
    if (event.type !== "message") return new Response(null, { status: 204 });
    if (held !== null) {
      const { reached, released } = held;
      reached();
      await released;
    }
    return Response.json({ reply: { handled: event.data } });
  });
  const app: HeldApp = {
    url: `http://127.0.0.1:${server.addr.port}/updates`,
    events,
    secrets: [],
    unsigned: 0,
    hold() {
      const { promise: reached, resolve } = Promise.withResolvers<void>();
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      held = { reached: resolve, released };
      return {
        reached: within(reached, "an event that is held"),
        release() {
          held = null;
          release();
        },
      };
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return app;
}
