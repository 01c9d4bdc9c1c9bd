/**
 * The control API as it crosses the socket: what it tells, what it does, and whom it lets in.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SignJWT } from "jose";
import { Webhook } from "standardwebhooks";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { ask, request, type RequestOptions } from "./support/http.ts";
import { codeBlocks } from "./support/markdown.ts";
import { type Address, type ConfigFile, startTestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { eventually, within } from "./support/within.ts";

const KEY = createApiKey();
const SECRET = createWebhookSecret();
const TOKEN_SECRET = "a secret of more than thirty-two bytes";

const CONFIG: ConfigFile = {
  api_keys: [KEY],
  secret: [SECRET],
  token: { secret: [TOKEN_SECRET] },
  channel: [
    { pattern: "chat:**", history: { size: 10, ttl: "5m" }, presence: true },
    { pattern: "closed:**", authorize: "closed" },
    { pattern: "small", max_subscribers: 1 },
    { pattern: "**" },
  ],
};

const JSON_TYPE = { "content-type": "application/json" };
const BEARER = { authorization: `Bearer ${KEY}` };

interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  // deno-lint-ignore no-explicit-any -- each test knows what it asked for
  readonly body: any;
}

async function call(
  address: Address,
  method: string,
  path: string,
  { body, headers = {} }: { body?: unknown; headers?: RequestOptions["headers"] } = {},
): Promise<Answered> {
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
  const answer = await ask(address, path, {
    method,
    headers: {
      ...BEARER,
      ...(body !== undefined && {
        ...JSON_TYPE,
        "content-length": String(new TextEncoder().encode(text).length),
      }),
      ...headers,
    },
    body: text,
  });
  return { ...answer, body: answer.text === "" ? null : JSON.parse(answer.text) };
}

const get = (address: Address, path: string) => call(address, "GET", path);
const post = (address: Address, path: string, body: unknown = {}) =>
  call(address, "POST", path, { body });

/** The status of a refusal, and its code. */
const refusal = ({ status, body }: Answered) => [status, body.error.code];

async function connect(
  address: Address,
  channels: readonly string[] = [],
  { user, client }: { user?: string; client?: string } = {},
): Promise<SessionClient> {
  const page = new SessionClient(address);
  const token = user === undefined
    ? undefined
    : await new SignJWT({ sub: user }).setProtectedHeader({ alg: "HS256" })
      .setExpirationTime("1h").sign(new TextEncoder().encode(TOKEN_SECRET));
  await page.connect("websocket", {
    subscribe: Object.fromEntries(channels.map((channel) => [channel, {}])),
    ...(token !== undefined && { token }),
    ...(client !== undefined && { client }),
  });
  return page;
}

function signed(
  body: string,
  { id = crypto.randomUUID() as string, atMs = Date.now() } = {},
) {
  const timestamp = Math.floor(atMs / 1000);
  return {
    authorization: null,
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": new Webhook(SECRET).sign(id, new Date(timestamp * 1000), body),
  };
}

// Sessions and users

Deno.test("the control API shows who is connected, how, and where", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["chat:1", "/news"], { user: "ann", client: "t <1>" });
  await using bob = await connect(server, ["chat:1"]);
  const { body: { sessions, next } } = await get(server, "/api/sessions");
  assertEquals(next, null);
  assertEquals(
    sessions.map(({ id }: { id: string }) => id),
    [ann.session, bob.session].sort(),
  );
  const { body, headers } = await get(server, `/api/sessions/${ann.session}`);
  assertEquals(headers.get("cache-control"), "no-store");
  const { opened, expires, ...rest } = body;
  assertEquals(rest, {
    id: ann.session,
    user: "ann",
    transport: "websocket",
    protocol: "2",
    seq: 0,
    address: "127.0.0.1",
    client: "t <1>",
    channels: ["chat:1", "news"],
  });
  for (const time of [opened, expires]) assertMatch(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert(Date.parse(expires) > Date.parse(opened));
  const other = (await get(server, `/api/sessions/${bob.session}`)).body;
  assertEquals([other.user, other.client, other.expires], [null, null, null]);
  assertEquals(refusal(await get(server, "/api/sessions/none")), [404, "unknown_session"]);
});

