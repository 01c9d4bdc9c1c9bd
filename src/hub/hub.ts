import { ALL_CHANNEL } from "../protocol/channel_name.ts";
import type { Codec, PushDetails, Revocation } from "../protocol/codec.ts";
import { type Close, CLOSES, type ErrorCode } from "../protocol/codes.ts";
import type { Position } from "../protocol/frames.ts";
import { Channel, type Group } from "./channel.ts";
import { AddressCounts } from "./address_counts.ts";
import { Bans } from "./bans.ts";
import { Counters } from "./counters.ts";
import { Entry } from "./entry.ts";
import { Grant, TokenEnd } from "./grant.ts";
import { type History, HistoryStore, type Recovery } from "./history.ts";
import { Presence, type PresenceSnapshot } from "./presence.ts";
import type { HubListener, HubOptions, HubSettings, Placement, Target } from "./hub_options.ts";
import { QueuedBytes } from "./queued_bytes.ts";
import { RecentAddresses } from "./recent_addresses.ts";
import { Relief } from "./relief.ts";
import { changeRules } from "./rule_change.ts";
import type { ChannelRule } from "./rules.ts";
import { Session, type SessionBounds, type SessionHost, type SessionOptions } from "./session.ts";
import { idIn, isSameSecret } from "./session_keys.ts";
import { TimerWheel } from "./timer_wheel.ts";
import { Turn } from "./turn.ts";

/** The default bound of what the histories of all channels count for. */
const HISTORY_BYTES = 64 * 1024 * 1024;

const NO_DETAILS: PushDetails = { position: null, by: null };

