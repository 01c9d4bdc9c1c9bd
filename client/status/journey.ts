/** What the demo app sends to everyone for each line: the line, and when it was where. */
export interface DemoLine {
  /** Chosen by the sending page. */
  readonly id: string;
  readonly text: string;
  /** The sender's public session id. */
  readonly session: string;
  /** Milliseconds since 1970: when the browser sent it, by the browser's clock. */
  readonly sent: number;
  /** When Chloe took it, when the app had it, and just before the app posted it to `/send`. */
  readonly relayed: number;
  readonly received: number;
  readonly posted: number;
}

/** One stage of the way. */
export interface Leg {
  readonly name: string;
  /** Milliseconds. */
  readonly ms: number;
}

/** The way of one line, from the browser and back to it. */
export interface Journey {
  /** Up, to the app, in the app, and down. */
  readonly legs: readonly [Leg, Leg, Leg, Leg];
  readonly totalMs: number;
  /** The clocks of browser and server differ: the ways up and down are taken to be equally long. */
  readonly isEstimate: boolean;
}

/** Times of different clocks of one machine, one of them in whole milliseconds, may differ by this much. */
const CLOCK_TOLERANCE_MS = 2;

/** What the transports are called on the page. */
export const TRANSPORT_NAMES: Readonly<Record<string, string>> = {
  websocket: "WebSocket",
  events: "event stream",
  poll: "long-poll",
};

/** The legs of a line that came back. `arrived` is when, by the browser's clock. */
export function journeyOf(line: DemoLine, arrived: number, transport: string): Journey {
  const { sent, relayed, received, posted } = line;
  const name = TRANSPORT_NAMES[transport] ?? transport;
  const totalMs = Math.max(0, arrived - sent);
  let up = relayed - sent;
  let down = arrived - posted;
  const isEstimate = Math.min(up, down) < -CLOCK_TOLERANCE_MS;
  if (isEstimate) up = down = (totalMs - (posted - relayed)) / 2;
  const leg = (name: string, ms: number) => ({ name, ms: Math.max(0, ms) });
  return {
    legs: [
      leg(name, up),
      leg("signed POST", received - relayed),
      leg("in the app", posted - received),
      leg(`POST, ${name}`, down),
    ],
    totalMs,
    isEstimate,
  };
}

/** The demo app's line in a message's data, or `null` where it is something else. */
export function demoLine(data: unknown): DemoLine | null {
  const line = (data as { demo?: Record<string, unknown> } | null)?.demo;
  if (typeof line !== "object" || line === null) return null;
  const texts = [line.id, line.text, line.session];
  const times = [line.sent, line.relayed, line.received, line.posted];
  const isLine = texts.every((text) => typeof text === "string") && times.every(Number.isFinite);
  return isLine ? line as unknown as DemoLine : null;
}

/** A time for people: as many digits as mean something. */
export function formatMs(ms: number): string {
  if (ms < 0.1) return "under 0.1 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
