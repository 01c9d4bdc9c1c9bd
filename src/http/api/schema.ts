/**
 * What the control API takes and gives: each schema checks what comes in, types what goes out, and stands in
 * the OpenAPI document.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { Buffer } from "node:buffer";
import { CHANNEL_NAME_PROBLEM, parsePattern } from "../../protocol/channel_pattern.ts";
import { ALL_CHANNEL, channelName } from "../../protocol/channel_name.ts";

/** The most that is listed on one page. */
export const MAX_LIMIT = 1000;
const DEFAULT_LIMIT = 100;

const MAX_NAME = 200;
const MAX_CURSOR = 4000;
/** The longest reason that fits into the close frame of a WebSocket, in bytes (RFC 6455, section 5.5). */
const MAX_REASON_BYTES = 123;

// Names and numbers

/** A member that must be there; `what` says what it must be. */
function text(what: string) {
  return z.string({ error: ({ input }) => input === undefined ? "is missing" : what });
}

const id = (what: string, example: string) => {
  const problem = `must be text of 1 to ${MAX_NAME} characters`;
  return text(problem).min(1, problem).max(MAX_NAME, problem).openapi({
    description: what,
    example,
  });
};

const channel = text("must be text").refine((name) => channelName(name) !== null, {
  error: CHANNEL_NAME_PROBLEM,
}).openapi({
  description:
    "A channel's name. One leading slash is not part of it; `/all` is the channel of everyone.",
  example: "chat:1",
});

const ownChannel = channel.refine((name) => name !== ALL_CHANNEL, {
  error: `must not be ${ALL_CHANNEL}, where everyone is always`,
}).openapi({
  description: `A channel's name, but not \`${ALL_CHANNEL}\`, where everyone is always.`,
});

const wholeNumber = (min: number, max?: number) => {
  const error = max === undefined
    ? `must be a whole number from ${min}`
    : `must be a whole number from ${min} to ${max}`;
  const number = z.coerce.number({ error }).int({ error }).min(min, { error });
  return max === undefined ? number : number.max(max, { error });
};

const limit = wholeNumber(1, MAX_LIMIT).default(DEFAULT_LIMIT).openapi({
  description: "How many are listed on one page.",
});

const cursor = z.string({ error: "must be there once" }).max(MAX_CURSOR, {
  error: "is none: take `next` from the page before, as it is",
}).openapi({ description: "`next` of the page before, as it is; without it the first page." });

const time = z.string().openapi({ format: "date-time", example: "2026-01-02T03:04:05.678Z" });

const count = z.int().min(0);

const next = z.string().nullable().openapi({
  description: "The `cursor` of the next page; `null` on the last.",
});

// Parameters

export const SessionParam = z.strictObject({
  session: id("The session's public id.", "q83vEjRWeJC6mHhU"),
});

export const UserParam = z.strictObject({ user: id("The user's name.", "ann") });

export const ChannelParam = z.strictObject({
  channel: channel.openapi({
    description: "The channel's name, percent-encoded: `a/b` is `a%2Fb`.",
    example: "chat:1",
  }),
});

export const PageQuery = z.strictObject({ limit, cursor: cursor.optional() });

export const SessionQuery = z.strictObject({
  user: id("Only this user's.", "ann").optional(),
  channel: channel.openapi({ description: "Only those in this channel.", example: "chat:1" })
    .optional(),
  limit,
  cursor: cursor.optional(),
});

export const ChannelQuery = z.strictObject({
  pattern: z.string({ error: "must be there once" }).check(({ value, issues }) => {
    const fits = parsePattern(value);
    if (typeof fits === "string") issues.push({ code: "custom", message: fits, input: value });
  }).openapi({
    description:
      "Only those that it fits: `*` is a part of one segment, `**` anything; segments end at `:` and `/`.",
    example: "chat:*",
  }).optional(),
  limit,
  cursor: cursor.optional(),
});

export const HistoryQuery = z.strictObject({
  limit,
  since: wholeNumber(0).openapi({
    description:
      "The messages after this offset, the oldest first; 0: from the oldest that is kept. Without it the newest.",
    example: 41,
  }).optional(),
});

// Bodies

export const SubscribeBody = z.strictObject({
  channel: ownChannel,
  info: z.unknown().optional().openapi({
    description:
      "What others are told of the session where the channel keeps presence; at most 1 KiB as JSON.",
    example: { name: "Ann" },
  }),
}).openapi("Subscribe");

export const UnsubscribeBody = z.strictObject({ channel: ownChannel }).openapi("Unsubscribe");

export const DisconnectBody = z.strictObject({
  reason: text("must be text").refine((reason) => Buffer.byteLength(reason) <= MAX_REASON_BYTES, {
    error: `must fit into ${MAX_REASON_BYTES} bytes`,
  }).optional().openapi({ description: "What the browser is told.", example: "signed out" }),
  reconnect: z.boolean({ error: "must be true or false" }).optional().openapi({
    description:
      "Whether the client is to come back, after a while; else, and by default, it stays away.",
  }),
}).openapi("Disconnect");

// Answers

