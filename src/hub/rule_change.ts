import { ALL_CHANNEL } from "../protocol/channel_name.ts";
import { CLOSES } from "../protocol/codes.ts";
import type { Channel } from "./channel.ts";
import type { History } from "./history.ts";
import type { Hub } from "./hub.ts";
import type { Presence } from "./presence.ts";
import type { ChannelRule, RuleBook } from "./rules.ts";
import type { Session } from "./session.ts";

/** The rules to be put in force, and what the hub has for it alone. */
export interface RuleChange {
  readonly rules: RuleBook;
  readonly all: Channel;
  /** What a channel has by its rule, made anew. */
  historyFor(channel: Channel): History | null;
  presenceFor(channel: Channel): Presence | null;
}

/**
 * Puts other rules in force, for what is there as for what comes; no batch is open. Who is in a channel whose
 * new rule does not let it in is taken out and told, once all rules are the new ones.
 */
export function changeRules(hub: Hub, change: RuleChange): void {
  const { rules, all } = change;
  const { channels, histories } = hub;
  histories.endEpoch();
  for (const name of [...histories.names()]) {
    if (!channels.has(name)) histories.change(histories.get(name)!, rules.of(name));
  }
  all.rule = rules.of(ALL_CHANNEL);
  const stricter: Channel[] = [];
  for (const channel of channels.values()) {
    const before = channel.rule;
    channel.rule = rules.of(channel.name);
    if (keepsOtherwise(before, channel.rule)) changeHistory(hub, channel, change);
    if (before.presence?.names !== channel.rule.presence?.names) changePresence(channel, change);
    if (before.authorize !== channel.rule.authorize) stricter.push(channel);
  }
  for (const session of hub.sessions.values()) session.outbox.recount();
  for (const channel of stricter) {
    for (const session of membersOf(channel)) {
      if (mayStay(session, channel)) continue;
      hub.takeBack(session, channel.name, "revoked");
      // A plain event stream has no words for that: its browser comes back, and hears of it then.
      if (session.codec.name === "plain") session.end(CLOSES.policy);
    }
  }
}

/** Whether a channel keeps more or less, or counts against the bound of others. */
function keepsOtherwise(before: ChannelRule, rule: ChannelRule): boolean {
  return before.history?.size !== rule.history?.size ||
    before.history?.ttlMs !== rule.history?.ttlMs ||
    before.clientsPublish !== rule.clientsPublish;
}

function changeHistory({ histories }: Hub, channel: Channel, { historyFor }: RuleChange): void {
  const { rule, history } = channel;
  channel.history = history === null ? historyFor(channel) : histories.change(history, rule);
  if (channel.history !== null) channel.history.inUse = true;
}

function changePresence(channel: Channel, { presenceFor }: RuleChange): void {
  const { presence, rule } = channel;
  if (presence !== null && rule.presence !== null) {
    presence.rule = rule.presence;
    return;
  }
  presence?.close();
  channel.presence = presenceFor(channel);
  channel.presence?.begin(membersOf(channel));
}

/** Who is in a channel, but for who only watches. */
function membersOf({ groups }: Channel): Session[] {
  return groups.flatMap(({ members }) => [...members].filter(({ isWatcher }) => !isWatcher));
}

/**
 * Whether a session that is in a channel stays there by a new rule which lets in others than the old: rules bind
 * neither the app nor the tokens that it signs for connections.
 */
function mayStay(session: Session, { name, rule: { authorize } }: Channel): boolean {
  if (authorize === "open") return true;
  if (session.placed?.has(name) || session.tokenChannels?.has(name)) return true;
  return authorize !== "closed" && session.grants?.has(name) === true;
}
