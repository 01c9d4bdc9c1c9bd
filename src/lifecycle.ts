/**
 * Tells the app what becomes of sessions and channels, as far as `app.events` asks for it.
 *
 * @module
 */
import type { Config } from "./config/schema.ts";
import type { Hub } from "./hub/hub.ts";
import type { HubListener } from "./hub/hub_options.ts";
import type { Session } from "./hub/session.ts";
import type { Timed } from "./hub/timer_wheel.ts";
import type { Revocation } from "./protocol/codec.ts";
import type { Close } from "./protocol/codes.ts";
import type { Relay } from "./relay/relay.ts";

/** A channel that nobody is in is vacated when nobody has come for so long: a reload is no leaving. */
export const VACATED_AFTER_MS = 5000;

/** So many channels may be waited for; what is more is told at once. */
const MAX_VACATING = 100_000;

/** What an app can be told of. */
type EventName = Config["app"]["events"][number];

/** The hub's listener for the app. It tells nothing before {@linkcode start} and after {@linkcode stop}. */
export class Lifecycle implements HubListener {
  readonly #events: ReadonlySet<EventName>;
  #relay: Relay | null = null;
  #hub: Hub | null = null;
  readonly #vacating = new Map<string, Vacating>();

  constructor(events: readonly EventName[]) {
    this.#events = new Set(events);
  }

  start(relay: Relay, hub: Hub): void {
    this.#relay = relay;
    this.#hub = hub;
  }

  stop(): void {
    this.#relay = null;
    for (const vacating of this.#vacating.values()) this.#hub!.wheel.cancel(vacating);
    this.#vacating.clear();
  }

  subscribed(session: Session, channel: string, info: string | null): void {
    if (!this.#events.has("subscribe")) return;
    const more = info === null ? {} : { info: JSON.parse(info) };
    this.#relay?.tell(session, "subscribe", { channel, ...more });
  }

  unsubscribed(session: Session, channel: string, why: Revocation | "asked"): void {
    if (!this.#events.has("unsubscribe")) return;
    this.#relay?.tell(session, "unsubscribe", { channel, reason: why });
  }

  ended(session: Session, close: Close | null): void {
    if (!this.#events.has("disconnect")) return;
    const { code, reason } = close ?? { code: null, reason: "gone" };
    this.#relay?.tell(session, "disconnect", { code, reason });
  }

  occupied(channel: string): void {
    const vacating = this.#vacating.get(channel);
    if (vacating !== undefined) {
      this.#hub!.wheel.cancel(vacating);
      this.#vacating.delete(channel);
    } else if (this.#events.has("channel_occupied")) {
      this.#relay?.tellOfChannel("channel_occupied", channel);
    }
  }

  vacated(channel: string): void {
    if (this.#relay === null) return;
    if (!this.#events.has("channel_vacated") && !this.#events.has("channel_occupied")) return;
    if (this.#vacating.size >= MAX_VACATING) return this.#tellVacated(channel);
    const vacating = new Vacating(() => {
      this.#vacating.delete(channel);
      this.#tellVacated(channel);
    });
    this.#vacating.set(channel, vacating);
    const hub = this.#hub!;
    hub.wheel.schedule(vacating, hub.now() + VACATED_AFTER_MS);
  }

  #tellVacated(channel: string): void {
    if (this.#events.has("channel_vacated")) {
      this.#relay?.tellOfChannel("channel_vacated", channel);
    }
  }
}

class Vacating implements Timed {
  // Used by the timer wheel.
  dueAt = 0;
  slot = -1;

  constructor(readonly onTimer: () => void) {}
}
