/**
 * The channels: who is in them, and what they keep.
 *
 * @module
 */
import type { z } from "@hono/zod-openapi";
import { channelName } from "../../protocol/channel_name.ts";
import { parsePattern } from "../../protocol/channel_pattern.ts";
import { errorResponse } from "../../web/errors.ts";
import type { PresenceSnapshot } from "../../hub/presence.ts";
import type { ChannelRule } from "../../hub/rules.ts";
import type { Control, KeptMessage } from "./control.ts";
import { answer, jsonAnswer, operation, type Routes, unknownChannel } from "./operation.ts";
import { pageOf, pageOfFitting, readCursor, writeCursor } from "./page.ts";
import * as schema from "./schema.ts";
import { badCursor } from "./sessions.ts";

const ONE = "/api/channels/{channel}";

/** A page of history ends where its messages are longer than this, in characters of their JSON text. */
const MAX_PAGE_LENGTH = 512 * 1024;

/** Adds what can be asked of channels, and done with them. */
export function addChannels(routes: Routes, control: Control): void {
  routes.openapi(
    operation({
      method: "get",
      path: "/api/channels",
      operationId: "listChannels",
      tag: "channels",
      summary: "List channels",
      description:
        "Those that somebody is in or that have history, ordered by name. With a pattern a page may " +
        "hold fewer than there are, even none: go on while there is a `next`.",
      answer: ["A page of channels.", schema.ChannelPage],
    }, { query: schema.ChannelQuery }),
    (c) => {
      const { pattern, limit, cursor } = c.req.valid("query");
      const after = cursor === undefined ? null : readCursor("channels", cursor);
      if (after === null && cursor !== undefined) return badCursor();
      const names = control.channelNames();
      const page = pattern === undefined
        ? pageOf(names, { after, limit })
        : pageOfFitting(names, { after, limit, ...readPattern(pattern) });
      return answer(schema.ChannelPage, {
        channels: page.names.map((name) => {
          const { history, presence } = control.rule(name);
          return {
            name,
            subscribers: control.subscribers(name),
            history: history !== null,
            presence: presence !== null,
          };
        }),
        next: page.next === null ? null : writeCursor("channels", page.next),
      });
    },
  );
  routes.openapi(
    operation({
      method: "get",
      path: ONE,
      operationId: "getChannel",
      tag: "channels",
      summary: "Show a channel",
      answer: ["The channel, with the rule that it hits.", schema.Channel],
      refuses: [404],
    }, { params: schema.ChannelParam }),
    (c) => {
      const name = channelName(c.req.valid("param").channel)!;
      const subscribers = control.subscribers(name);
      const history = control.history(name);
      if (subscribers === 0 && history === null) return unknownChannel();
      const rule = control.rule(name);
      const presence = control.presence(name);
      return answer(schema.Channel, {
        name,
        rule: ruleAnswer(rule),
        subscribers,
        history: rule.history === null
          ? null
          : history ?? { epoch: null, offset: 0, size: 0, bytes: 0 },
        presence: presence === null ? null : { count: presence.count },
      });
    },
  );
  routes.openapi(
    operation({
      method: "get",
      path: `${ONE}/presence`,
      operationId: "getPresence",
      tag: "channels",
      summary: "Who is in a channel",
      answer: ["How many, and who, where there are not too many.", schema.Presence],
      refuses: [404],
    }, { params: schema.ChannelParam }),
    (c) => {
      const name = channelName(c.req.valid("param").channel)!;
      if (control.rule(name).presence === null) return keepsNone("presence");
      return jsonAnswer(presenceJson(control.presence(name) ?? { count: 0, members: [] }));
    },
  );
  routes.openapi(
    operation({
      method: "get",
      path: `${ONE}/history`,
      operationId: "getHistory",
      tag: "channels",
      summary: "A channel's last messages",
      description:
        "The newest `limit` of them, or, with `since`, those after an offset; the oldest first " +
        "either way. `since=0` begins with the oldest that is kept, and `next` goes on. A page may " +
        "be shorter than asked for, where its messages are long. A first offset above `since` + 1 " +
        "says that those between are not kept any more.",
      answer: ["A page of messages.", schema.History],
      refuses: [404],
    }, { params: schema.ChannelParam, query: schema.HistoryQuery }),
    (c) => {
      const name = channelName(c.req.valid("param").channel)!;
      if (control.rule(name).history === null) return keepsNone("history");
      return jsonAnswer(historyJson(name, c.req.valid("query")));
    },
  );
  routes.openapi(
    operation({
      method: "delete",
      path: `${ONE}/history`,
      operationId: "clearHistory",
      tag: "channels",
      summary: "Forget a channel's messages",
      description: "Its offset goes on, so that who missed them is told that they cannot be had.",
      answer: ["They are gone.", schema.Cleared],
      refuses: [404],
    }, { params: schema.ChannelParam }),
    (c) => {
      const name = channelName(c.req.valid("param").channel)!;
      if (control.rule(name).history === null) return keepsNone("history");
      return answer(schema.Cleared, { cleared: control.clearHistory(name) });
    },
  );

  function historyJson(name: string, query: z.infer<typeof schema.HistoryQuery>): string {
    const { epoch, offset } = control.history(name) ?? { epoch: null, offset: 0 };
    const { limit, since } = query;
    const after = since ?? Math.max(offset - limit, 0);
    const kept = cut(control.messages(name, after, limit), { fromEnd: since === undefined });
    const last = kept.at(-1)?.offset ?? offset;
    return `{"epoch":${JSON.stringify(epoch)},"offset":${offset},` +
      `"messages":[${kept.map(messageJson).join()}],"next":${last < offset ? last : "null"}}`;
  }
}

