/**
 * What a server counts, as `chloe status` shows it.
 *
 * @module
 */
import { visible } from "./table.ts";

/** Reads one number of the answer by its place, `hub.framesIn`; `null` where there is none. */
type Read = (path: string) => number | null;

/** What a part of a line says of a number. */
type Part = readonly [path: string, say: (value: number) => string];

/**
 * The lines, each with its parts. A server of another version may not tell some of it: what it does not tell is
 * left out, and so is a line of which it does not tell the first.
 */
const LINES: readonly (readonly [title: string, first: Part, ...more: readonly Part[]])[] = [
  ["up", ["server.uptimeSeconds", duration]],
  ["sessions", ["sessions", count]],
  [
    "channels",
    ["channels", count],
    ["sessionTotals.subscriptions", (n) => plural(n, "subscription")],
  ],
  ["published", ["hub.messagesPublished", (n) => plural(n, "message")]],
  ["in", ["hub.framesIn", (n) => plural(n, "frame")], ["hub.bytesIn", size]],
  ["out", ["hub.framesOut", (n) => plural(n, "frame")], ["hub.bytesOut", size]],
  [
    "queued",
    ["sessionTotals.unwrittenBytes", (n) => `${size(n)} unwritten`],
    ["sessionTotals.unacknowledgedBytes", (n) => `${size(n)} unacknowledged`],
  ],
  [
    "slow readers",
    ["hub.slowReaders", (n) => `${count(n)} sent away`],
    ["sessionTotals.blocked", (n) => `${count(n)} behind now`],
  ],
  [
    "app",
    ["relay.queued", (n) => `${plural(n, "event")} waiting`],
    ["relay.inFlight", (n) => `${plural(n, "request")} under way`],
    ["relay.retried", (n) => `${count(n)} tried again`],
    ["relay.givenUp", (n) => `${count(n)} given up`],
  ],
  [
    "event loop",
    ["eventLoop.worstLagSeconds", (s) => `${count(Math.ceil(s * 1000))} ms late at most, lately`],
  ],
  [
    "memory",
    ["process.residentBytes", size],
    ["process.heapUsedBytes", (n) => `${size(n)} heap`],
  ],
  [
    "files",
    ["process.openFiles", (n) => `${count(n)} open`],
    ["process.maxFiles", (n) => `${count(n)} allowed`],
  ],
];

const TITLE_WIDTH = Math.max(...LINES.map(([title]) => title.length));

/** What `GET /api/stats` answered as lines for a person. Nothing in it is taken for granted. */
export function numberLines(stats: unknown): string[] {
  const read: Read = (path) => {
    const value = path.split(".").reduce<unknown>((table, name) => Object(table)[name], stats);
    return typeof value === "number" && Number.isFinite(value) ? value : null;
  };
  const lines: string[] = [];
  for (const [title, ...parts] of LINES) {
    if (read(parts[0]![0]) === null) continue;
    const texts = parts.flatMap(([path, say]) => {
      const value = read(path);
      return value === null ? [] : [say(value)];
    });
    const kinds = title === "sessions" ? kindsOf(stats) : [];
    const more = kinds.length === 0 ? "" : `: ${kinds.join(", ")}`;
    lines.push(`  ${title.padEnd(TITLE_WIDTH)}  ${texts.join(", ")}${more}`);
  }
  return lines;
}

/** How the sessions are connected: `12 websocket`, and so on; the most first. */
function kindsOf(stats: unknown): string[] {
  const { byTransport } = Object(Object(stats).sessionTotals);
  if (!Array.isArray(byTransport)) return [];
  const kinds = new Map<string, number>();
  for (const each of byTransport) {
    const { transport, count } = Object(each);
    if (typeof transport !== "string" || !Number.isSafeInteger(count)) continue;
    kinds.set(transport, (kinds.get(transport) ?? 0) + count);
  }
  return [...kinds].filter(([, sessions]) => sessions > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, n]) => `${count(n)} ${kind === "none" ? "away" : visible(kind)}`);
}

function count(value: number): string {
  return value.toLocaleString("en-GB", { maximumFractionDigits: 0 });
}

function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A size with a unit in which it has up to four digits. */
function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

const TIMES = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const;

/** A time in its two largest units. */
function duration(seconds: number): string {
  let left = Math.floor(seconds);
  const parts: string[] = [];
  for (const [unit, length] of TIMES) {
    const value = Math.floor(left / length);
    left -= value * length;
    if (value > 0 || (unit === "s" && parts.length === 0)) parts.push(`${value} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}
