import type { ChannelRule } from "./rules.ts";
import type { Session } from "./session.ts";

/** How a channel's new rule differs from the one before. */
export interface RuleChange {
  readonly rule: ChannelRule;
  /** Who was in by the old one may have no right to it by the new. */
  readonly isStricter: boolean;
  /** What it keeps, and for how long, or whose publications count against which bound. */
  readonly history: boolean;
  readonly presence: boolean;
}

/** Compares two rules of a channel. */
export function changeOf(before: ChannelRule, rule: ChannelRule): RuleChange {
  return {
    rule,
    isStricter: before.authorize !== rule.authorize && rule.authorize !== "open",
    history: before.history?.size !== rule.history?.size ||
      before.history?.ttlMs !== rule.history?.ttlMs ||
      before.clientsPublish !== rule.clientsPublish,
    presence: before.presence?.names !== rule.presence?.names,
  };
}

/**
 * Whether a session that is in a channel stays there by a new rule which lets in others than the old: rules bind
 * neither the app nor the tokens that it signs for connections.
 */
export function mayStay(session: Session, name: string, { authorize }: ChannelRule): boolean {
  if (authorize === "open" || session.isWatcher) return true;
  if (session.placed?.has(name) || session.tokenChannels?.has(name)) return true;
  return authorize !== "closed" && session.grants?.has(name) === true;
}
