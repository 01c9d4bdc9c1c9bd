import type { Codec } from "./codec.ts";
import type { Position } from "./frames.ts";

/**
 * Writes for a browser's own `EventSource`, with no client library: the message's data, and the channel as
 * the event's name where several channels were asked for (label `""` otherwise). Text goes out as it is, any
 * other data as its JSON text. Where the channel keeps history an event's id says where it stands.
 */
export const plainCodec: Codec = {
  name: "plain",
  acknowledged: false,
  answersPing: false,
  // A comment: an EventSource ignores it, and a proxy sees that the connection lives.
  ping: ":\n\n",
  separator: "",

  push(label, data, more) {
    const id = more?.position ? `id: ${positionText(more.position)}\n` : "";
    return id + eventText(label, data);
  },
  // A reader sends no commands, and comes back by itself.
  ok: () => "",
  error: () => "",
  unsubscribed: () => null,
  expires: () => null,
  gap: (label, missed) =>
    eventText(GAP, JSON.stringify({ ...(label && { channel: label }), missed })),
  presence: () => null,
  bye: () => null,
};

/**
 * The same for one reader of several channels, of which some keep history: an `EventSource` knows only the id
 * of the last event, so each id says where all of them stand. Such a codec is one reader's own.
 *
 * @param channels In the order in which they were asked for.
 */
export function plainCodecOf(
  channels: readonly string[],
): { readonly codec: Codec; readonly positions: Map<string, Position> } {
  const positions = new Map<string, Position>();
  const codec: Codec = {
    ...plainCodec,
    push(label, data, more) {
      if (!more?.position) return eventText(label, data);
      positions.set(label!, more.position);
      return `id: ${lastEventId(channels, positions)}\n${eventText(label, data)}`;
    },
  };
  return { codec, positions };
}

/** The id that says where a reader of these channels stands: `-` where a channel keeps no history. */
export function lastEventId(
  channels: readonly string[],
  positions: ReadonlyMap<string, Position>,
): string {
  return channels.map((name) => {
    const position = positions.get(name);
    return position === undefined ? "-" : positionText(position);
  }).join(",");
}

/** What a `Last-Event-ID` says of each of these channels. What cannot be read says nothing. */
export function parseLastEventId(
  text: string | null,
  channels: readonly string[],
): Map<string, Position> {
  const positions = new Map<string, Position>();
  const parts = text?.split(",") ?? [];
  if (parts.length !== channels.length) return positions;
  for (const [index, part] of parts.entries()) {
    const [, epoch, offset] = /^([\w.-]{1,40}):(\d{1,15})$/.exec(part) ?? [];
    if (epoch !== undefined) positions.set(channels[index]!, { epoch, offset: Number(offset) });
  }
  return positions;
}

/** The event that tells a reader that messages are gone for good. */
const GAP = "chloe:gap";

/** Tells that of all that a reader may have missed of a channel, and nobody knows how many that are. */
export function gapEvent(channel: string): string {
  return eventText(GAP, JSON.stringify({ channel }));
}

function positionText({ epoch, offset }: Position): string {
  return `${epoch}:${offset}`;
}

function eventText(label: string | null, data: string): string {
  const event = label ? `event: ${label}\n` : "";
  const text = data.startsWith('"') ? (JSON.parse(data) as string) : data;
  const lines = /[\r\n]/.test(text) ? text.split(/\r\n|\r|\n/).join("\ndata: ") : text;
  return `${event}data: ${lines}\n\n`;
}
