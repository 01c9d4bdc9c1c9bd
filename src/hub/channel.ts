import type { Codec, PushDetails } from "../protocol/codec.ts";
import { Entry } from "./entry.ts";
import type { History } from "./history.ts";
import type { Presence } from "./presence.ts";
import type { ChannelRule } from "./rules.ts";
import type { Session } from "./session.ts";

/**
 * A batch ends when its text is this long, so that one busy turn does not become one entry that no bound
 * fits.
 */
const MAX_BATCH_LENGTH = 32 * 1024;

/** The subscribers of a channel that share one string: those of one codec who spell its name alike. */
export class Group {
  readonly members = new Set<Session>();
  #text = "";
  #lines = 0;
  /** The last of the batch's messages, where a reader that is behind is given no other. */
  #last = "";

  constructor(readonly channel: Channel, readonly codec: Codec, readonly label: string) {}

  /** Adds a message to the batch. @returns Whether the batch should end now. */
  add(data: string, more: PushDetails): boolean {
    const line = this.codec.push(this.label, data, more);
    this.#text = this.#lines === 0 ? line : this.#text + this.codec.separator + line;
    this.#lines++;
    if (this.channel.rule.slow === "keep_latest") this.#last = line;
    return this.#text.length >= MAX_BATCH_LENGTH;
  }

  /** Queues the batch for every member but those in `except`; `null`: for all. */
  endBatch(except: readonly Session[] | null): void {
    const lines = this.#lines;
    if (lines === 0) return;
    const { slow } = this.channel.rule;
    const entry = new Entry(this.#text, lines, this.channel);
    this.#text = "";
    this.#lines = 0;
    if (slow === "keep_latest") return this.#endWithLatest(entry, except);
    for (const session of this.members) {
      if (except === null || !except.includes(session)) session.enqueue(entry);
    }
  }

  #endWithLatest(entry: Entry, except: readonly Session[] | null): void {
    const last = entry.lines === 1 ? entry : new Entry(this.#last, 1, this.channel);
    this.#last = "";
    for (const session of this.members) {
      if (except?.includes(session)) continue;
      if (session.isBehind) session.replaceWaiting(this, last, entry.lines - 1);
      else session.enqueue(entry);
    }
  }

  /** Queues what there is to tell of who is here. */
  tell(changes: readonly string[]): void {
    const frames = changes.map((change) => this.codec.presence(this.label, change));
    const told = frames.filter((frame) => frame !== null);
    if (told.length === 0) return;
    const entry = new Entry(told.join(this.codec.separator), told.length);
    for (const session of this.members) session.enqueue(entry);
  }

  /** What tells a member that messages were dropped. */
  gap(missed: number): Entry | null {
    const text = this.codec.gap(this.label, missed);
    return text === null ? null : new Entry(text, 1, this.channel, missed);
  }
}

/** What a channel is made of beside its name. */
export interface ChannelParts {
  readonly rule: ChannelRule;
  /** Where its rule says so. */
  readonly history: History | null;
  readonly presence: Presence | null;
}

/** A channel's name and who is in it. It exists while somebody is; its history may outlive it. */
export class Channel {
  readonly groups: Group[] = [];
  rule: ChannelRule;
  history: History | null;
  presence: Presence | null;
  /** How many sessions are in it, but for those that only watch. */
  size = 0;
  /** Used by the hub: whether its presence waits for this turn's end. */
  isPresenceDirty = false;

  constructor(readonly name: string, { rule, history, presence }: ChannelParts) {
    this.rule = rule;
    this.history = history;
    this.presence = presence;
  }

  /** Puts a session in; it must not be in yet. @returns Where it is now. */
  join(session: Session, label: string): Group {
    let group = this.groups.find((group) => group.codec === session.codec && group.label === label);
    if (group === undefined) {
      group = new Group(this, session.codec, label);
      this.groups.push(group);
    }
    group.members.add(session);
    if (!session.isWatcher) this.size++;
    return group;
  }

  leave(session: Session, group: Group): void {
    if (!group.members.delete(session)) return;
    if (!session.isWatcher) this.size--;
    if (group.members.size === 0) this.groups.splice(this.groups.indexOf(group), 1);
  }

  /** Adds a message to this turn's batch. @returns Whether the batch should end now. */
  add(data: string, more: PushDetails): boolean {
    let full = false;
    for (const group of this.groups) full = group.add(data, more) || full;
    return full;
  }

  endBatch(except: readonly Session[] | null = null): void {
    // Backwards: a slow reader that ends here may be the last of its group, which is then taken out.
    for (let i = this.groups.length - 1; i >= 0; i--) this.groups[i]!.endBatch(except);
  }

  /** Tells everyone who came and went, at once. */
  tell(changes: readonly string[]): void {
    for (let i = this.groups.length - 1; i >= 0; i--) this.groups[i]!.tell(changes);
  }
}