const sessionMembers = {
  id: z.string().openapi({ description: "Its public id.", example: "q83vEjRWeJC6mHhU" }),
  user: z.string().nullable().openapi({ description: "`null`: nobody in particular." }),
  transport: z.string().nullable().openapi({
    description: "How it is connected now; `null`: it is not, and may come back in its grace time.",
    example: "websocket",
  }),
  protocol: z.string().openapi({ description: "The protocol that it speaks.", example: "2" }),
  seq: count.openapi({ description: "How many of its events the app was sent." }),
  opened: time.nullable(),
  expires: time.nullable().openapi({
    description: "When the token ends by which it connected; `null`: it does not.",
  }),
  address: z.string().nullable().openapi({
    description: "The browser's IP address.",
    example: "192.0.2.1",
  }),
  client: z.string().nullable().openapi({
    description: "What the client says that it is.",
    example: "chloe.js 0.1.0",
  }),
};

export const SessionSummary = z.strictObject({
  ...sessionMembers,
  channels: count.openapi({ description: "How many channels it is in." }),
}).openapi("SessionSummary");

export const Session = z.strictObject({
  ...sessionMembers,
  channels: z.array(z.string()).openapi({ description: "The channels that it is in." }),
}).openapi("Session");

export const SessionPage = z.strictObject({ sessions: z.array(SessionSummary), next })
  .openapi("SessionPage");

export const Changed = z.strictObject({
  changed: z.boolean().openapi({ description: "False where it was so already." }),
}).openapi("Changed");

export const Disconnected = z.strictObject({
  disconnected: count.openapi({ description: "How many sessions were sent away." }),
}).openapi("Disconnected");

export const ChannelSummary = z.strictObject({
  name: z.string().openapi({ example: "chat:1" }),
  subscribers: count,
  history: z.boolean().openapi({ description: "Whether its rule keeps history." }),
  presence: z.boolean().openapi({ description: "Whether its rule keeps presence." }),
}).openapi("ChannelSummary");

export const ChannelPage = z.strictObject({ channels: z.array(ChannelSummary), next })
  .openapi("ChannelPage");

export const ChannelRule = z.strictObject({
  authorize: z.enum(["open", "token", "app", "closed"]),
  publish: z.enum(["app", "clients"]),
  history: z.strictObject({
    size: count,
    ttl: z.number().openapi({ description: "In seconds." }),
  }).nullable(),
  presence: z.strictObject({
    names: count.openapi({ description: "Up to how many are told by name." }),
  }).nullable(),
  slow: z.enum(["close", "drop_oldest", "keep_latest"]),
  max_subscribers: count.nullable().openapi({ description: "`null`: no bound." }),
}).openapi("ChannelRule");

const position = {
  epoch: z.string().nullable().openapi({
    description: "Offsets of another epoch mean nothing here; `null` before the first message.",
  }),
  offset: count.openapi({ description: "The newest message's; 0 before the first." }),
};

export const Channel = z.strictObject({
  name: z.string().openapi({ example: "chat:1" }),
  rule: ChannelRule,
  subscribers: count,
  history: z.strictObject({
    ...position,
    size: count.openapi({ description: "How many messages are kept." }),
    bytes: count.openapi({ description: "What these count for." }),
  }).nullable().openapi({ description: "`null`: its rule keeps none." }),
  presence: z.strictObject({ count }).nullable().openapi({
    description: "`null`: its rule keeps none.",
  }),
}).openapi("Channel");

export const Presence = z.strictObject({
  count,
  members: z.array(
    z.strictObject({
      session: z.string(),
      user: z.string().nullable(),
      info: z.unknown().optional(),
    }).openapi("Member"),
  ).optional().openapi({ description: "Absent where there are more than the rule names." }),
}).openapi("Presence");

export const History = z.strictObject({
  ...position,
  messages: z.array(
    z.strictObject({
      offset: count,
      time,
      data: z.unknown(),
      by: z.strictObject({ session: z.string(), user: z.string().nullable() }).optional().openapi({
        description: "Who published it, where it was a page and the channel tells who is there.",
      }),
    }).openapi("Message"),
  ).openapi({ description: "The oldest first." }),
  next: count.nullable().openapi({
    description: "The `since` of the next page; `null` where the newest message is on this one.",
  }),
}).openapi("History");

export const Frame = z.looseObject({
  channel: z.string().optional(),
  data: z.unknown().optional(),
  offset: count.optional(),
}).openapi("Frame", { description: "What is sent, as in docs/protocol.md." });

export const Cleared = z.strictObject({
  cleared: count.openapi({ description: "How many messages were kept." }),
}).openapi("Cleared");

export const Stats = z.looseObject({
  sessions: count,
  channels: count,
}).openapi("Stats", { description: "What is counted. Members may be added." });

export const ErrorAnswer = z.strictObject({
  error: z.strictObject({
    code: z.string().openapi({ example: "unknown_session" }),
    message: z.string().openapi({ description: "What to do, for a person." }),
    retry: z.boolean().openapi({ description: "Whether the same request may succeed later." }),
  }),
}).openapi("Error");