Deno.test("the control API lists the sessions of a user, in a channel, or both", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["chat:1"], { user: "ann" });
  await using again = await connect(server, [], { user: "ann" });
  await using bob = await connect(server, ["chat:1"], { user: "bob" });
  const ids = async (path: string) =>
    (await get(server, path)).body.sessions.map(({ id }: { id: string }) => id);
  const sorted = (...pages: SessionClient[]) => pages.map(({ session }) => session).sort();
  assertEquals(await ids("/api/sessions?user=ann"), sorted(ann, again));
  assertEquals(await ids("/api/users/ann/sessions"), sorted(ann, again));
  assertEquals(await ids("/api/sessions?channel=chat%3A1"), sorted(ann, bob));
  assertEquals(await ids("/api/sessions?channel=/chat:1&user=ann"), sorted(ann));
  assertEquals(await ids("/api/sessions?channel=%2Fall"), sorted(ann, again, bob));
  assertEquals(await ids("/api/sessions?channel=nowhere"), []);
  assertEquals(await ids("/api/users/nobody/sessions"), []);
});

Deno.test("the control API's pages hold what stays, while sessions come and go", async () => {
  await using server = await startTestServer(CONFIG);
  const staying = await Promise.all(Array.from({ length: 25 }, () => connect(server)));
  const passing: SessionClient[] = [];
  const seen: string[] = [];
  for (let path = "/api/sessions?limit=10";;) {
    const { body: { sessions, next } } = await get(server, path);
    seen.push(...sessions.map(({ id }: { id: string }) => id));
    if (next === null) break;
    for (const page of passing.splice(0)) await page.close();
    passing.push(...await Promise.all(Array.from({ length: 5 }, () => connect(server))));
    path = `/api/sessions?limit=10&cursor=${next}`;
  }
  assertEquals(new Set(seen).size, seen.length);
  assertEquals(seen, [...seen].sort());
  assertEquals(staying.filter(({ session }) => !seen.includes(session)), []);
  for (const page of [...staying, ...passing]) await page.close();
});

Deno.test("the control API puts a session into a channel, whatever its rule, and takes it out", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["small"]);
  await using bob = await connect(server);
  const at = (page: SessionClient, what: string) => `/api/sessions/${page.session}/${what}`;
  const into = (page: SessionClient, channel: string, more = {}) =>
    post(server, at(page, "subscribe"), { channel, ...more });
  assertEquals((await into(ann, "/closed:1")).body, { changed: true });
  assertEquals((await into(ann, "closed:1")).body, { changed: false });
  await server.send({ channel: "closed:1", data: 1 });
  assertEquals(await ann.nextData(), 1);

  assertEquals((await into(ann, "chat:1", { info: { name: "Ann" } })).status, 200);
  const { members } = (await get(server, "/api/channels/chat:1/presence")).body;
  assertEquals(members, [{ session: ann.session, user: null, info: { name: "Ann" } }]);

  const out = () => post(server, at(ann, "unsubscribe"), { channel: "closed:1" });
  assertEquals((await out()).body, { changed: true });
  const told = await ann.next((frame) => "unsubscribed" in frame) as {
    channel: string;
    unsubscribed: { code: string };
  };
  assertEquals([told.channel, told.unsubscribed.code], ["closed:1", "revoked"]);
  assertEquals((await out()).body, { changed: false });

  assertEquals(refusal(await into(bob, "small")), [409, "channel_full"]);
  assertEquals(refusal(await into(bob, "x", { info: "x".repeat(1100) })), [413, "too_large"]);
  assertEquals(refusal(await post(server, "/api/sessions/none/subscribe", { channel: "x" })), [
    404,
    "unknown_session",
  ]);
  assertEquals(refusal(await post(server, "/api/sessions/none/unsubscribe", { channel: "x" })), [
    404,
    "unknown_session",
  ]);
});

