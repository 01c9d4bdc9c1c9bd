import { type Closing, type Connection, createConnection, type State } from "./connection.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { surroundings } from "./environment.ts";
import { ChloeError } from "./errors.ts";
import { createHandlers, type Handlers } from "./handlers.ts";
import { createLink } from "./link.ts";
import { type ChloeOptions, kindsOf } from "./options.ts";
import type { Answer, Session } from "./session.ts";
import { createTabConnection } from "./tabs/member.ts";
import { createSubscriptions, type MessageHandler, type Subscriptions } from "./subscriptions.ts";

/** What a page can listen for with {@linkcode Chloe.on}. */
export interface ChloeEvents {
  /** A message to everyone, to this session or its user, or of a channel without a handler. */
  message: MessageHandler;
  /** It is over: the page closed it, or Chloe did and wants nobody back. */
  close(why: Closing): void;
  /** With `waiting` and `closed` comes why. */
  state(state: State, why?: Closing): void;
  /** Something was refused that no promise told of: a subscription that ended, a bad frame. */
  error(error: ChloeError): void;
  /** Messages of a channel are gone for good; `null` where nobody knows how many. */
  gap(channel: string, missed: number | null): void;
}

/** What stands behind a {@linkcode Chloe}: the place where link, subscriptions and the page meet. */
export interface Client {
  readonly handlers: Handlers<ChloeEvents>;
  readonly session: Session;
  readonly subscriptions: Subscriptions;
  readonly connection: Connection;
  /** See {@linkcode Chloe.connect}. */
  connect(callback?: () => void): Promise<void>;
  /**
   * Sends a command, when there is a connection.
   *
   * @param body Its member, as JSON text without the braces.
   * @param pick Takes from the answer what the promise resolves with.
   */
  ask<T>(body: string, pick: (ok: Answer) => T): Promise<T>;
}

/** A value as JSON text. Throws a TypeError where JSON has no form for it. */
export function json(value: unknown): string {
  const text = JSON.stringify(value);
  if (!text) throw new TypeError("not JSON");
  return text;
}

/**
 * Makes one that is idle.
 *
 * @param base Where Chloe is, without a slash at the end.
 */
export function createClient(base: string, options: ChloeOptions): Client {
  const environment = { ...surroundings(), ...options.environment };
  const handlers = createHandlers<ChloeEvents>(environment.report);
  let opening: Deferred<void> | null = null;

  const subscriptions = createSubscriptions({
    isConnected: () => connection.state === "connected",
    command: (body, reply) => command(body, reply),
    failed,
    handlers,
  });
  const { session, connection, command } = createLink({
    base,
    options,
    environment,
    kinds: kindsOf(options, environment),
    connect: options.shareTabs ? createTabConnection : createConnection,
    listener: { ...subscriptions, failed, changed },
  });

  function connect(callback?: () => void): Promise<void> {
    const { promise } = opening = opening || deferred<void>();
    if (connection.state === "connected") opened();
    else connection.open();
    // A page of 2011 knows no promise, and so not that this one may be rejected.
    if (callback) promise.then(() => handlers.guard(callback), () => {});
    return promise;
  }

  /** Tells those who wait for the connection that it is there, or will not be. */
  function opened(error?: ChloeError): void {
    const waiting = opening;
    opening = null;
    if (waiting) waiting.settle(error);
  }

  function ask<T>(body: string, pick: (ok: Answer) => T): Promise<T> {
    const { promise, settle } = deferred<T>();
    command(body, (error, ok) => settle(error, ok && pick(ok)));
    return promise;
  }

  function failed(error: ChloeError): void {
    if (!handlers.emit("error", error)) environment.report(error);
  }

  function changed(state: State, why?: Closing): void {
    if (state === "closed") {
      const { reason, error } = why!;
      const closed = new ChloeError("closed", `Closed: ${reason}`);
      session.end("closed");
      subscriptions.closed(closed);
      opened(error || closed);
    }
    handlers.emit("state", state, why);
    if (state === "connected") opened();
    else if (state === "closed") handlers.emit("close", why!);
  }

  return { handlers, session, subscriptions, connection, connect, ask };
}