/** @param pattern One that parses: the query's schema has seen to it. */
function readPattern(pattern: string): { prefix: string; fits(name: string): boolean } {
  const fits = parsePattern(pattern);
  if (typeof fits === "string") throw new TypeError(`Cannot read a pattern: ${fits}`);
  const [prefix = ""] = channelName(pattern)!.split("*", 1);
  return { prefix, fits };
}

/** As many of the messages as one page holds, one at least. */
function cut(
  messages: readonly KeptMessage[],
  { fromEnd }: { readonly fromEnd: boolean },
): readonly KeptMessage[] {
  const inOrder = fromEnd ? messages.toReversed() : messages;
  let length = 0;
  const end = inOrder.findIndex(({ data }, index) => {
    length += data.length;
    return index > 0 && length > MAX_PAGE_LENGTH;
  });
  if (end < 0) return messages;
  return fromEnd ? inOrder.slice(0, end).reverse() : inOrder.slice(0, end);
}

// What is JSON text already is not read and written again.

function messageJson({ offset, data, by, timeMs }: KeptMessage): string {
  const author = by === null ? "" : `,"by":${by}`;
  return `{"offset":${offset},"time":"${new Date(timeMs).toISOString()}","data":${data}${author}}`;
}

function presenceJson({ count, members }: PresenceSnapshot): string {
  if (members === undefined) return `{"count":${count}}`;
  const texts = members.map(({ session, user, info }) => {
    const said = info === null ? "" : `,"info":${info}`;
    return `{"session":${JSON.stringify(session)},"user":${JSON.stringify(user)}${said}}`;
  });
  return `{"count":${count},"members":[${texts.join()}]}`;
}

function ruleAnswer(rule: ChannelRule): z.infer<typeof schema.ChannelRule> {
  const { authorize, clientsPublish, history, presence, slow, maxSubscribers } = rule;
  return {
    authorize,
    publish: clientsPublish ? "clients" : "app",
    history: history === null ? null : { size: history.size, ttl: history.ttlMs / 1000 },
    presence: presence === null ? null : { names: presence.names },
    slow,
    max_subscribers: maxSubscribers === Infinity ? null : maxSubscribers,
  };
}

function keepsNone(what: "history" | "presence"): Response {
  return errorResponse(
    404,
    `no_${what}`,
    `The channel keeps no ${what}: set \`${what}\` in its [[channel]] rule`,
  );
}