Deno.test("the control API sends a session away, and tells it why and whether to come back", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server);
  await using bob = await connect(server);
  const away = (page: SessionClient, body: unknown) =>
    post(server, `/api/sessions/${page.session}/disconnect`, body);
  assertEquals((await away(ann, { reason: "grüß Gott" })).body, { disconnected: 1 });
  const bye = await ann.next((frame) => "bye" in frame) as { bye: Record<string, unknown> };
  assertEquals([bye.bye.reason, bye.bye.reconnect], ["grüß Gott", false]);
  assertEquals((await ann.ended).code, 3500);
  assertEquals((await away(bob, { reconnect: true })).body, { disconnected: 1 });
  const { code } = await bob.ended;
  assert(code >= 3000 && code < 3500, `a client that sees ${code} comes back`);
  assertEquals(refusal(await away(ann, {})), [404, "unknown_session"]);
  assertEquals((await get(server, "/api/sessions")).body.sessions, []);
});

Deno.test("the control API sends all of a user's sessions away, between two polls as well", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["x"], { user: "ann" });
  await using absent = await connect(server, ["x"], { user: "ann" });
  await using bob = await connect(server, ["x"], { user: "bob" });
  absent.dropTransport();
  await eventually(async () => {
    const { body } = await get(server, `/api/sessions/${absent.session}`);
    return body.transport === null ? true : undefined;
  }, "a session without a transport");
  assertEquals((await post(server, "/api/users/ann/disconnect")).body, { disconnected: 2 });
  assertEquals((await ann.ended).code, 3500);
  const { body: { sessions } } = await get(server, "/api/sessions");
  assertEquals(sessions.map(({ id }: { id: string }) => id), [bob.session]);
  assertEquals((await get(server, "/api/channels/x")).body.subscribers, 1);
  assertEquals((await post(server, "/api/users/ann/disconnect")).body, { disconnected: 0 });
});

// Channels

Deno.test("the control API lists channels by pattern, page by page", async () => {
  await using server = await startTestServer(CONFIG);
  await using _ann = await connect(server, ["chat:1", "chat:2", "chat:2:x", "news"]);
  await using _bob = await connect(server, ["chat:1"]);
  await server.send({ channel: "chat:left", data: 1 });
  const { body } = await get(server, "/api/channels");
  const kept = { history: true, presence: true };
  const none = { history: false, presence: false };
  assertEquals(body, {
    channels: [
      { name: "chat:1", subscribers: 2, ...kept },
      { name: "chat:2", subscribers: 1, ...kept },
      { name: "chat:2:x", subscribers: 1, ...kept },
      { name: "chat:left", subscribers: 0, ...kept },
      { name: "news", subscribers: 1, ...none },
    ],
    next: null,
  });
  const names = async (query: string) => {
    const { channels, next } = (await get(server, `/api/channels?${query}`)).body;
    return [channels.map(({ name }: { name: string }) => name), next] as const;
  };
  assertEquals(await names("pattern=chat:*"), [["chat:1", "chat:2", "chat:left"], null]);
  assertEquals(await names("pattern=none"), [[], null]);
  const [first, next] = await names("limit=2");
  assertEquals(first, ["chat:1", "chat:2"]);
  assertEquals(await names(`limit=3&cursor=${next}`), [["chat:2:x", "chat:left", "news"], null]);
});