const NOBODY: readonly Session[] = [];
const NONE: readonly string[] = [];

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
  bounds: SessionBounds;
  readonly wheel: TimerWheel;
  readonly queued = new QueuedBytes();
  /** How many sessions each address has that there is a limit for. */
  readonly sessionsByAddress = new AddressCounts();
  /** Addresses from which nobody begins a session for a while. */
  readonly bans: Bans;
  /**
   * When the last session of an address could have sent as many frames at once as any: the next one begins there,
   * or who goes before it is sent away would always have a whole burst before it.
   */
  readonly #framesFullAt = new RecentAddresses();
  readonly #relief: Relief;
  readonly #options: HubOptions;
  #settings: HubSettings;
  readonly #all: Channel;
  readonly #listener: HubListener | null;
  /** Sessions by the one that they continue: more than one where `connect` came again. */
  readonly #heirs = new Map<string, Set<Session>>();
  readonly #turn: Turn;
  readonly #endTurn = () => {
    this.#turn.flush();
    // Answers are queued as well as messages, and nobody asks before whether there is room for them.
    this.#relief.hasRoom();
  };

  constructor(options: HubOptions) {
    this.#options = options;
    this.#settings = options;
    this.bounds = options.bounds;
    this.bans = new Bans(options.banMs ?? 0);
    this.wheel = new TimerWheel(options.now());
    this.#turn = new Turn({
      onTurnEnd: () => options.onTurnEnd(this.#endTurn),
      onRetry: (retry) => options.onRetry(retry),
      now: () => this.now(),
    }, this.counters);
    this.#listener = options.listener ?? null;
    this.histories = new HistoryStore({
      maxBytes: options.historyBytes ?? HISTORY_BYTES,
      boot: options.boot ?? "0",
      wheel: this.wheel,
      now: () => this.now(),
    });
    this.#relief = new Relief({
      queued: this.queued,
      maxBytes: options.queuedBytes ?? Infinity,
      bounds: this.bounds,
      counters: this.counters,
      sessions: this.sessions,
      now: () => this.now(),
      flush: () => this.#turn.flush(),
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

  /**
   * Puts other bounds and rules in force. Who is over a bound that was lowered stays; who is in a channel whose
   * new rule forbids it is taken out, and told.
   *
   * @param settings The rules are looked at where they are another object than before.
   */
  configure(settings: HubSettings): void {
    const { rules } = this.#settings;
    this.#settings = settings;
    this.bounds = settings.bounds;
    this.bans.ms = settings.banMs ?? 0;
    if (settings.rules !== rules) {
      // What was published before leaves by the rules of then.
      this.#turn.endBatch();
      changeRules(this, {
        rules: settings.rules,
        all: this.#all,
        historyFor: ({ name, rule }) => this.#historyOf(name, rule),
        presenceFor: (channel) => this.#presenceFor(channel),
      });
    }
    this.histories.resize(settings.historyBytes ?? HISTORY_BYTES);
    this.#relief.configure({ maxBytes: settings.queuedBytes ?? Infinity, bounds: this.bounds });
  }

  /** How many channels one session may be in. */
  get maxSubscriptions(): number {
    return this.#settings.maxSubscriptions;
  }

  /** Whether there is room for another session. */
  get full(): boolean {
    return this.sessions.size >= this.#settings.maxSessions;
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
    this.sessionsByAddress.add(session.addressKey);
    session.framesFullAt = this.#framesFullAt.of(session.addressKey) ?? 0;
    this.counters.sessionsOpened++;
    if (!session.isWatcher) {
      this.#turn.endBatchOf(this.#all);
      session.all = this.#all.join(session, ALL_CHANNEL);
    }
    if (session.formerId !== null) addTo(this.#heirs, session.formerId, session);
    if (user !== null) addTo(this.users, user, session);
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

  /** The session whose page has shown this secret before: each poll shows it anew, and a MAC is not free. */
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
    if (this.sessions.delete(session.id)) this.sessionsByAddress.remove(session.addressKey);
    this.counters.sessionsEnded++;
  }

  release(session: Session, close: Close | null): void {
    if (session.released) return;
    session.released = true;
    this.noteFrames(session);
    if (session.tokenEnd !== null) this.wheel.cancel(session.tokenEnd);
    if (session.formerId !== null) removeFrom(this.#heirs, session.formerId, session);
    if (!session.isWatcher) this.#listener?.ended(session, close);
    for (const group of session.groups.values()) this.#leave(session, group);
    session.groups.clear();
    if (session.all !== null) this.#leave(session, session.all);
    session.all = null;
    if (session.user !== null) removeFrom(this.users, session.user, session);
  }

  /** A session's connection is over: what it has left of its burst of frames is what its address has left. */
  noteFrames({ addressKey, framesFullAt }: Session): void {
    if (framesFullAt <= this.now() || framesFullAt <= (this.#framesFullAt.of(addressKey) ?? 0)) {
      return;
    }
    this.#framesFullAt.note(addressKey, framesFullAt);
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
    const { label = name, info = null, untilMs, appKnows = false, byApp = false } = entry;
    if (!session.groups.has(name)) {
      if (session.groups.size >= this.#settings.maxSubscriptions) {
        this.counters.limitsHit.subscriptions++;
        return "too_many_subscriptions";
      }
      // First: slow readers end with a batch, and the channel with the last of them.
      this.#turn.endBatchOf(this.channels.get(name));
      const channel = this.channels.get(name) ?? this.#makeChannel(name);
      if (channel.size >= channel.rule.maxSubscribers && !session.isWatcher) {
        this.#forgetEmpty(channel);
        this.counters.limitsHit.maxSubscribers++;
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
    if (byApp) (session.placed ??= new Set()).add(name);
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
  takeBack(session: Session, name: string, why: Revocation = "token_expired"): void {
    const channel = session.groups.get(name)?.channel;
    if (channel === undefined) return;
    this.#turn.endBatchOf(channel);
    session.outbox.removeWaiting(channel);
    this.revoke(session, name, why);
  }

  /** The rule of a channel. */
  ruleOf(name: string): ChannelRule {
    return this.channels.get(name)?.rule ?? this.#settings.rules.of(name);
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
    const rule = this.#settings.rules.of(name);
    const history = this.#historyOf(name, rule);
    if (history !== null) history.inUse = true;
    const channel = new Channel(name, { rule, history, presence: null });
    channel.presence = this.#presenceFor(channel);
    this.channels.set(name, channel);
    return channel;
  }

  #presenceFor(channel: Channel): Presence | null {
    const { presence: rule } = channel.rule;
    return rule === null ? null : new Presence({
      rule,
      wheel: this.wheel,
      now: () => this.now(),
      wantsFlush: () => this.#turn.wantsPresence(channel),
    });
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
    session.placed?.delete(channel.name);
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
   * Whether another message may be queued: too much may wait already. Room is made where that can be; a no is
   * counted.
   */
  hasRoom(): boolean {
    if (this.#relief.hasRoom()) return true;
    this.counters.limitsHit.queuedBytesRefused++;
    return false;
  }

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
    const excepted = except === undefined ? NOBODY : this.#exceptedBy(except);
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
        const heirs = idsBut(except, excepted);
        const position = this.#remember(name, channel, data, { except: except ?? null, heirs, by });
        if (channel === undefined) return 0;
        const more = position === null && by === null ? NO_DETAILS : { position, by };
        return this.#publishTo(channel, data, excepted, more);
      }
      case "session": {
        const session = this.sessions.get(target.session);
        if (session === undefined || excepted.includes(session)) return 0;
        this.#turn.noteMessage();
        this.sendTo(session, session.codec.push(null, data));
        return 1;
      }
      case "user": {
        let matched = 0;
        for (const session of this.users.get(target.user) ?? []) {
          if (excepted.includes(session)) continue;
          if (matched++ === 0) this.#turn.noteMessage();
          this.sendTo(session, session.codec.push(null, data));
        }
        return matched;
      }
    }
  }

  /**
   * Whom a message is not for that is not for the session with this id: that one, and those that continue it.
   * All of them: which of them its page goes on with nobody here can tell. A `connect` that was given up may
   * come late and begin another, though the session that it names is alive.
   */
  #exceptedBy(id: string): readonly Session[] {
    const named = this.sessions.get(id);
    const heirs = this.#heirs.get(id);
    if (heirs === undefined) return named === undefined ? NOBODY : [named];
    return named === undefined ? [...heirs] : [named, ...heirs];
  }

  /** Keeps a message where its channel remembers. @returns Where it stands. */
  #remember(
    name: string,
    channel: Channel | undefined,
    data: string,
    about: {
      readonly except: string | null;
      readonly heirs: readonly string[];
      readonly by: string | null;
    },
  ): Position | null {
    if (channel !== undefined) {
      const { history } = channel;
      return history === null ? null : this.histories.add(history, data, about);
    }
    const history = this.#historyOf(name, this.#settings.rules.of(name));
    return history === null ? null : this.histories.add(history, data, about);
  }

  #publishTo(
    channel: Channel,
    data: string,
    excepted: readonly Session[],
    more: PushDetails,
  ): number {
    this.#turn.endBatchUnlessOf(channel);
    if (excepted.length > 0 && excepted.some((session) => this.#isIn(channel, session))) {
      this.#turn.endBatch();
      // Slow readers end with a batch, so who is in is counted after it.
      let matched = channel.size;
      for (const session of excepted) {
        if (this.#isIn(channel, session) && !session.isWatcher) matched--;
      }
      this.#turn.noteMessage();
      channel.add(data, more);
      channel.endBatch(excepted);
      return matched;
    }
    const { size } = channel;
    if (channel.groups.length === 0) return 0;
    this.#turn.noteMessage();
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

/** The ids of `sessions` but for one. */
function idsBut(id: string | undefined, sessions: readonly Session[]): readonly string[] {
  if (sessions.length === 0 || sessions.length === 1 && sessions[0]!.id === id) return NONE;
  return sessions.map((session) => session.id).filter((each) => each !== id);
}

function addTo(sets: Map<string, Set<Session>>, key: string, session: Session): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([session]));
  else set.add(session);
}

function removeFrom(sets: Map<string, Set<Session>>, key: string, session: Session): void {
  const set = sets.get(key);
  set?.delete(session);
  if (set?.size === 0) sets.delete(key);
}
