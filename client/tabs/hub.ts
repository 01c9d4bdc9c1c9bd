import type { Connected, Push, ServerFrame } from "../../src/protocol/frames.ts";
import { type ConnectionOptions, createConnection } from "../connection.ts";
import type { ChloeError } from "../errors.ts";
import { createLink, type Link } from "../link.ts";
import {
  apply,
  createGroup,
  type End,
  type FromLeader,
  type FromMember,
  type Group,
  type GroupEvent,
  read,
  type Refusal,
  subscribersOf,
} from "./group.ts";
import type { Reply } from "../session.ts";
import type { Platform } from "./platform.ts";

/** Lets the leading tab's connection go. Its session lives on, for the tab that leads next. */
export type StopHub = () => void;

/** Takes the lead, and goes on from where the group stands; the leading tab holds this for all of them. */
export function createTabHub(
  { base, options, kinds, environment }: ConnectionOptions,
  { Bus, locks }: Platform,
  /** Of the group's channel and locks. */
  name: string,
  group: Group,
): StopHub {
  const bus = new Bus(name);
  const term = Math.max(group.term, environment.now()) + Math.random();
  // A copy: what the tab itself knows of the group it hears as all others do.
  group = { ...JSON.parse(JSON.stringify(group)), term };
  const end = new AbortController();
  /** The tabs whose end is waited for. */
  const watched = new Set<string>();
  /** Tabs that left while there was no connection to say so. */
  const leaving = new Set<string>();
  let events: GroupEvent[] = [];
  let why: End | undefined;

  const link: Link = createLink({
    base,
    options,
    kinds,
    environment,
    connect: createConnection,
    listener: {
      forConnect: () => ({}),
      begun,
      pushed,
      failed: (error) => emit({ pushed: { error: plain(error) } as ServerFrame, to: null }),
      changed(_state, reason) {
        why = reason && { ...reason, error: reason.error && plain(reason.error) };
        announce();
        // Where there is still no connection they are put back.
        for (const member of [...leaving]) if (leaving.delete(member)) leave(member);
      },
    },
  });
  const { session, connection } = link;

  function post(message: FromLeader): void {
    if (!end.signal.aborted) bus.postMessage(message);
  }

  function flush(): void {
    if (!events[0]) return;
    const { received } = session.state;
    post({ term, events, received });
    events = [];
    group.session = { ...group.session, received };
  }

  /** Says what happens, with all else that happens in this turn. */
  function emit(event: GroupEvent): void {
    apply(group, event);
    if (events.push(event) === 1) void Promise.resolve().then(flush);
  }

  /** Says where the group stands. */
  function announce(): void {
    flush();
    post({ term, state: connection.state, why, group });
  }

  function begun(answer: Connected): void {
    if (!answer.resumed) {
      // The session of all of them is lost: they come anew.
      flush();
      group = createGroup(session.state, term);
    }
    group.session = session.state;
  }

  function pushed(frame: ServerFrame): void {
    const { channel } = frame as Push;
    const to = subscribersOf(group, channel);
    // What was on its way when the last tab left the channel is for nobody.
    const leave = `"unsubscribe":${JSON.stringify({ channel })}`;
    const isLeaving = !to && Object.values(group.pending).some((taken) => taken[2] === leave);
    emit({ pushed: frame, to: isLeaving ? [] : to });
  }

  /** Hears of the end of a tab: it holds a lock for as long as it is there. */
  function watch(member: string): void {
    if (watched.has(member)) return;
    watched.add(member);
    locks.request(`${name} ${member}`, { signal: end.signal }, () => {
      watched.delete(member);
      leave(member);
    }).catch(() => {}); // refused when this tab leads no more
  }

  function leave(member: string): void {
    const gone = group.members[member];
    if (!gone) return;
    if (connection.state !== "connected") return void leaving.add(member);
    emit({ left: member });
    for (const channel of gone.channels) {
      if (!subscribersOf(group, channel)) {
        issue("", 0, `"unsubscribe":${JSON.stringify({ channel })}`);
      }
    }
  }

  /** Sends a command to Chloe, once all have heard of it. */
  function issue(member: string, id: number, body: string): void {
    const as = session.state.lastId + 1;
    emit({ taken: [member, id, body], as });
    flush();
    link.command(body, replyTo(as, member, id));
  }

  function replyTo(as: number, to: string, id: number): Reply {
    return (error, ok) => {
      const answer = error ? { error: plain(error) } : { ok };
      emit({ answered: as, to, frame: { id, ...answer } as ServerFrame });
    };
  }

  bus.onmessage = ({ data }: { data: FromLeader | FromMember }) => {
    if (!("from" in data)) {
      if (data.term > term) stop();
      return;
    }
    const { from } = data;
    const known = group.members[from];
    if ("hello" in data) {
      if (connection.state === "connected" && (!known || data.hello !== group.session.secret)) {
        emit({ joined: from });
        watch(from);
      }
      announce();
    } else if (known && connection.ready && data.term === term && data.id === known.lastId + 1) {
      // Any other was taken before, or comes again once the tab has heard where the group stands.
      const { id, body } = data;
      const { unsubscribe } = read(body);
      const others = unsubscribe && subscribersOf(group, unsubscribe.channel);
      // Chloe need not know that one leaves where another stays.
      if (others && others.some((other) => other !== from)) {
        emit({ taken: [from, id, body], as: 0 });
        emit({ answered: 0, to: from, frame: { id, ok: {} } });
      } else {
        issue(from, id, body);
      }
    }
  };

  session.restore(
    group.session,
    Object.keys(group.pending).map((as) => {
      const [member, id, body] = group.pending[+as]!;
      return [+as, body, replyTo(+as, member, id)];
    }),
  );
  for (const member of Object.keys(group.members)) watch(member);
  connection.open();

  /** Lets the connection go, once. */
  function stop(): void {
    if (end.signal.aborted) return;
    flush();
    end.abort();
    bus.close();
    connection.close({ code: 3000, reason: "" });
  }

  return stop;
}

/** An error in a form that passes from tab to tab. */
function plain({ code, message, retry }: ChloeError): Refusal {
  return { code, message, retry };
}