Deno.test("the control API finds a channel by its name, whatever is in that", async () => {
  await using server = await startTestServer({ ...CONFIG, channel: [{ pattern: "**" }] });
  const names = [
    "a/b",
    "/a/b".slice(1),
    "a:b",
    "100%",
    "%2F",
    "a b",
    "grüße/€",
    "a?b#c",
    "..",
    "/x",
  ];
  await using _page = await connect(server, names);
  for (const name of names) {
    // `..` would be taken for a step up: the slash that is not part of a name keeps it.
    const path = `/api/channels/${encodeURIComponent(name === ".." ? "/.." : name)}`;
    const { status, body } = await get(server, path);
    assertEquals([status, body.name, body.subscribers], [200, name.replace(/^\//, ""), 1], name);
  }
  assertEquals((await get(server, `/api/channels/${encodeURIComponent("//x")}`)).status, 404);
});

Deno.test("the control API shows a channel's rule, and what it keeps", async () => {
  await using server = await startTestServer(CONFIG);
  await using _ann = await connect(server, ["chat:1", "news"]);
  await server.send({ channel: "chat:1", data: "grüße" }, { channel: "chat:1", data: 2 });
  const { body: { history, ...chat } } = await get(server, "/api/channels/chat:1");
  assertEquals(chat, {
    name: "chat:1",
    rule: {
      authorize: "open",
      publish: "app",
      history: { size: 10, ttl: 300 },
      presence: { names: 100 },
      slow: "close",
      max_subscribers: null,
    },
    subscribers: 1,
    presence: { count: 1 },
  });
  assertEquals([history.offset, history.size, history.bytes > 8], [2, 2, true]);
  const news = (await get(server, "/api/channels/news")).body;
  assertEquals([news.history, news.presence, news.rule.history], [null, null, null]);
  assertEquals(refusal(await get(server, "/api/channels/nowhere")), [404, "unknown_channel"]);
  assertEquals(refusal(await get(server, "/api/channels/news/history")), [404, "no_history"]);
  assertEquals(refusal(await get(server, "/api/channels/news/presence")), [404, "no_presence"]);
});

Deno.test("the control API gives a channel's messages in pages, and forgets them", async () => {
  await using server = await startTestServer(CONFIG);
  const at = "/api/channels/chat:1/history";
  assertEquals((await get(server, at)).body, { epoch: null, offset: 0, messages: [], next: null });
  for (let n = 1; n <= 12; n++) {
    await server.send({ channel: "chat:1", data: { n, "<": "\u2028" } });
  }
  const page = async (query = "") => {
    const { epoch, offset, messages, next } = (await get(server, at + query)).body;
    assertEquals([typeof epoch, offset], ["string", 12]);
    for (const { offset, time, data } of messages) {
      assertEquals(data, { n: offset, "<": "\u2028" });
      assert(Math.abs(Date.now() - Date.parse(time)) < 60_000, time);
    }
    return [messages.map(({ offset }: { offset: number }) => offset), next];
  };
  assertEquals(await page(), [[3, 4, 5, 6, 7, 8, 9, 10, 11, 12], null]);
  assertEquals(await page("?limit=2"), [[11, 12], null]);
  assertEquals(await page("?limit=4&since=0"), [[3, 4, 5, 6], 6]);
  assertEquals(await page("?limit=4&since=6"), [[7, 8, 9, 10], 10]);
  assertEquals(await page("?limit=4&since=10"), [[11, 12], null]);
  assertEquals(await page("?since=99"), [[], null]);
  assertEquals((await call(server, "DELETE", at)).body, { cleared: 10 });
  assertEquals((await call(server, "DELETE", at)).body, { cleared: 0 });
  assertEquals(await page("?since=0"), [[], null]);
  assertEquals((await call(server, "DELETE", "/api/channels/news/history")).status, 404);
});

Deno.test("the control API's pages of history are bounded by their length, too", async () => {
  await using server = await startTestServer(CONFIG);
  const data = "x".repeat(60_000);
  for (let n = 0; n < 10; n++) await server.send({ channel: "chat:1", data });
  const offsets = ({ body }: Answered) =>
    body.messages.map(({ offset }: { offset: number }) => offset);
  const first = await get(server, "/api/channels/chat:1/history?since=0");
  assertEquals([offsets(first), first.body.next], [[1, 2, 3, 4, 5, 6, 7, 8], 8]);
  const rest = await get(server, "/api/channels/chat:1/history?since=8");
  assertEquals([offsets(rest), rest.body.next], [[9, 10], null]);
  const newest = await get(server, "/api/channels/chat:1/history");
  assertEquals([offsets(newest), newest.body.next], [[3, 4, 5, 6, 7, 8, 9, 10], null]);
});

// Watching

/** Reads the frames of a watched channel. */
async function watch(address: Address, channel: string) {
  const path = `/api/channels/${encodeURIComponent(channel)}/tail`;
  const exchange = await request(address, path, { headers: BEARER });
  const head = await exchange.head();
  let text = "";
  return {
    ...head,
    [Symbol.dispose]: () => exchange.cut(),
    /** The next frame, or `null` at the end. */
    async next() {
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const event = text.slice(0, end);
          text = text.slice(end + 2);
          if (event.startsWith("data: ")) return JSON.parse(event.slice("data: ".length));
          continue;
        }
        const part = await within(exchange.read(), "an event");
        if (part === null) return null;
        text += part;
      }
    },
  };
}

Deno.test("the control API lets watch a channel, whatever its rule, and counts nobody for it", async () => {
  const server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["chat:1"]);
  {
    using chat = await watch(server, "chat:1");
    using closed = await watch(server, "/closed:1");
    using small = await watch(server, "small");
    assertEquals([chat.status, chat.headers.get("content-type")], [200, "text/event-stream"]);
    assertEquals(small.status, 200);
    assertEquals((await get(server, "/api/channels/chat:1")).body.subscribers, 1);
    assertEquals((await get(server, "/api/channels/chat:1/presence")).body.count, 1);
    assertEquals((await get(server, "/api/channels/closed:1")).status, 404);
    assertEquals((await get(server, "/api/sessions")).body.sessions.length, 1);
    const names = (await get(server, "/api/channels")).body.channels;
    assertEquals(names.map(({ name }: { name: string }) => name), ["chat:1"]);
    await using bob = await connect(server, ["small"]);
    assertEquals((bob.connected!.subscribed.small as { error?: unknown }).error, undefined);

    assertEquals(await server.send({ channel: "chat:1", data: { a: "\n" } }), 1);
    await server.send({ channel: "chat:1", data: 2, except: ann.session });
    assertEquals(await server.send({ channel: "closed:1", data: 3 }), 0);
    assertEquals(await chat.next(), { channel: "chat:1", data: { a: "\n" }, offset: 1 });
    assertEquals(await chat.next(), { channel: "chat:1", data: 2, offset: 2 });
    assertEquals(await closed.next(), { channel: "closed:1", data: 3 });
    // Who comes and goes is no watcher's business, and nobody was told of the watchers.
    assertEquals(ann.log.filter((frame) => "join" in frame && frame.join.length > 1), []);

    const stopping = server.shutdown();
    assertEquals((await chat.next()).bye.reason, "shutdown");
    assertEquals(await chat.next(), null);
    await stopping;
  }
});

