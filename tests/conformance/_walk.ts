/**
 * What the conformance tests share: a server with a rule of every kind, an app that answers for it, and the
 * two browsers that walk through it, over each transport.
 *
 * @module
 */
import { type JWTPayload, SignJWT } from "jose";
import type {
  Connect,
  Member,
  Position,
  ServerFrame,
  Subscribed,
} from "../../src/protocol/frames.ts";
import { MisbehavingApp } from "../support/misbehaving_app.ts";
import { type ConfigFile, startTestServer, type TestServer } from "../support/server.ts";
import {
  type Reply,
  SessionClient,
  type TransportName,
  TRANSPORTS,
} from "../support/session_client.ts";

/** Signs users' tokens. */
export const TOKEN_SECRET = "the secret of the tokens of the conformance tests";
const AUDIENCE = "conformance";

/** A rule of every kind, by what channels of it are called. */
const RULES: NonNullable<ConfigFile["channel"]> = [
  { pattern: "room:staff:*", authorize: "closed" },
  { pattern: "room:**" },
  { pattern: "talk:*", publish: "clients" },
  { pattern: "private:*", authorize: "token", publish: "clients", presence: true },
  { pattern: "asked:*", authorize: "app", presence: true },
  { pattern: "closed:*", authorize: "closed", publish: "clients" },
  { pattern: "feed:*", history: { size: 5, ttl: "1h" } },
  { pattern: "brief:*", history: { size: 5, ttl: "50ms" } },
  { pattern: "who:*", presence: true },
  { pattern: "crowd:*", presence: { names: 2 } },
  { pattern: "pair:*", max_subscribers: 2 },
  { pattern: "all:*", slow: "close" },
  { pattern: "log:*", slow: "drop_oldest" },
  { pattern: "meter:*", slow: "keep_latest" },
];

/** One walk through a rule. */
export interface Walk {
  readonly transport: TransportName;
  readonly server: TestServer;
  /** Asked by the rules that ask it; it says yes unless it is told otherwise. */
  readonly app: MisbehavingApp;
  /** Opens a tab of a browser in which nobody, or this user, is logged in. */
  tab(user?: string | null, connect?: Connect): Promise<SessionClient>;
  /** Opens two tabs in each of two browsers: Ada's and Bob's. */
  browsers(connect?: Connect): Promise<Browsers>;
}

/** Two browsers with two tabs each. */
export interface Browsers {
  readonly ada: readonly [SessionClient, SessionClient];
  readonly bob: readonly [SessionClient, SessionClient];
  readonly tabs: readonly SessionClient[];
}

/** Runs `body` over each transport, each time on a server of its own; what it opened is cut at its end. */
export function conformance(
  claim: string,
  body: (walk: Walk) => Promise<void>,
  { config = {} }: { readonly config?: ConfigFile } = {},
): void {
  for (const transport of TRANSPORTS) {
    Deno.test(`${transport}: ${claim}`, () => walk(transport, body, config));
  }
}

/**
 * Runs `body` over all transports at once, each on a server of its own: for what comes when its time has come.
 */
export function conformanceAtOnce(
  claim: string,
  body: (walk: Walk) => Promise<void>,
  { config = {} }: { readonly config?: ConfigFile } = {},
): void {
  Deno.test(`every transport: ${claim}`, async () => {
    const walks = await Promise.allSettled(
      TRANSPORTS.map((transport) => walk(transport, body, config)),
    );
    for (const [n, { status, ...more }] of walks.entries()) {
      if (status === "fulfilled") continue;
      const cause = (more as PromiseRejectedResult).reason as Error;
      throw new Error(`Over ${TRANSPORTS[n]}: ${cause.message}`, { cause });
    }
  });
}

async function walk(
  transport: TransportName,
  body: (walk: Walk) => Promise<void>,
  config: ConfigFile,
): Promise<void> {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    channel: RULES,
    ...config,
    app: { url: app.url, retry_for: "0s", ...config.app },
    token: { secret: [TOKEN_SECRET], audience: AUDIENCE, ...config.token },
  });
  const opened: SessionClient[] = [];
  const tab: Walk["tab"] = async (user = null, connect = {}) => {
    const client = new SessionClient(server);
    opened.push(client);
    const token = user === null ? {} : { token: await makeToken({ sub: user }) };
    await client.connect(transport, { ...token, ...connect });
    return client;
  };
  try {
    await body({
      transport,
      server,
      app,
      tab,
      async browsers(connect) {
        const ada = [await tab("ada", connect), await tab("ada", connect)] as const;
        const bob = [await tab("bob", connect), await tab("bob", connect)] as const;
        return { ada, bob, tabs: [...ada, ...bob] };
      },
    });
  } finally {
    for (const client of opened) client.dropTransport();
  }
}

/** A token as the app makes them, or with another secret. */
export function makeToken(claims: JWTPayload, secret: string = TOKEN_SECRET): Promise<string> {
  return new SignJWT({ aud: AUDIENCE, ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

/** So many seconds from now, as tokens tell time. */
export function secondsFromNow(seconds: number): number {
  return Date.now() / 1000 + seconds;
}

/** How a page asks to be in a channel. */
export interface Asking {
  readonly since?: Position;
  readonly token?: string;
  readonly info?: unknown;
}

/** Subscribes. @returns What the subscription begins with; `error` where it was refused. */
export async function subscribe(
  client: SessionClient,
  channel: string,
  asking: Asking = {},
): Promise<Subscribed> {
  const { info, ...more } = asking;
  const command = { channel, ...more, ...(info !== undefined && { info: info as string }) };
  return begun(await client.reply(client.command({ subscribe: command })));
}

/** What an answer to `subscribe` says. */
export function begun(reply: Reply): Subscribed {
  if ("ok" in reply) return reply.ok as Subscribed;
  return { error: (reply as { error: NonNullable<Subscribed["error"]> }).error };
}

/** Why something was refused, and whether to try again: `forbidden`, `channel_full, retry`, or `ok`. */
export function verdict({ error }: Pick<Subscribed, "error"> | Reply & { error?: never }): string {
  return error === undefined ? "ok" : `${error.code}${error.retry ? ", retry" : ""}`;
}

/** The data of the next messages. */
export async function take(client: SessionClient, count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  while (taken.length < count) taken.push(await client.nextData());
  return taken;
}

/** How a client is told that somebody came or went, as soon as it is. */
export async function seen(
  client: SessionClient,
  what: "join" | "leave",
  { session }: SessionClient,
): Promise<Member> {
  const named = (frame: ServerFrame) =>
    (frame as { [what]?: readonly Member[] })[what]?.find((member) => member.session === session);
  for (;;) {
    // Several may be told of at once, so what was looked at for one may name another.
    for (const frame of client.log) {
      const member = named(frame);
      if (member !== undefined) return member;
    }
    await client.next((frame) => what in frame);
  }
}

/** The next frame of a kind: `bye`, `gap`, `unsubscribed`, `presence`. */
export async function nextOf<Kind extends string>(
  client: SessionClient,
  kind: Kind,
): Promise<Extract<ServerFrame, { readonly [kind in Kind]: unknown }>> {
  return await client.next((frame) => kind in frame) as Extract<
    ServerFrame,
    { readonly [kind in Kind]: unknown }
  >;
}

/** A body that waits for a test to say how it goes on: for an app that takes its time. */
export function held(): { readonly released: Promise<void>; release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { released: promise, release: resolve };
}
