import type { ErrorBody } from "../src/protocol/codes.ts";
import type { Connected, Json, ServerFrame } from "../src/protocol/frames.ts";
import type { Closing, Connection, ConnectionOptions, State } from "./connection.ts";
import { RENEW_AFTER } from "./constants.ts";
import { ChloeError, fetchToken, refusal } from "./errors.ts";
import { type Answer, createSession, type Reply, type Session } from "./session.ts";
import type { NamedChannels } from "./subscriptions.ts";
import { CLIENT } from "./version.ts";

/** Who a link works for. */
export interface LinkListener {
  /**
   * The channels for `connect`, with their positions: as many as fit in so many bytes, the rest is asked for
   * afterwards.
   */
  forConnect(maxBytes: number): NamedChannels;
  /** A session has begun, or goes on on another transport; `changed` follows. */
  begun(connected: Connected): void;
  /** A frame that was not taken before, and that answers no command. */
  pushed(frame: ServerFrame): void;
  /** Something went wrong that no promise tells of. */
  failed(error: ChloeError): void;
  changed(state: State, why?: Closing): void;
}

type TokenFunction = Extract<ConnectionOptions["options"]["token"], () => unknown>;

/** A session over whichever transport there is: each frame taken once, each command answered once. */
export interface Link {
  readonly session: Session;
  readonly connection: Connection;
  /**
   * Sends a command, when there is a connection.
   *
   * @param body Its member, as JSON text without the braces.
   */
  command(body: string, reply: Reply): void;
}

/** What a link is made with. */
export interface LinkOptions extends Omit<ConnectionOptions, "session" | "listener"> {
  readonly listener: LinkListener;
  /** Makes its connection. */
  connect(options: ConnectionOptions): Connection;
}

/** Makes one that is idle. */
export function createLink(given: LinkOptions): Link {
  const { options, environment, listener } = given;
  const session = createSession();
  /** What `options.token` gave, until Chloe says that it expired. */
  let token: string | null | undefined;
  /** When it is to be replaced, so that the session goes on without a break; `NaN` where it is not. */
  let renewAt = NaN;

  const connection = given.connect({
    ...given,
    session,
    listener: {
      ready,
      expired() {
        token = undefined;
        return typeof options.token === "function";
      },
      connectLine,
      begun,
      frame,
      changed: listener.changed,
    },
  });

  function ready(): Promise<void> | null {
    const { token: given } = options;
    if (typeof given !== "function") token = given;
    else if (token === undefined) return replace(given);
    return null;
  }

  function replace(give: TokenFunction): Promise<void> {
    return fetchToken(give).then((text) => {
      token = text || null;
    }, (error) => {
      listener.failed(error);
      throw error;
    });
  }

  /**
   * Replaces the token in time. Looked at with each frame that comes, pings too: the timers of a page in the
   * background are late.
   */
  function renew(): void {
    const { token: given } = options;
    if (!(environment.now() > renewAt) || typeof given !== "function") return;
    renewAt = NaN;
    // Where this fails the token ends, and with it the transport: the next one is opened with another token.
    replace(given).then(() => {
      command(`"refresh":${JSON.stringify({ token })}`, renewLater);
    }, () => {});
  }

  /** @param expires Seconds until the token ends, where it does. */
  function renewLater(_error: unknown, { expires }: { readonly expires?: Json } = {}): void {
    renewAt = environment.now() + (expires as number) * RENEW_AFTER;
  }

  function connectLine(): string {
    const connect = { token: token || undefined, client: CLIENT, ...session.resumption() };
    // A character of JavaScript's has three bytes at most.
    const left = session.state.maxBytes - 3 * JSON.stringify({ connect, subscribe: {} }).length;
    return JSON.stringify({ connect: { ...connect, subscribe: listener.forConnect(left) } });
  }

  function begun(answer: Connected): void {
    const lines = session.start(answer);
    if (!lines) {
      session.end("unknown_outcome");
      return connection.reopen("frames missing");
    }
    for (const line of lines) connection.send(line);
    renewLater(null, answer);
    listener.begun(answer);
  }

  function frame(frame: ServerFrame, length: number): void {
    renew();
    if ("from" in frame) return session.countFrom(frame.from);
    const isPing = length === "{}".length;
    const isNew = !isPing && session.take(length);
    if (connection.acknowledges && (isPing || session.receiptDue())) {
      connection.send(session.receipt());
    }
    if (!isNew) return;

    const { id, ok, error } = frame as { id?: number; ok: Answer; error?: ErrorBody };
    if (id) {
      const reply = session.answered(id);
      if (reply) reply(error && refusal(error), ok);
    } else if (error) {
      listener.failed(refusal(error));
    } else {
      listener.pushed(frame);
    }
  }

  function command(body: string, reply: Reply): void {
    const { state, ready } = connection;
    if (state === "closed") {
      return reply(new ChloeError("closed", "Closed: connect() first"));
    }
    // What cannot leave now does when the session goes on, or begins.
    const line = session.command(body, reply, ready);
    if (line && ready) connection.send(line);
  }

  return { session, connection, command };
}
