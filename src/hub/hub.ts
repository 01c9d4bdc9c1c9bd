import { ALL_CHANNEL } from "../protocol/channel_name.ts";
import type { Codec, PushDetails, Revocation } from "../protocol/codec.ts";
import { type Close, CLOSES, type ErrorCode } from "../protocol/codes.ts";
import type { Position } from "../protocol/frames.ts";
import { Channel, type Group } from "./channel.ts";
import { Counters } from "./counters.ts";
import { Entry } from "./entry.ts";
import { Grant, TokenEnd } from "./grant.ts";
import { type History, HistoryStore, type Recovery } from "./history.ts";
import { Presence, type PresenceSnapshot } from "./presence.ts";
import type { HubListener, HubOptions, Placement, Target } from "./hub_options.ts";
import type { ChannelRule } from "./rules.ts";
import { Session, type SessionBounds, type SessionHost, type SessionOptions } from "./session.ts";
import { idIn, isSameSecret } from "./session_keys.ts";
import { TimerWheel } from "./timer_wheel.ts";
import { Turn } from "./turn.ts";

/** The default bound of what the histories of all channels count for. */
const HISTORY_BYTES = 64 * 1024 * 1024;

const NO_DETAILS: PushDetails = { position: null, by: null };

/**
 * Sessions, channels, and what travels between them. It knows no HTTP, makes no promise, and does nothing by
 * itself but what its options' schedulers call back for.
 */
export class Hub implements SessionHost {
  readonly counters = new Counters();
  readonly sessions = new Map<string, Session>();
  readonly channels = new Map<string, Channel>();
  readonly users = new Map<string, Set<Session>>();
  /** What channels remember, those that nobody is in included. */
  readonly histories: HistoryStore;
  readonly bounds: SessionBounds;
  readonly wheel: TimerWheel;
  readonly #options: HubOptions;
  readonly #all: Channel;
  readonly #listener: HubListener | null;
  /** Sessions by the one that they continue. */
  readonly #heirs = new Map<string, Session>();
  readonly #turn: Turn;

  constructor(options: HubOptions) {
    this.#options = options;
    this.bounds = options.bounds;
    this.wheel = new TimerWheel(options.now());
    this.#turn = new Turn(options);
    this.#listener = options.listener ?? null;
    this.histories = new HistoryStore({
      maxBytes: options.historyBytes ?? HISTORY_BYTES,
      boot: options.boot ?? "0",
      wheel: this.wheel,
      now: () => this.now(),
    });
    const rule = options.rules.of(ALL_CHANNEL);
    this.#all = new Channel(ALL_CHANNEL, { rule, history: null, presence: null });
  }

  now(): number {
    return this.#options.now();
  }

  /** A time of day, in milliseconds since 1970, on the hub's clock. */
  atTimeOfDay(ms: number): number {
    const { timeOfDay = Date.now } = this.#options;
    return this.now() + (ms - timeOfDay());
  }

  /** The time of day at which the hub's clock said `ms`. */
  timeOfDayAt(ms: number): number {
    const { timeOfDay = Date.now } = this.#options;
    return timeOfDay() - (this.now() - ms);
  }

  /** How many channels one session may be in. */
  get maxSubscriptions(): number {
    return this.#options.maxSubscriptions;
  }

  /** Whether there is room for another session. */
  get full(): boolean {
    return this.sessions.size >= this.#options.maxSessions;
  }

  /** How many channels somebody is in who does not only watch. */
  get occupied(): number {
    let count = 0;
    for (const channel of this.channels.values()) if (channel.size > 0) count++;
    return count;
  }

  // Sessions

  /** Begins a session, with no transport yet; it ends after the grace time unless one is attached. */
  openSession(codec: Codec, options: Partial<Omit<SessionOptions, "codec">> = {}): Session {
    const { user = null } = options;
    const session = new Session(this, { id: this.createId(), codec, ...options });
    this.sessions.set(session.id, session);
    this.counters.sessionsOpened++;
    if (!session.isWatcher) {
      this.#turn.endBatchOf(this.#all);
      session.all = this.#all.join(session, ALL_CHANNEL);
    }
    if (session.formerId !== null) this.#heirs.set(session.formerId, session);
    if (user !== null) {
      const sessions = this.users.get(user);
      if (sessions === undefined) this.users.set(user, new Set([session]));
      else sessions.add(session);
    }
    return session;
  }

  /** A new session's id, for who must name it before it opens. */
  createId(): string {
    return this.#options.keys.create();
  }

  /** What brings a session back: only its own browser is told. */
  secretOf(session: Session): string {
    return this.#options.keys.secret(session.id);
  }

