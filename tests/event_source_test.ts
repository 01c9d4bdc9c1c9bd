/**
 * The plain event stream, as a browser's own `EventSource` or curl sees it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type JWTPayload, SignJWT } from "jose";
import { events, type StreamEvent } from "./support/carriers.ts";
import { TestEventSource } from "./support/event_source.ts";
import { type Exchange, request } from "./support/http.ts";
import { json, MisbehavingApp, silent, status } from "./support/misbehaving_app.ts";
import { type ConfigFile, startTestServer, type TestServer } from "./support/server.ts";
import { eventually, within } from "./support/within.ts";

/** The next events of a stream. */
async function take(stream: Exchange, count: number): Promise<StreamEvent[]> {
  const taken: StreamEvent[] = [];
  const all = events(stream);
  while (taken.length < count) {
    taken.push((await within(all.next(), "an event")).value!);
  }
  return taken;
}

Deno.test("EventSource: the answer is a stream that nobody keeps, and says when to come back", async () => {
  await using server = await startTestServer();
  using stream = await request(server, "/chloe/events?channel=news");
  const { status, headers } = await stream.head();
  assertEquals([status, headers.get("content-type")], [200, "text/event-stream"]);
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(headers.get("x-accel-buffering"), "no");
  assertMatch((await stream.read())!, /^retry: [2-4]\d{3}\n\n$/);
});

Deno.test("EventSource: events of one channel have no name, those to everyone are called /all", async () => {
  await using server = await startTestServer();
  using stream = await request(server, "/chloe/events?channel=news");
  await stream.head();
  await server.send({ channel: "news", data: "one" }, { data: "two" });
  assertEquals(await take(stream, 2), [
    { event: "message", data: "one" },
    { event: "/all", data: "two" },
  ]);
});

Deno.test("EventSource: events of several channels are called by their channel", async () => {
  await using server = await startTestServer();
  using stream = await request(server, "/chloe/events?channel=a&channel=/b&channel=a%20c");
  await stream.head();
  await server.send({ channel: "a", data: 1 }, { channel: "b", data: [2] }, {
    channel: "a c",
    data: "3\n4",
  });
  assertEquals(await take(stream, 3), [
    { event: "a", data: "1" },
    { event: "b", data: "[2]" },
    { event: "a c", data: "3\n4" },
  ]);
});

Deno.test("EventSource: a channel that is asked for twice brings its messages once", async () => {
  await using server = await startTestServer();
  using stream = await request(server, "/chloe/events?channel=a&channel=/a");
  await stream.head();
  assertEquals(await server.send({ channel: "a", data: 1 }), 1);
  await server.send({ channel: "a", data: 2 });
  assertEquals((await take(stream, 2)).map(({ data }) => data), ["1", "2"]);
});

Deno.test("EventSource: curl, which sends no Origin and takes anything, is served too", async () => {
  await using server = await startTestServer();
  using stream = await request(server, "/chloe/events?channel=news", {
    headers: { accept: "*/*", "user-agent": "curl/8", "accept-encoding": "gzip, br" },
  });
  assertEquals((await stream.head()).headers.get("content-encoding"), undefined);
  await server.send({ channel: "news", data: "hello" });
  assertEquals((await take(stream, 1))[0]?.data, "hello");
});

// Channels that remember

const HISTORY = { size: 3, ttl: "1h" };
const REMEMBERS: ConfigFile = {
  channel: [
    { pattern: "feed:*", history: HISTORY },
    { pattern: "news" },
  ],
};

async function send(server: TestServer, channel: string, ...data: readonly string[]) {
  await server.send(...data.map((each) => ({ channel, data: each })));
}

Deno.test("EventSource: a reader that comes back is brought what it missed, once and in order", async () => {
  await using server = await startTestServer(REMEMBERS);
  await send(server, "feed:1", "before it came");
  using source = await TestEventSource.open(server, ["feed:1"]);
  await send(server, "feed:1", "one");
  const event = await source.next();
  assertEquals([event?.type, event?.data], ["message", "one"]);
  assertMatch(event!.lastEventId, /^[\w.-]+:2$/);
  source.cut();
  await send(server, "feed:1", "two", "three\nlines\n", "four");
  await source.connect();
  await send(server, "feed:1", "five");
  assertEquals(
    await source.take(4),
    ["message: two", "message: three\nlines\n", "message: four", "message: five"],
  );
});

Deno.test("EventSource: a reader knows where it stands before anything came", async () => {
  await using server = await startTestServer(REMEMBERS);
  using source = await TestEventSource.open(server, ["feed:1"]);
  assertMatch(source.lastEventId, /^[\w.-]+:0$/);
  source.cut();
  await send(server, "feed:1", "one");
  await source.connect();
  assertEquals(await source.take(1), ["message: one"]);
  await source.connect();
  await send(server, "feed:1", "two");
  assertEquals(await source.take(1), ["message: two"], "and what it has does not come again");
});

