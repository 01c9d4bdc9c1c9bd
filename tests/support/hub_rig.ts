/**
 * A hub whose turns and time are the test's: a turn ends when the test says so, and the clock stands still
 * until the test moves it.
 *
 * @module
 */
import { nativeCodec } from "../../src/protocol/native.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions } from "../../src/hub/hub_options.ts";
import type { Session, SessionBounds } from "../../src/hub/session.ts";
import { sessionKeys } from "../../src/hub/session_keys.ts";
import { type ChannelRule, OPEN_RULE, type RuleBook } from "../../src/hub/rules.ts";
import { FakeTransport, type FakeTransportOptions } from "./fake_transport.ts";

/** What differs from the defaults. */
export interface RigOptions extends Partial<Omit<HubOptions, "bounds">> {
  readonly bounds?: Partial<SessionBounds>;
}

/** The defaults of the config. */
const BOUNDS: SessionBounds = {
  unwrittenBytes: 256 * 1024,
  unacknowledgedBytes: 256 * 1024,
  graceMs: 15_000,
  pingMs: 25_000,
};

/** A rule book that asks `differs` how the rule of a channel differs from one that allows everything. */
export function rulesOf(differs: (name: string) => Partial<ChannelRule>): RuleBook {
  return {
    of: (name) => ({ ...OPEN_RULE, clientsPublish: true, ...differs(name) }),
    find: () => null,
  };
}

/** The time of day at which the rig's clock says 0. */
const DAY_MS = Date.UTC(2026, 0, 1);

/** A hub, its turns and its time. */
export class HubRig {
  readonly hub: Hub;
  #now = 1_000_000;
  #turnEnds: (() => void)[] = [];
  #retries: (() => void)[] = [];

  constructor({ bounds, ...options }: RigOptions = {}) {
    this.hub = new Hub({
      bounds: { ...BOUNDS, ...bounds },
      keys: sessionKeys(),
      rules: rulesOf(() => ({})),
      maxSubscriptions: 500,
      maxSessions: 100_000,
      now: () => this.#now,
      timeOfDay: () => DAY_MS + this.#now,
      onTurnEnd: (flush) => this.#turnEnds.push(flush),
      onRetry: (retry) => this.#retries.push(retry),
      ...options,
    });
  }

  /** How many flushes and retries wait: nothing may, once all is quiet. */
  get scheduled(): number {
    return this.#turnEnds.length + this.#retries.length;
  }

  /** Ends the turn. */
  endTurn(): void {
    for (const flush of this.#turnEnds.splice(0)) flush();
  }

  /** Lets the time between two tries to write to a blocked transport pass. */
  retry(): void {
    for (const retry of this.#retries.splice(0)) retry();
  }

  /** Lets time pass, a second at a time as the server's ticker does. */
  pass(ms: number): void {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now = Math.min(this.#now + 1000, end);
      this.hub.wheel.advance(this.#now);
      this.endTurn();
    }
  }

  /** A session with a transport, in the given channels. */
  open(
    channels: readonly string[] = [],
    options: FakeTransportOptions & Parameters<Hub["openSession"]>[1] = {},
  ): { session: Session; transport: FakeTransport } {
    const session = this.hub.openSession(nativeCodec, options);
    for (const channel of channels) this.hub.subscribe(session, channel);
    return { session, transport: this.attach(session, options) };
  }

  /** Gives a session a new transport, as one that resumes it does. */
  attach(session: Session, options: FakeTransportOptions = {}): FakeTransport {
    const transport = new FakeTransport(options);
    session.attach(transport);
    transport.from = session.outbox.from;
    session.flush();
    return transport;
  }

  /** Publishes to a channel. @returns How many sessions it was queued for. */
  publish(channel: string, data: unknown, except?: string): number {
    return this.hub.publish({ kind: "channel", channel }, JSON.stringify(data), except);
  }

  /** Publishes to everyone. */
  publishToAll(data: unknown, except?: string): number {
    return this.hub.publish({ kind: "all" }, JSON.stringify(data), except);
  }
}

/** A frame of protocol 2 that hands `data` over. */
export function push(channel: string | null, data: unknown): string {
  return nativeCodec.push(channel, JSON.stringify(data));
}