  /** The session that a resume secret stands for, if it is still there and speaks `codec`. */
  findBySecret(secret: string, codec: Codec): Session | null {
    const session = this.#findProven(secret) ?? this.#prove(secret);
    return session !== null && session.codec === codec ? session : null;
  }

  /** The session whose page has shown this secret before: each poll shows it anew, and a MAC is a fifth of one. */
  #findProven(secret: string): Session | null {
    const session = this.sessions.get(idIn(secret));
    const proven = session?.provenSecret ?? null;
    return proven !== null && isSameSecret(secret, proven) ? session! : null;
  }

  #prove(secret: string): Session | null {
    const id = this.#options.keys.verify(secret);
    const session = id === null ? null : this.sessions.get(id) ?? null;
    if (session !== null) session.provenSecret = secret;
    return session;
  }

  /** The id of the session that a secret was made for, whether it is still there or not. */
  idOfSecret(secret: string): string | null {
    return this.#options.keys.verify(secret);
  }

  forget(session: Session, close: Close | null): void {
    this.release(session, close);
    this.sessions.delete(session.id);
    this.counters.sessionsEnded++;
  }

  release(session: Session, close: Close | null): void {
    if (session.released) return;
    session.released = true;
    if (session.tokenEnd !== null) this.wheel.cancel(session.tokenEnd);
    if (session.formerId !== null && this.#heirs.get(session.formerId) === session) {
      this.#heirs.delete(session.formerId);
    }
    if (!session.isWatcher) this.#listener?.ended(session, close);
    for (const group of session.groups.values()) this.#leave(session, group);
    session.groups.clear();
    if (session.all !== null) this.#leave(session, session.all);
    session.all = null;
    if (session.user !== null) {
      const sessions = this.users.get(session.user);
      sessions?.delete(session);
      if (sessions?.size === 0) this.users.delete(session.user);
    }
  }

  /**
   * Notes when the token ends by which a session connected: its connection is closed then, and it goes on
   * only with another token.
   *
   * @param atMs On the hub's clock; `null`: never.
   */
  endTokenAt(session: Session, atMs: number | null): void {
    if (session.released) return;
    if (session.tokenEnd !== null) this.wheel.cancel(session.tokenEnd);
    if (atMs === null) {
      session.tokenEnd = null;
      return;
    }
    session.tokenEnd ??= new TokenEnd(this, session);
    this.wheel.schedule(session.tokenEnd, atMs);
  }

  /** Whether a session's token has ended. */
  isTokenOver({ tokenEnd }: Session): boolean {
    return tokenEnd !== null && tokenEnd.dueAt <= this.now();
  }

  /** Ends every session, each told why. */
  endAll(close: Close = CLOSES.shutdown): void {
    this.flush();
    for (const session of [...this.sessions.values()]) session.end(close);
  }

  // Channels

  /**
   * Puts a session into a channel, whatever its rule says of who may enter. Who is in already stays in, until
   * another time where one is given.
   *
   * @param name As `channelName` gives it.
   * @returns `null`, or why not.
   */
  subscribe(session: Session, name: string, entry: Placement = {}): ErrorCode | null {
    if (session.released) return null;
    if (name === ALL_CHANNEL) return "bad_channel";
    const { label = name, info = null, untilMs, appKnows = false } = entry;
    if (!session.groups.has(name)) {
      if (session.groups.size >= this.#options.maxSubscriptions) return "too_many_subscriptions";
      // First: slow readers end with a batch, and the channel with the last of them.
      this.#turn.endBatchOf(this.channels.get(name));
      const channel = this.channels.get(name) ?? this.#makeChannel(name);
      if (channel.size >= channel.rule.maxSubscribers && !session.isWatcher) {
        this.#forgetEmpty(channel);
        return "channel_full";
      }
      if (channel.rule.slow !== "close") session.outbox.keepWaiting(name);
      session.groups.set(name, channel.join(session, label));
      if (!session.isWatcher) {
        channel.presence?.join(session, info);
        if (channel.size === 1) this.#listener?.occupied(name);
        if (!appKnows) this.#listener?.subscribed(session, name, info);
      }
    }
    if (untilMs !== undefined) this.#grantUntil(session, name, untilMs);
    return null;
  }

  /** Takes a session out of a channel. @returns Whether it was in. */
  unsubscribe(session: Session, name: string, why: Revocation | "asked" = "asked"): boolean {
    const group = session.groups.get(name);
    if (group === undefined) return false;
    if (!session.isWatcher) this.#tellUnsubscribed(session, name, why);
    this.#leave(session, group);
    session.groups.delete(name);
    return true;
  }

  /** The app let a session into a channel, which did not get there all the same. */
  noteAbsence(session: Session, name: string): void {
    if (!session.released) this.#tellUnsubscribed(session, name, "asked");
  }

  /** Where the app is being asked about that channel, it hears of this behind the question. */
  #tellUnsubscribed(session: Session, name: string, why: Revocation | "asked"): void {
    for (const question of session.asking ?? []) {
      if (question.channel === name) question.isOutdated = true;
    }
    this.#listener?.unsubscribed(session, name, why);
  }

  /** Takes a session out of a channel, and tells it so. */
  revoke(session: Session, name: string, why: Revocation = "revoked"): void {
    const label = session.groups.get(name)?.label;
    if (label === undefined) return;
    this.unsubscribe(session, name, why);
    const frame = session.codec.unsubscribed(label, why);
    if (frame !== null) this.sendTo(session, frame);
  }

  /** Tells a session that its token for a channel ends. */
  tellExpires(session: Session, name: string, ms: number): void {
    const label = session.groups.get(name)?.label;
    if (label === undefined) return;
    const frame = session.codec.expires(label, Math.ceil(ms / 1000));
    if (frame !== null) this.sendTo(session, frame);
  }

  /** As {@linkcode revoke}, of who has lost the right to it: what waits for it there is taken away, too. */
  takeBack(session: Session, name: string): void {
    const channel = session.groups.get(name)?.channel;
    if (channel === undefined) return;
    this.#turn.endBatchOf(channel);
    session.outbox.removeWaiting(channel);
    this.revoke(session, name, "token_expired");
  }

  /** The rule of a channel. */
  ruleOf(name: string): ChannelRule {
    return this.channels.get(name)?.rule ?? this.#options.rules.of(name);
  }

  /** Until when a session was let into a channel by a token, on the hub's clock; `null`: no such end. */
  grantedUntil(session: Session, name: string): number | null {
    return session.grants?.get(name)?.untilMs ?? null;
  }

  #grantUntil(session: Session, name: string, untilMs: number | null): void {
    const grant = session.grants?.get(name);
    if (untilMs === null) {
      if (grant === undefined) return;
      this.wheel.cancel(grant);
      session.grants!.delete(name);
    } else {
      session.grants ??= new Map();
      const granted = grant ?? new Grant(this, session, name);
      session.grants.set(name, granted);
      granted.extend(untilMs);
    }
  }

  #makeChannel(name: string): Channel {
    const rule = this.#options.rules.of(name);
    const history = this.#historyOf(name, rule);
    if (history !== null) history.inUse = true;
    const presence = rule.presence === null ? null : new Presence({
      rule: rule.presence,
      wheel: this.wheel,
      now: () => this.now(),
      wantsFlush: () => this.#turn.wantsPresence(channel),
    });
    const channel = new Channel(name, { rule, history, presence });
    this.channels.set(name, channel);
    return channel;
  }

  #historyOf(name: string, { history, clientsPublish }: ChannelRule): History | null {
    if (history === null) return null;
    return this.histories.open(name, history, { byClients: clientsPublish });
  }

  #leave(session: Session, group: Group): void {
    const channel = group.channel;
    this.#turn.endBatchOf(channel);
    const { size } = channel;
    channel.leave(session, group);
    channel.presence?.leave(session);
    const grant = session.grants?.get(channel.name);
    if (grant !== undefined) {
      this.wheel.cancel(grant);
      session.grants!.delete(channel.name);
    }
    if (channel === this.#all) return;
    if (size > 0 && channel.size === 0) this.#listener?.vacated(channel.name);
    this.#forgetEmpty(channel);
  }

  #forgetEmpty(channel: Channel): void {
    if (channel.groups.length > 0) return;
    this.channels.delete(channel.name);
    channel.presence?.close();
    if (channel.history !== null) this.histories.release(channel.history);
  }

  // What channels remember, and who is there

  /**
   * What a session missed of a channel since it stood at a position, but for what was not for it.
   *
   * @param maxBytes A bound of the messages' text below that of 128 KiB.
   */
  recover(session: Session, name: string, since: Position, maxBytes?: number): Recovery {
    const history = this.channels.get(name)?.history ?? null;
    const recovery: Recovery = history === null
      ? { recovered: false, messages: [] }
      : history.recover(
        since,
        (id) => id === session.id || id === session.formerId,
        maxBytes,
      );
    if (recovery.recovered) this.counters.recoveries++;
    else this.counters.recoveriesMissed++;
    return recovery;
  }

  /** Where a channel that somebody is in stands; `null` where it keeps no history. */
  positionOf(name: string): Position | null {
    return this.channels.get(name)?.history?.position ?? null;
  }

  /** Lets go of what a channel remembers. @returns How many messages that was. */
  clearHistory(name: string): number {
    const history = this.channels.get(name)?.history ?? this.histories.get(name);
    return history === undefined ? 0 : this.histories.clear(history);
  }

  /**
   * Who is in a channel; `null` where its rule does not tell.
   *
   * @param reader The session that is told, where it is one.
   */
  presenceOf(name: string, reader: Session | null = null): PresenceSnapshot | null {
    const channel = this.channels.get(name);
    if (channel !== undefined) return channel.presence?.snapshot(reader) ?? null;
    return this.ruleOf(name).presence === null ? null : { count: 0, members: [] };
  }

  // Messages

  /**
   * Publishes a message. It is on its way when this returns: nothing can refuse it any more.
   *
   * @param data JSON text on one line.
   * @param except The id of a session that does not get it.
   * @param by Who publishes it, as JSON text, where it is a browser and subscribers are to know.
   * @returns How many sessions it was queued for.
   */
  publish(target: Target, data: string, except?: string, by: string | null = null): number {
    this.counters.messagesPublished++;
    const excepted = except === undefined
      ? null
      : this.#heirs.get(except) ?? this.sessions.get(except) ?? null;
    switch (target.kind) {
      case "all":
        return this.#publishTo(this.#all, data, excepted, NO_DETAILS);
      case "channel": {
        const { channel: name } = target;
        if (name === ALL_CHANNEL) return this.#publishTo(this.#all, data, excepted, NO_DETAILS);
        const channel = this.channels.get(name);
        if (channel?.presence?.isDirty) this.#turn.tellPresence(channel);
        // Who continues the session that was named is remembered as well, for its own heirs. Not in its place:
        // its page may not have heard of that heir, and come back with the named one's secret.
        const heir = excepted === null || excepted.id === except ? null : excepted.id;
        const position = this.#remember(name, channel, data, { except: except ?? null, heir, by });
        if (channel === undefined) return 0;
        const more = position === null && by === null ? NO_DETAILS : { position, by };
        return this.#publishTo(channel, data, excepted, more);
      }
      case "session": {
        const session = this.sessions.get(target.session);
        if (session === undefined || session === excepted) return 0;
        this.sendTo(session, session.codec.push(null, data));
        return 1;
      }
      case "user": {
        let matched = 0;
        for (const session of this.users.get(target.user) ?? []) {
          if (session === excepted) continue;
          this.sendTo(session, session.codec.push(null, data));
          matched++;
        }
        return matched;
      }
    }
  }

  /** Keeps a message where its channel remembers. @returns Where it stands. */
  #remember(
    name: string,
    channel: Channel | undefined,
    data: string,
    about: {
      readonly except: string | null;
      readonly heir: string | null;
      readonly by: string | null;
    },
  ): Position | null {
    if (channel !== undefined) {
      const { history } = channel;
      return history === null ? null : this.histories.add(history, data, about);
    }
    const history = this.#historyOf(name, this.#options.rules.of(name));
    return history === null ? null : this.histories.add(history, data, about);
  }

  #publishTo(
    channel: Channel,
    data: string,
    excepted: Session | null,
    more: PushDetails,
  ): number {
    this.#turn.endBatchUnlessOf(channel);
    if (excepted !== null && this.#isIn(channel, excepted)) {
      this.#turn.endBatch();
      // Slow readers end with a batch, so who is in is counted after it.
      const isCounted = this.#isIn(channel, excepted) && !excepted.isWatcher;
      const matched = channel.size - (isCounted ? 1 : 0);
      channel.add(data, more);
      channel.endBatch(excepted);
      return matched;
    }
    const { size } = channel;
    if (channel.groups.length === 0) return 0;
    this.#turn.add(channel, data, more);
    return size;
  }

  #isIn(channel: Channel, session: Session): boolean {
    return channel === this.#all ? session.all !== null : session.groups.has(channel.name);
  }

  /** Sends a frame to one session, behind all that was published before. */
  sendTo(session: Session, frame: string): void {
    const { open } = this.#turn;
    if (open !== null && this.#isIn(open, session)) this.#turn.endBatch();
    session.enqueue(new Entry(frame, 1));
  }

  // What sessions ask of their host, and who runs it.

  wantsFlush(session: Session): void {
    this.#turn.wantsFlush(session);
  }

  isBlocked(session: Session): void {
    this.#turn.isBlocked(session);
  }

  /** Ends the turn: hands to the transports all that was queued since the last. */
  flush(): void {
    this.#turn.flush();
  }
}
