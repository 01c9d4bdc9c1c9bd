import type { ServerFrame } from "../../src/protocol/frames.ts";
import {
  type Closing,
  type Connection,
  type ConnectionOptions,
  createConnection,
  type State,
} from "../connection.ts";
import { refusal } from "../errors.ts";
import { ANSWER_MS, CHECK_MS, DRAIN_MS } from "../constants.ts";
import { apply, createGroup, type FromLeader, type FromMember, type Group } from "./group.ts";
import { createTabHub, type StopHub } from "./hub.ts";
import { platformOf } from "./platform.ts";
import type { Bus as OpenBus } from "./web_api.ts";

/**
 * The connection of a tab that shares one with all others of its origin. Whoever holds a lock by the name of
 * Chloe's address leads, and keeps the real connection; the tabs talk by a BroadcastChannel. Where the
 * platform lacks either, the tab connects by itself.
 */
export function createTabConnection(given: ConnectionOptions): Connection {
  const { base, environment, session, listener } = given;
  const platform = platformOf(environment);
  if (!platform) return createConnection(given);
  const { Bus, locks } = platform;
  const name = `chloe ${base}`;
  /** This tab's name, a new one each time that it is opened. */
  let me = "";
  let group: Group;
  let state: State = "idle";
  let bus: OpenBus | undefined;
  let stopHub: StopHub | null = null;
  /** Ends the claim to lead, and the lock by which the others know that this tab is there. */
  let claims = new AbortController();
  let timer: unknown;
  let unwatch = () => {};

  const post = (message: FromMember) => bus!.postMessage(message);
  const hello = () => post({ from: me, hello: session.state.secret });

  function become(next: State, why?: Closing): void {
    if (state === next) return;
    state = next;
    listener.changed(next, why);
  }

  /** Holds a lock until this tab leaves; calls `held` when it has it, `lost` when it is stolen. */
  function hold(lock: string, steal: boolean, held: () => void, lost: () => void): void {
    const { signal } = claims;
    // Who steals does not wait, and may have no signal.
    locks.request(
      lock,
      steal ? { steal } : { signal },
      () =>
        new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => resolve());
          if (signal.aborted) resolve();
          else held();
        }),
    ).catch(() => signal.aborted || lost());
  }

  /** Leads as soon as nobody else does. */
  function claim(steal: boolean): void {
    const { signal } = claims;
    let stop: StopHub | undefined;
    let isLost = false;
    hold(name, steal, () => {
      const lead = () => {
        if (isLost || signal.aborted) return;
        if (stopHub) stopHub();
        stopHub = stop = createTabHub(given, platform!, name, group);
      };
      // What the last leader said may come a little later than its lock.
      if (group.session.secret) environment.setTimeout(lead, DRAIN_MS);
      else lead();
    }, () => {
      // Another tab took the lead, as this one seemed frozen.
      isLost = true;
      if (stop) stop();
      claim(false);
    });
  }

  /** Asks the leading tab for a sign of life. */
  function check(): void {
    hello();
    after(ANSWER_MS, () => claim(true));
  }

  function after(ms: number, then: () => void): void {
    environment.clearTimeout(timer);
    timer = environment.setTimeout(then, ms);
  }

  function hear({ data }: { data: FromLeader | FromMember }): void {
    if ("from" in data || data.term < group.term) return;
    after(CHECK_MS, check);
    if ("events" in data) {
      for (const event of data.events) {
        apply(group, event);
        const isHeard = state === "connected" || "pushed" in event && "error" in event.pushed;
        if (!isHeard) continue;
        if ("answered" in event) event.to === me && take(event.frame);
        else if ("pushed" in event && (!event.to || event.to.includes(me))) take(event.pushed);
      }
      group.session = { ...group.session, received: data.received };
      return;
    }
    const { why } = data;
    group = data.group;
    if (data.state === "connected") return begin();
    if (data.state === "closed") end();
    become(data.state, why && { ...why, error: why.error && refusal(why.error) });
  }

  function take(frame: ServerFrame): void {
    // How long it was matters to nobody here.
    listener.frame(frame, 3);
  }

  /** Goes on with the group's session, or begins in it. */
  function begin(): void {
    const { id, secret, maxBytes } = group.session;
    const member = group.members[me];
    const resumed = secret === session.state.secret;
    if (!member) return hello();
    if (state === "connected" && resumed) return;
    state = "connected";
    listener.begun({
      session: id!,
      resume: secret!,
      resumed,
      from: resumed ? session.state.received : 0,
      lastId: member.lastId,
      ping: 0,
      // The ids of all tabs' commands together may be longer than this one's.
      maxBytes: maxBytes - 16,
      subscribed: {},
    });
    if (state === "connected") listener.changed(state);
  }

  function close(why: Closing): void {
    // The others hear of it by the lock that this lets go.
    end();
    become("closed", why);
  }

  function end(): void {
    environment.clearTimeout(timer);
    unwatch();
    claims.abort();
    if (stopHub) stopHub();
    if (bus) bus.close();
  }

  return {
    get state() {
      return state;
    },
    get transport() {
      return state === "connected" ? "tabs" : null;
    },
    open() {
      if (state !== "idle" && state !== "closed") return;
      claims = new AbortController();
      me = String(Math.random());
      group = createGroup(session.state, 0);
      bus = new Bus(name);
      bus.onmessage = hear;
      unwatch = environment.watch(check);
      become("connecting");
      hold(`${name} ${me}`, false, () => {
        claim(false);
        check();
      }, () => close({ code: 1006, reason: "no locks" }));
    },
    send: (line) => {
      const { id } = JSON.parse(line);
      post({ from: me, term: group.term, id, body: line.slice(line.indexOf(",") + 1, -1) });
      after(ANSWER_MS, () => claim(true));
    },
    get ready() {
      return state === "connected";
    },
    acknowledges: false,
    reopen: hello,
    close,
  };
}