Deno.test("the control API forgets a watcher who goes", async () => {
  await using server = await startTestServer(CONFIG);
  const stats = async () => (await get(server, "/api/stats")).body.hub.sessionsEnded;
  {
    using _chat = await watch(server, "chat:1");
  }
  await eventually(async () => {
    // Deno finds out that nobody reads when it writes.
    await server.send({ channel: "chat:1", data: 1 });
    return await stats() > 0 ? true : undefined;
  }, "the end of a watch");
});

Deno.test("the control API refuses to watch everyone's channel, and more than 100 at once", async () => {
  await using server = await startTestServer(CONFIG);
  assertEquals((await get(server, "/api/channels/%2Fall/tail")).status, 400);
  const watches = await Promise.all(Array.from({ length: 100 }, () => watch(server, "chat:1")));
  assertEquals(refusal(await get(server, "/api/channels/chat:1/tail")), [503, "full"]);
  for (const each of watches) each[Symbol.dispose]();
});

// Who may

Deno.test("the control API lets in by a key or a signature, and by nothing else", async () => {
  await using server = await startTestServer({
    ...CONFIG,
    legacy: { secret: "ThisIsSecret", from: ["loopback"] },
  });
  const withHeaders = (headers: RequestOptions["headers"], method = "GET", body?: string) =>
    call(server, method, method === "GET" ? "/api/stats" : "/api/users/x/disconnect", {
      headers: headers ?? {},
      ...(body !== undefined && { body }),
    });
  assertEquals((await withHeaders({})).status, 200);
  assertEquals((await withHeaders(signed(""))).status, 200);
  assertEquals((await withHeaders(signed("{}"), "POST", "{}")).status, 200);
  const strangers = [
    withHeaders({ authorization: null }),
    withHeaders({ authorization: "Bearer chk_wrong" }),
    withHeaders(signed("", { atMs: Date.now() - 301_000 })),
    withHeaders(signed("{ }"), "POST", "{}"),
    withHeaders({ authorization: null }, "POST", '{"data":"x","sig":"0"}'),
  ];
  for (const answer of await Promise.all(strangers)) {
    assertEquals(refusal(answer), [401, "unauthorized"]);
    assertEquals(answer.headers.get("www-authenticate"), "Bearer");
  }
  const nothing = await call(server, "GET", "/api/none", { headers: { authorization: null } });
  assertEquals(nothing.status, 401);
});