Deno.test("EventSource: of several channels each is brought what was missed of it", async () => {
  await using server = await startTestServer(REMEMBERS);
  const channels = ["feed:1", "news", "/feed:2"];
  using source = await TestEventSource.open(server, channels);
  assertMatch(source.lastEventId, /^[\w.-]+:0,-,[\w.-]+:0$/);
  await send(server, "feed:2", "a");
  await send(server, "news", "b");
  await send(server, "feed:1", "c");
  assertEquals(await source.take(3), ["feed:2: a", "news: b", "feed:1: c"]);
  source.cut();
  await send(server, "feed:2", "d", "e");
  await send(server, "news", "is not kept");
  await send(server, "feed:1", "f");
  await source.connect();
  assertEquals((await source.take(3)).toSorted(), ["feed:1: f", "feed:2: d", "feed:2: e"]);
  await source.connect();
  await send(server, "news", "g");
  assertEquals(await source.take(1), ["news: g"]);
});

Deno.test("EventSource: a reader that missed too much is told so, and goes on from there", async () => {
  await using server = await startTestServer(REMEMBERS);
  using source = await TestEventSource.open(server, ["feed:1"]);
  source.cut();
  await send(server, "feed:1", "1", "2", "3", "4");
  await source.connect();
  await send(server, "feed:1", "5");
  const gap = `chloe:gap: ${JSON.stringify({ channel: "feed:1" })}`;
  assertEquals(await source.take(2), [gap, "message: 5"]);
  source.cut();
  await send(server, "feed:1", "6");
  await source.connect();
  assertEquals(await source.take(1), ["message: 6"]);
});

Deno.test("EventSource: of several channels those are told of that cannot be recovered", async () => {
  await using server = await startTestServer(REMEMBERS);
  using source = await TestEventSource.open(server, ["feed:1", "feed:2"]);
  source.cut();
  await send(server, "feed:1", "1", "2", "3", "4");
  await send(server, "feed:2", "5");
  await source.connect();
  const gap = `chloe:gap: ${JSON.stringify({ channel: "feed:1" })}`;
  assertEquals((await source.take(2)).toSorted(), [gap, "feed:2: 5"]);
  await source.connect();
  await send(server, "feed:1", "6");
  assertEquals(await source.take(1), ["feed:1: 6"]);
});

Deno.test("EventSource: a position of another server, or of the future, is a gap", async () => {
  await using server = await startTestServer(REMEMBERS);
  using source = await TestEventSource.open(server, ["feed:1"]);
  const { lastEventId } = source;
  for (const id of ["elsewhere:0", lastEventId.replace(/0$/, "7")]) {
    source.lastEventId = id;
    await source.connect();
    assertEquals(await source.take(1), [`chloe:gap: ${JSON.stringify({ channel: "feed:1" })}`], id);
    assertEquals(source.lastEventId, lastEventId, "it stands where the channel does");
  }
});

Deno.test("EventSource: an id that Chloe never gave is passed over", async () => {
  await using server = await startTestServer(REMEMBERS);
  using source = new TestEventSource(server, ["feed:1"]);
  for (const id of ["7", "a:-1", "a:1.5", "a:b:1", "-", ",", "a:1,a:1", "x".repeat(5000), "é:1"]) {
    source.lastEventId = id;
    assertEquals((await source.connect()).status, 200, id);
    await send(server, "feed:1", "one");
    assertEquals(await source.take(1), ["message: one"], id);
  }
});

// Who may listen

const TOKEN_SECRET = "the secret of the tokens of the event source tests";

async function bearer(claims: JWTPayload): Promise<{ readonly authorization: string }> {
  const token = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(TOKEN_SECRET));
  return { authorization: `Bearer ${token}` };
}

const ASKS: ConfigFile = {
  token: { secret: [TOKEN_SECRET] },
  limits: { subscriptions: 3 },
  channel: [
    { pattern: "open:*", history: HISTORY },
    { pattern: "private:*", authorize: "token", history: HISTORY },
    { pattern: "closed:*", authorize: "closed" },
    { pattern: "asked:*", authorize: "app" },
    { pattern: "one:*", max_subscribers: 1 },
  ],
};

