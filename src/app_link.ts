/**
 * Joins the relay, which knows no hub, to the hub, which knows no app.
 *
 * @module
 */
import type { Config } from "./config/schema.ts";
import type { Hub } from "./hub/hub.ts";
import type { Session } from "./hub/session.ts";
import { CLOSES } from "./protocol/codes.ts";
import type { Actions } from "./relay/actions.ts";
import { Relay } from "./relay/relay.ts";
import type { Admit } from "./transports/gateway.ts";

/** What the link is made with. */
export interface AppLinkOptions {
  readonly config: Config;
  readonly hub: Hub;
  /** Tells this run of the server from others. */
  readonly boot: string;
  /** Sign what goes to the app; none: it goes unsigned. */
  readonly secrets: readonly string[];
  /** Publishes one object as `POST /send` takes it. @returns What is wrong with it, or `null`. */
  deliver(item: unknown): string | null;
}

/** The way to the app. */
export interface AppLink {
  readonly relay: Relay;
  /** Asks the app about new sessions; `null` where it does not want to be asked. */
  readonly admit: Admit | null;
}

/** The way to the app at `config.app.url`, or `null` where none is configured. */
export function appLink({ config, hub, boot, secrets, deliver }: AppLinkOptions): AppLink | null {
  const { url, format, timeout, retry_for, events } = config.app;
  if (url === undefined) return null;
  const relay = new Relay({
    url,
    format,
    timeoutMs: timeout,
    retryForMs: retry_for,
    secrets,
    legacySecret: config.legacy.secret,
    maxReplyBytes: config.limits.message_bytes,
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
  return { relay, admit: events.includes("connect") ? admitBy(relay, config) : null };
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
    const code = hub.subscribe(session, name);
    if (code !== null) problems.push(`subscribe: ${code}`);
  }
  for (const name of actions.unsubscribe ?? []) hub.revoke(session, name);
  return problems;
}

/** Asks by the connect event. */
function admitBy(relay: Relay, { app }: Config): Admit {
  return async function admit(id, { address, headers }, { client = null, user }) {
    const source = { id, user, seq: 0 };
    const forwarded = app.forward_headers.flatMap((name) => {
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