Deno.test("the control API is open to this machine where no key is set, but not to other pages", async () => {
  await using server = await startTestServer();
  const status = async (headers: RequestOptions["headers"]) =>
    (await call(server, "GET", "/api/stats", { headers: { authorization: null, ...headers } }))
      .status;
  assertEquals(await status({}), 200);
  for (
    const headers of [
      { host: "rebound.example" },
      { origin: "https://other.example" },
      { "sec-fetch-site": "cross-site" },
      { "x-forwarded-for": "192.0.2.1" },
    ] as const
  ) assertEquals(await status(headers), 401, JSON.stringify(headers));
});

Deno.test("a signature is good for the request that it came with first, and for that again", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, [], { user: "ann" });
  await using bob = await connect(server, [], { user: "bob" });
  const id = "req_1";
  const headers = signed("{}", { id });
  const of = (user: string) => `/api/users/${user}/disconnect`;
  const first = await call(server, "POST", of("ann"), { body: "{}", headers });
  assertEquals(first.body, { disconnected: 1 });
  assertEquals((await ann.ended).code, 3500);
  // The same again is not done again: it gets the first answer.
  await using _again = await connect(server, [], { user: "ann" });
  const same = await call(server, "POST", of("ann"), { body: "{}", headers });
  assertEquals(same.body, { disconnected: 1 });
  assertEquals(same.headers.get("content-type"), "application/json");
  assertEquals((await get(server, "/api/users/ann/sessions")).body.sessions.length, 1);
  for (
    const other of [
      call(server, "POST", of("bob"), { body: "{}", headers }),
      call(server, "POST", `${of("ann")}?x=1`, { body: "{}", headers }),
      call(server, "POST", of("ann"), { body: "{ }", headers: signed("{ }", { id }) }),
      call(server, "GET", "/api/sessions", { headers: signed("", { id }) }),
    ]
  ) assertEquals(refusal(await other), [409, "conflict"]);
  assertEquals((await get(server, `/api/sessions/${bob.session}`)).status, 200);
});

Deno.test("a signed GET is answered anew, and good for no DELETE", async () => {
  await using server = await startTestServer(CONFIG);
  await server.send({ channel: "chat:1", data: 1 });
  const at = "/api/channels/chat:1/history";
  const headers = signed("");
  const size = async () => (await call(server, "GET", at, { headers })).body.messages.length;
  assertEquals(await size(), 1);
  await server.send({ channel: "chat:1", data: 2 });
  assertEquals(await size(), 2);
  assertEquals(refusal(await call(server, "DELETE", at, { headers })), [409, "conflict"]);
  const once = signed("");
  assertEquals((await call(server, "DELETE", at, { headers: once })).body, { cleared: 2 });
  await server.send({ channel: "chat:1", data: 3 });
  assertEquals((await call(server, "DELETE", at, { headers: once })).body, { cleared: 2 });
  assertEquals(await size(), 1);
});

Deno.test("a refused request binds its id all the same, and may succeed when it comes again", async () => {
  await using server = await startTestServer(CONFIG);
  const headers = signed("{}");
  await using ann = await connect(server);
  const of = (session: string) => `/api/sessions/${session}/disconnect`;
  const ask = (session: string) => call(server, "POST", of(session), { body: "{}", headers });
  assertEquals((await ask("none")).status, 404);
  assertEquals((await ask(ann.session)).status, 409);
  assertEquals((await ask("none")).status, 404);
});

Deno.test("what was signed for /send, or by Chloe for the app, does nothing here", async () => {
  await using server = await startTestServer(CONFIG);
  await server.send({ channel: "chat:1", data: 1 });
  const at = "/api/channels/chat:1/history";
  for (
    const body of [
      '{"data":"hello"}',
      '{"type":"message","session":"s","user":null,"seq":1,"boot":"b","time":"t","data":"x"}',
    ]
  ) {
    const headers = signed(body);
    const posted = await call(server, "POST", "/api/users/ann/disconnect", { body, headers });
    assertEquals(posted.status, 400);
    const deleted = await call(server, "DELETE", at, { body, headers: signed(body) });
    assertEquals(deleted.status, 400);
  }
  assertEquals((await get(server, at)).body.messages.length, 1);
});