Deno.test("EventSource: a refusal has a status, a code, and words", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    ...ASKS,
    app: { url: app.url, timeout: "2s", retry_for: "0s" },
  });
  using _first = await TestEventSource.open(server, ["one:1"]);
  const refused = async (
    channels: readonly string[],
    headers: Readonly<Record<string, string>> = {},
  ) => {
    using source = new TestEventSource(server, channels, headers);
    const { status, text } = await source.connect();
    const { code, message, retry } = JSON.parse(text).error;
    assert(message.length > 10, message);
    return `${status} ${code}${retry ? ", retry" : ""}`;
  };
  assertEquals(await refused([]), "400 bad_channel");
  assertEquals(await refused(["open:1", " "]), "400 bad_channel");
  assertEquals(await refused(["/all"]), "400 bad_channel");
  assertEquals(await refused(["no rule"]), "403 forbidden");
  assertEquals(await refused(["open:1", "closed:1"]), "403 forbidden");
  assertEquals(await refused(["private:1"]), "403 forbidden");
  assertEquals(await refused(["open:1"], { authorization: "Bearer x" }), "401 bad_token");
  assertEquals(await refused(["open:1"], await bearer({ nbf: 1e11 })), "401 bad_token");
  assertEquals(await refused(["open:1"], await bearer({ exp: 1 })), "401 token_expired, retry");
  assertEquals(await refused(["private:1"], await bearer({ sub: "ada" })), "403 forbidden");
  assertEquals(await refused(["one:1"]), "503 channel_full, retry");
  const four = ["open:1", "open:2", "open:3", "open:4"];
  assertEquals(await refused(four), "400 too_many_subscriptions");
  app.behave(status(403));
  assertEquals(await refused(["asked:1"]), "403 forbidden");
  app.behave(silent);
  assertEquals(await refused(["asked:1"]), "503 app_unreachable, retry");
  assertEquals(await server.send({ channel: "open:1", data: 1 }), 0, "nobody was let in half");
});

Deno.test("EventSource: what is refused whoever asks begins no session, of which the app would be told", async () => {
  await using server = await startTestServer({ channel: [{ pattern: "open:*" }] });
  const sessions = async () => {
    using exchange = await request(server, "/api/stats");
    return JSON.parse(await exchange.text()).hub.sessionsOpened;
  };
  const names = Array.from({ length: 51 }, (_, n) => `open:${n}`);
  for (
    const [channels, expected] of [
      [names, "400 too_many_subscriptions"],
      [["open:1", " "], "400 bad_channel"],
      [["open:1", "/all"], "400 bad_channel"],
      [["open:1", "no rule"], "403 forbidden"],
    ] as const
  ) {
    using source = new TestEventSource(server, channels);
    const { status, text } = await source.connect();
    assertEquals(`${status} ${JSON.parse(text).error.code}`, expected);
    assertEquals(await sessions(), 0, expected);
  }
  // Two spellings are one.
  using _source = await TestEventSource.open(server, [...names.slice(1), "/open:1"]);
  assertEquals(await sessions(), 1);
});

Deno.test("EventSource: whom the app admits is in", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({ ...ASKS, app: { url: app.url } });
  app.behave(json({ send: [{ channel: "asked:1", data: "welcome" }] }));
  using source = await TestEventSource.open(server, ["asked:1"]);
  assertEquals(await source.take(1), ["message: welcome"]);
});

Deno.test("EventSource: a place in a channel is free when its reader has gone", async () => {
  await using server = await startTestServer(ASKS);
  for (let n = 0; n < 3; n++) {
    using source = new TestEventSource(server, ["one:1"]);
    await eventually(async () => (await source.connect()).status === 200 || undefined, "a place");
  }
});

Deno.test("EventSource: a token says who reads, and opens what it names", async () => {
  await using server = await startTestServer(ASKS);
  const ada = await bearer({ sub: "ada", channels: ["private:1", "closed:1"] });
  using source = await TestEventSource.open(server, ["closed:1"], ada);
  using several = await TestEventSource.open(server, ["private:1", "open:1"], ada);
  assertEquals(await server.send({ user: "ada", data: "for Ada" }), 2);
  assertEquals(await source.take(1), ["message: for Ada"]);
  assertEquals(await several.take(1), ["message: for Ada"]);
  await send(server, "private:1", "only where it was asked for");
  await send(server, "closed:1", "secret");
  await send(server, "open:1", "public");
  assertEquals(await source.take(1), ["message: secret"]);
  assertEquals(await several.take(2), [
    "private:1: only where it was asked for",
    "open:1: public",
  ]);
});

Deno.test("EventSource: a stream ends with its token, and with the next one nothing is lost", async () => {
  await using server = await startTestServer(ASKS);
  const claims = { sub: "ada", channels: ["private:1"] };
  const ends = await bearer({ ...claims, exp: Date.now() / 1000 + 3 });
  using source = await TestEventSource.open(server, ["private:1"], ends);
  await send(server, "private:1", "one");
  assertEquals(await source.take(1), ["message: one"]);
  assertEquals(await source.next(), null);
  await send(server, "private:1", "two");
  const { status } = await source.connect(await bearer(claims));
  assertEquals(status, 200);
  assertEquals(await source.take(1), ["message: two"]);
});
