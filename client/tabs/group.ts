import type { Json, ServerFrame } from "../../src/protocol/frames.ts";
import type { State } from "../connection.ts";
import type { SessionState } from "../session.ts";

/**
 * The tabs of one origin that share a connection, as every one of them knows it. The leading tab says what
 * changes before it acts on it, so that another can go on where it stopped.
 */
export interface Group {
  /**
   * When the leading tab took the lead, by the clock that all share: what comes of an earlier term comes from a
   * tab that was replaced.
   */
  readonly term: number;
  /** The session that all share; no secret while there is none. It lives in the tabs' memories only. */
  session: SessionState;
  /** The tabs by their names, with the id of the last command that the leading tab took from them. */
  members: Record<string, { lastId: number; channels: readonly string[] }>;
  /** The commands that Chloe has not answered, by their id in the session. */
  pending: Record<number, Taken>;
}

/** An error in a form that passes from tab to tab. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retry: boolean;
}

/** Why there is no connection, in such a form. */
export interface End {
  readonly code: number;
  readonly reason: string;
  readonly error?: Refusal | undefined;
}

/** A command of a tab's: whose, its id there, and what it says, without the braces. */
export type Taken = readonly [member: string, id: number, body: string];

/** What happens to a group. */
export type GroupEvent =
  | { readonly joined: string }
  | { readonly left: string }
  /** A command goes to Chloe by this id; 0 where it need not. */
  | { readonly taken: Taken; readonly as: number }
  /** The answer to one that went by this id. */
  | { readonly answered: number; readonly to: string; readonly frame: ServerFrame }
  /** A frame for these tabs; `null` for all. */
  | { readonly pushed: ServerFrame; readonly to: readonly string[] | null };

/** What the leading tab says to the others. */
export type FromLeader =
  | { readonly term: number; readonly events: readonly GroupEvent[]; readonly received: number }
  | {
    readonly term: number;
    readonly state: State;
    readonly why: End | undefined;
    readonly group: Group;
  };

/** What a tab says to the leading one. */
export type FromMember =
  | { readonly from: string; readonly hello: string | null }
  | { readonly from: string; readonly term: number; readonly id: number; readonly body: string };

/** A group with nobody in it. */
export function createGroup(session: SessionState, term: number): Group {
  return { term, session, members: {}, pending: {} };
}

/** Does to a group what an event says. */
export function apply(group: Group, event: GroupEvent): void {
  const { members, pending } = group;
  if ("joined" in event) members[event.joined] = { lastId: 0, channels: [] };
  else if ("left" in event) delete members[event.left];
  else if ("taken" in event) {
    const { taken, as } = event;
    const [name, id, body] = taken;
    pending[as] = taken;
    if (as) group.session = { ...group.session, lastId: as };
    const member = members[name];
    if (!member) return;
    member.lastId = id;
    const { subscribe, unsubscribe } = read(body);
    if (subscribe) member.channels = [...member.channels, subscribe.channel];
    if (unsubscribe) leave(member, unsubscribe.channel);
  } else if ("answered" in event) {
    const { answered, to, frame } = event;
    const taken = pending[answered];
    delete pending[answered];
    if (!taken || !("error" in frame)) return;
    const { subscribe } = read(taken[2]);
    if (subscribe && members[to]) leave(members[to], subscribe.channel);
  } else if ("unsubscribed" in event.pushed) {
    for (const name of Object.keys(members)) leave(members[name]!, event.pushed.channel);
  }
}

/** The names of the tabs in a channel; `null` where none of them asked for it, so that it is for all. */
export function subscribersOf({ members }: Group, channel: string | undefined): string[] | null {
  const names = Object.keys(members).filter((name) => members[name]!.channels.includes(channel!));
  return names[0] ? names : null;
}

/** What a command says. */
export function read(
  body: string,
): Record<string, { readonly channel: string; readonly data?: Json }> {
  return JSON.parse(`{${body}}`);
}

function leave(member: Group["members"][string], channel: string): void {
  member.channels = member.channels.filter((other) => other !== channel);
}