// Bad input

Deno.test("the control API refuses bad input, and names what is wrong", async () => {
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["x"]);
  const one = `/api/sessions/${ann.session}`;
  const long = "x".repeat(201);
  const cases: [method: string, path: string, body: unknown, status: number, words: string][] = [
    ["GET", "/api/sessions?limit=0", undefined, 400, "limit: "],
    ["GET", "/api/sessions?limit=1001", undefined, 400, "limit: "],
    ["GET", "/api/sessions?limit=1.5", undefined, 400, "limit: "],
    ["GET", "/api/sessions?limit=", undefined, 400, "limit: "],
    ["GET", "/api/sessions?limit=1&limit=2", undefined, 400, "limit: "],
    ["GET", "/api/sessions?cursor=x", undefined, 400, "cursor: "],
    ["GET", "/api/sessions?cursor=", undefined, 400, "cursor: "],
    ["GET", `/api/sessions?cursor=${"x".repeat(5000)}`, undefined, 400, "cursor: "],
    ["GET", "/api/sessions?chanel=x", undefined, 400, '"chanel": '],
    ["GET", "/api/sessions?user=", undefined, 400, "user: "],
    ["GET", "/api/sessions?channel=%20", undefined, 400, "channel: "],
    ["GET", `/api/sessions/${long}`, undefined, 400, "session: "],
    ["GET", `/api/users/${long}/sessions`, undefined, 400, "user: "],
    ["GET", "/api/channels?pattern=***", undefined, 400, "pattern: "],
    ["GET", "/api/channels?pattern=", undefined, 400, "pattern: "],
    ["GET", `/api/channels/${long}`, undefined, 400, "channel: "],
    ["GET", "/api/channels/%0A", undefined, 400, "channel: "],
    ["GET", "/api/channels/%ff", undefined, 400, "path: "],
    ["GET", "/api/channels/100%", undefined, 400, "path: "],
    ["GET", "/api/channels/chat:1/history?since=-1", undefined, 400, "since: "],
    ["GET", "/api/channels/chat:1/history?since=x", undefined, 400, "since: "],
    ["GET", "/api/channels/chat:1/history?since=1e99", undefined, 400, "since: "],
    ["POST", `${one}/subscribe`, {}, 400, "channel: "],
    ["POST", `${one}/subscribe`, { channel: 1 }, 400, "channel: "],
    ["POST", `${one}/subscribe`, { channel: "/all" }, 400, "channel: "],
    ["POST", `${one}/subscribe`, { channel: long }, 400, "channel: "],
    ["POST", `${one}/subscribe`, { channel: "y", inf: 1 }, 400, '"inf": '],
    ["POST", `${one}/subscribe`, '{"channel":"y","__proto__":1}', 400, '"__proto__": '],
    ["POST", `${one}/subscribe`, [], 400, "body: "],
    ["POST", `${one}/subscribe`, "null", 400, "body: "],
    ["POST", `${one}/subscribe`, "{", 400, "body: "],
    ["POST", `${one}/subscribe`, "", 400, "body: "],
    ["POST", `${one}/disconnect`, { reconnect: "yes" }, 400, "reconnect: "],
    ["POST", `${one}/disconnect`, { reason: 1 }, 400, "reason: "],
    ["POST", `${one}/disconnect`, { reason: "ä".repeat(62) }, 400, "reason: "],
    ["POST", `${one}/disconnect`, { why: 1 }, 400, '"why": '],
    ["POST", `${one}/disconnect`, { reason: "x".repeat(66_000) }, 413, "body: "],
    ["DELETE", "/api/channels/chat:1/history", {}, 400, "body: "],
    ["GET", "/api/none", undefined, 404, ""],
    ["GET", "/api", undefined, 404, ""],
    ["GET", "/api/sessions/", undefined, 404, ""],
    ["POST", "/api/sessions", {}, 405, ""],
    ["GET", `${one}/disconnect`, undefined, 405, ""],
    ["PUT", "/api/channels/x", {}, 405, ""],
    ["OPTIONS", "/api/stats", undefined, 405, ""],
    ["POST", "/api/docs", {}, 405, ""],
  ];
  for (const [method, path, body, status, words] of cases) {
    const answer = await call(server, method, path, body === undefined ? {} : { body });
    const what = `${method} ${path.slice(0, 80)} ${JSON.stringify(answer.body)}`;
    assertEquals(answer.status, status, what);
    assert(answer.body.error.message.startsWith(words), what);
    assertEquals(typeof answer.body.error.retry, "boolean");
    assertEquals(answer.headers.get("cache-control"), "no-store", what);
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", null]) {
    const headers = { "content-type": type };
    const answer = await call(server, "POST", `${one}/disconnect`, { body: "{}", headers });
    assertEquals(refusal(answer), [415, "unsupported_media_type"]);
  }
  const id = { "webhook-id": "x".repeat(201) };
  assertEquals((await call(server, "GET", "/api/stats", { headers: id })).status, 400);
  const head = await ask(server, "/api/channels/x/tail", { method: "HEAD", headers: BEARER });
  assertEquals([head.status, head.headers.get("allow")], [405, "GET"]);
  const wrong = await call(server, "PUT", "/api/channels/chat:1/history");
  assertEquals(wrong.headers.get("allow"), "GET, DELETE");
  // All of that did nothing.
  assertEquals((await get(server, one)).body.channels, ["x"]);
});

