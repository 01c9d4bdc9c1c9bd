/**
 * Joins the relay, which knows no hub, to the hub, which knows no app.
 *
 * @module
 */
import type { Hub } from "./hub/hub.ts";
import type { Session } from "./hub/session.ts";
import { CLOSES } from "./protocol/codes.ts";
import type { Actions } from "./relay/actions.ts";
import { Relay, type RelaySettings } from "./relay/relay.ts";
import type { Admit } from "./transports/gateway.ts";

/** What of the link can be changed while it is there, by `configure`. */
export interface AppLinkSettings extends RelaySettings {
  /** Headers of the browser's request that the connect event carries. */
  readonly forwardHeaders: readonly string[];
}

/** What the link is made with. */
export interface AppLinkOptions {
  readonly settings: AppLinkSettings;
  readonly format: "json" | "chloe-1";
  /** Whether the app is asked about new sessions. */
  readonly asksApp: boolean;
  readonly hub: Hub;
  /** Tells this run of the server from others. */
  readonly boot: string;
  /** Publishes one object as `POST /send` takes it. @returns What is wrong with it, or `null`. */
  deliver(item: unknown): string | null;
}

/** The way to the app. */
export interface AppLink {
  readonly relay: Relay;
  /** Asks the app about new sessions; `null` where it does not want to be asked. */
  readonly admit: Admit | null;
  /** Puts other settings in force. */
  configure(settings: AppLinkSettings): void;
}

/** Makes the way to the app. */
export function appLink(
  { settings, format, asksApp, hub, boot, deliver }: AppLinkOptions,
): AppLink {
  let { forwardHeaders } = settings;
  const relay = new Relay({
    ...settings,
    format,
    boot,
    act: (source, actions) => {
      // Who is put into a channel hears what the same answer sends there.
      const session = hub.sessions.get(source.id);
      const problems = session === undefined ? [] : moveIn(hub, session, actions);
      problems.push(...deliverAll(actions.send ?? [], deliver));
      if (session !== undefined && actions.disconnect !== undefined) {
        const reason = actions.disconnect.reason || CLOSES.byApp.reason;
        session.end({ ...CLOSES.byApp, reason });
      }
      return problems;
    },
  });
  return {
    relay,
    admit: asksApp ? admitBy(relay, () => forwardHeaders) : null,
    configure(settings) {
      ({ forwardHeaders } = settings);
      relay.configure(settings);
    },
  };
}

function deliverAll(items: readonly unknown[], deliver: AppLinkOptions["deliver"]): string[] {
  const problems: string[] = [];
  for (const [index, item] of items.entries()) {
    const problem = deliver(item);
    if (problem !== null) problems.push(`send.${index}: ${problem}`);
  }
  return problems;
}

/** Puts a session into channels, and takes it out of others. */
function moveIn(hub: Hub, session: Session, actions: Actions): string[] {
  const problems: string[] = [];
  for (const name of actions.subscribe ?? []) {
    const code = hub.subscribe(session, name, { byApp: true });
    if (code !== null) problems.push(`subscribe: ${code}`);
  }
  for (const name of actions.unsubscribe ?? []) hub.revoke(session, name);
  return problems;
}

/** Asks by the connect event. */
function admitBy(relay: Relay, forwardHeaders: () => readonly string[]): Admit {
  return async function admit(id, { address, headers }, { client = null, user }) {
    const source = { id, user, seq: 0 };
    const forwarded = forwardHeaders().flatMap((name) => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    const admission = await relay.connect(source, {
      origin: headers.get("origin"),
      address,
      client,
      headers: Object.fromEntries(forwarded),
    });
    return admission.ok ? { ...admission, seq: source.seq } : admission;
  };
}
