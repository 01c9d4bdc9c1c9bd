import type { Bus, Locks } from "./tabs/web_api.ts";
import type { TransportKind } from "./transports/transport.ts";

/**
 * What the client takes from the world around it. Tests hand in their own; everyone else gets
 * {@linkcode surroundings}.
 */
export interface Environment {
  /** Missing where the platform has none: long-poll is used then. */
  readonly WebSocket: (new (url: string) => WebSocket) | undefined;
  /** By which tabs talk, and agree who leads. Default: the platform's. */
  readonly BroadcastChannel?: (new (name: string) => Bus) | null;
  readonly locks?: Locks | null;
  fetch(url: string, init: RequestInit): Promise<Response>;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** Milliseconds, of a clock that goes on while the machine sleeps. */
  now(): number;
  /**
   * Calls `listener` when the network is back or gone, and when the page is looked at or hidden: with events of
   * the types `online`, `offline` and `visibilitychange`. The function returned ends that.
   */
  watch(listener: (event: { readonly type: string }) => void): () => void;
  /** The transports that worked, by Chloe's address: all clients of a page know of them. */
  readonly worked: Map<string, TransportKind>;
  /** From 0 up to but not 1. */
  random(): number;
  /** Takes what a handler threw, or an error that nobody listens for. */
  report(error: unknown): void;
}

const worked = new Map<string, TransportKind>();

/** The globals of the browser (or Deno, Node 20+, Bun), looked up when used and not before. */
export function surroundings(): Environment {
  return {
    WebSocket: globalThis.WebSocket,
    fetch: (url, init) => fetch(url, init),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    worked,
    now: Date.now,
    watch(listener) {
      const each = (call: typeof addEventListener | undefined) => {
        // Node has none, and no network that comes and goes.
        if (call) ["online", "offline", "visibilitychange"].map((type) => call(type, listener));
      };
      each(globalThis.addEventListener);
      return () => each(globalThis.removeEventListener);
    },
    random: Math.random,
    report: (error) => {
      // Elsewhere than in a page what nobody catches ends the program.
      // deno-lint-ignore no-console
      if (!("document" in globalThis)) return console.error(error);
      // To window.onerror and the console; and it keeps nothing else from happening.
      setTimeout(() => {
        throw error;
      });
    },
  };
}