// The document

Deno.test("/api/docs is one page that takes nothing from elsewhere and runs nothing", async () => {
  await using server = await startTestServer(CONFIG);
  const { status, headers, text } = await ask(server, "/api/docs");
  assertEquals([status, headers.get("content-type")], [200, "text/html; charset=utf-8"]);
  assertStringIncludes(headers.get("content-security-policy")!, "default-src 'none'");
  assert(!headers.get("content-security-policy")!.includes("unsafe"));
  assert(!/<script|\son[a-z]+=|\sstyle=|javascript:|<img|<link|@import|url\(/i.test(text));
  assert(!/(src|href)="(?![#/])/.test(text));
  const { paths } = JSON.parse((await ask(server, "/api/openapi.json")).text);
  for (const [path, operations] of Object.entries<Record<string, { summary: string }>>(paths)) {
    const shown = path.replaceAll("/", "/<wbr>");
    for (const [method, { summary }] of Object.entries(operations)) {
      assertStringIncludes(text, `<h3>${summary.replaceAll("'", "&#39;")}</h3>`);
      assertStringIncludes(text, `${method.toUpperCase()}</b> <code>${shown}</code>`);
    }
  }
});

Deno.test("a browser may style /api/docs as its policy says", async () => {
  await using server = await startTestServer(CONFIG);
  const { headers, text } = await ask(server, "/api/docs");
  const [, style] = /<style>([^]*?)<\/style>/.exec(text)!;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
  assertStringIncludes(headers.get("content-security-policy")!, `style-src 'sha256-${hash}'`);
});

Deno.test("docs/http-api.md has curl lines that do what they say", async () => {
  const docs = await Deno.readTextFile(new URL("../docs/http-api.md", import.meta.url));
  const section = docs.slice(docs.indexOf("## The control API"));
  const commands = codeBlocks(section).filter(({ language }) => language === "bash")
    .flatMap(({ text }) => text.replaceAll(/\s*\\\n\s*/g, " ").split("\n"))
    .filter((line) => line.startsWith("curl"));
  assertEquals(commands.length, 2);
  await using server = await startTestServer(CONFIG);
  await using ann = await connect(server, ["chat:1", "news"], { user: "ann" });
  const answers = [];
  for (const command of commands) {
    const text = command.replace("chk_...", KEY).replace("http://localhost:8901", server.url);
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", `${text} --silent --noproxy '*'`],
      stderr: "null",
    }).output();
    answers.push(JSON.parse(new TextDecoder().decode(stdout)));
  }
  const [{ channels }, done] = answers;
  assertEquals(channels.map(({ name }: { name: string }) => name), ["chat:1"]);
  assertEquals(done, { disconnected: 1 });
  assertEquals(await ann.ended, { code: 3500, text: "signed out" });
});
