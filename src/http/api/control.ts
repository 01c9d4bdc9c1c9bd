import { ALL_CHANNEL } from "../../protocol/channel_name.ts";
import type { Codec } from "../../protocol/codec.ts";
import { CLOSES, type ErrorCode } from "../../protocol/codes.ts";
import type { History } from "../../hub/history.ts";
import type { Hub } from "../../hub/hub.ts";
import type { PresenceSnapshot } from "../../hub/presence.ts";
import type { ChannelRule } from "../../hub/rules.ts";
import type { Session } from "../../hub/session.ts";
import type { Transport } from "../../hub/transport.ts";

/** One session, as the app sees it. Times are times of day, in milliseconds since 1970. */
export interface SessionFacts {
  readonly id: string;
  readonly user: string | null;
  /** The kind of its transport; `null` while it has none. */
  readonly transport: string | null;
  /** The name of its protocol's codec. */
  readonly protocol: string;
  readonly seq: number;
  readonly openedAtMs: number | null;
  /** When its token ends; `null` where it does not. */
  readonly expiresAtMs: number | null;
  readonly address: string | null;
  /** What the client says that it is. */
  readonly client: string | null;
  /** The channels that it is in, by their names. */
  readonly channels: ReadonlyMap<string, unknown>;
}

/** What a channel keeps of its messages. */
export interface HistoryFacts {
  readonly epoch: string;
  /** The last message's. */
  readonly offset: number;
  /** How many messages are kept. */
  readonly size: number;
  /** What these count for. */
  readonly bytes: number;
}

/** A message that a channel keeps. */
export interface KeptMessage {
  readonly offset: number;
  /** JSON text. */
  readonly data: string;
  /** The time of day, in milliseconds since 1970. */
  /** Who published it, as JSON text, where it was a browser and subscribers are told. */
  readonly by: string | null;
  readonly timeMs: number;
}

/**
 * The hub as the control API has it. Channel names are as `channelName` gives them; what is not there is
 * `null`, or nothing. Sessions that only watch, and those that are over and have yet to be told so, are not
 * there.
 */
export class Control {
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  // Sessions

  /** The sessions' ids in no order: those of a user, in a channel, or both. */
  *sessionIds({ user, channel }: { user?: string; channel?: string }): Iterable<string> {
    const name = channel === ALL_CHANNEL ? undefined : channel;
    const sessions = user !== undefined
      ? this.#hub.users.get(user) ?? []
      : name !== undefined
      ? this.#subscribersOf(name)
      : this.#hub.sessions.values();
    for (const session of sessions) {
      if (!isThere(session)) continue;
      if (name === undefined || session.groups.has(name)) yield session.id;
    }
  }

  *#subscribersOf(name: string): Iterable<Session> {
    for (const { members } of this.#hub.channels.get(name)?.groups ?? []) yield* members;
  }

  #find(id: string): Session | null {
    const session = this.#hub.sessions.get(id);
    return session !== undefined && isThere(session) ? session : null;
  }

  session(id: string): SessionFacts | null {
    const session = this.#find(id);
    if (session === null) return null;
    const { about, tokenEnd } = session;
    return {
      id,
      user: session.user,
      transport: session.transport?.kind ?? null,
      protocol: session.codec.name,
      seq: session.seq,
      openedAtMs: about?.openedAtMs ?? null,
      expiresAtMs: tokenEnd === null ? null : this.#hub.timeOfDayAt(tokenEnd.dueAt),
      address: about?.address ?? null,
      client: about?.client ?? null,
      channels: session.groups,
    };
  }

  /**
   * Puts a session into a channel, whatever its rule says of who may enter.
   *
   * @param info JSON text.
   * @returns Whether it is new there, or why it cannot be.
   */
  subscribe(id: string, channel: string, info: string | null): boolean | ErrorCode {
    const session = this.#find(id);
    if (session === null) return "unknown_session";
    const isNew = !session.groups.has(channel);
    return this.#hub.subscribe(session, channel, { info, untilMs: null, byApp: true }) ?? isNew;
  }

  /** Takes a session out of a channel, and tells it. @returns Whether it was in. */
  unsubscribe(id: string, channel: string): boolean {
    const session = this.#find(id);
    if (session === null || !session.groups.has(channel)) return false;
    this.#hub.revoke(session, channel);
    return true;
  }

  /** Ends a session. @param reconnect Whether its client is to come back. @returns Whether it was there. */
  disconnect(
    id: string,
    { reason, reconnect = false }: {
      readonly reason?: string | undefined;
      readonly reconnect?: boolean | undefined;
    },
  ): boolean {
    const session = this.#find(id);
    if (session === null) return false;
    const close = reconnect ? CLOSES.byAppForNow : CLOSES.byApp;
    session.end({ ...close, reason: reason || close.reason });
    return true;
  }

  // Channels

  /** The channels with somebody in them, or with history, in no order. */
  *channelNames(): Iterable<string> {
    for (const { name, size } of this.#hub.channels.values()) if (size > 0) yield name;
    for (const name of this.#hub.histories.names()) if (this.subscribers(name) === 0) yield name;
  }

  /** How many are in a channel. */
  subscribers(channel: string): number {
    return this.#hub.channels.get(channel)?.size ?? 0;
  }

  rule(channel: string): ChannelRule {
    return this.#hub.ruleOf(channel);
  }

  #history(channel: string): History | null {
    return this.#hub.channels.get(channel)?.history ?? this.#hub.histories.get(channel) ?? null;
  }

  /** Of a channel that somebody is in, or that was published to. */
  history(channel: string): HistoryFacts | null {
    const history = this.#history(channel);
    if (history === null) return null;
    const { epoch, offset, size, bytes } = history;
    return { epoch, offset, size, bytes };
  }

  /** Up to `limit` messages after an offset, the oldest first. */
  messages(channel: string, after: number, limit: number): readonly KeptMessage[] {
    const kept = this.#history(channel)?.after(after, limit) ?? [];
    return kept.map(({ offset, data, by, atMs }) => {
      return { offset, data, by, timeMs: this.#hub.timeOfDayAt(atMs) };
    });
  }

  /** @returns How many messages there were. */
  clearHistory(channel: string): number {
    return this.#hub.clearHistory(channel);
  }

  /** `null` where the channel's rule keeps none. */
  presence(channel: string): PresenceSnapshot | null {
    return this.#hub.presenceOf(channel);
  }

  // Watching

  /**
   * Lets a transport read along in a channel, without being in it, until it is detached or closed.
   *
   * @returns What ends that, or why it cannot be.
   */
  watch(channel: string, { codec, transport }: {
    readonly codec: Codec;
    readonly transport: Transport;
  }): Session | ErrorCode {
    const session = this.#hub.openSession(codec, { isWatcher: true, graceMs: 0 });
    const refusal = this.#hub.subscribe(session, channel);
    if (refusal !== null) {
      session.end(null);
      return refusal;
    }
    session.attach(transport);
    return session;
  }
}

function isThere(session: Session): boolean {
  return !session.isWatcher && !session.released;
}
