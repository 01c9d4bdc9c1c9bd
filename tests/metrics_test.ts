/**
 * What `/metrics` tells of a server that is used, and whom it tells.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { CHLOE_BIN, startChloe } from "./support/chloe_process.ts";
import { TestEventSource } from "./support/event_source.ts";
import { ask, request } from "./support/http.ts";
import { LegacyWebSocketClient } from "./support/legacy_client.ts";
import { scrape, scrapeUntil } from "./support/metrics.ts";
import { json, MisbehavingApp, ok, silent, status } from "./support/misbehaving_app.ts";
import { connectByPoll, poll } from "./support/polls.ts";
import { type ConfigFile, startTestServer, type TestServer } from "./support/server.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { openStalled } from "./support/stalled_reader.ts";
import { RawWebSocket } from "./support/websocket.ts";

const KEY = createApiKey();

function post(server: TestServer, body: string, headers: Record<string, string> = {}) {
  return ask(server, "/send", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}

// What is told

Deno.test("/metrics tells sessions by transport and protocol, and who is in how many channels", async () => {
  await using server = await startTestServer();
  await using socket = new SessionClient(server);
  await using stream = new SessionClient(server);
  await socket.connect("websocket", { subscribe: { news: {}, sport: {} } });
  await stream.connect("events", { subscribe: { news: {} } });
  const polling = await connectByPoll(server);
  using held = await poll(server, polling.resume, 0);
  await connectByPoll(server); // and does not come back
  using _source = await TestEventSource.open(server, ["news"]);
  using legacy = new LegacyWebSocketClient(server);
  await legacy.connect();

  const metrics = await scrapeUntil(
    server,
    (metrics) =>
      metrics.value('chloe_sessions{transport="poll"}') === 1 &&
      metrics.value('chloe_sessions{protocol="1"}') === 1,
    "all sessions",
  );
  const sessions = Object.fromEntries(
    metrics.families.get("chloe_sessions")!.samples.map(({ labels, value }) => {
      return [`${labels.transport} ${labels.protocol}`, value];
    }),
  );
  assertEquals(sessions, {
    "websocket 2": 1,
    "events 2": 1,
    "poll 2": 1,
    "none 2": 1,
    "eventsource plain": 1,
    "legacy-websocket 1": 1,
    "legacy-xhr 1": 0,
    "legacy-jsonp 1": 0,
    "none 1": 0,
  });
  assertEquals(metrics.value("chloe_sessions"), 6);
  assertEquals(metrics.value("chloe_sessions_opened_total"), 6);
  assertEquals(metrics.value("chloe_channels"), 2);
  assertEquals(metrics.value("chloe_subscriptions"), 4);
  assertEquals(metrics.value("chloe_connections"), 5);
  held.cut();
});

for (const transport of TRANSPORTS) {
  Deno.test(`/metrics tells messages and bytes in and out: ${transport}`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    const before = await scrape(server);
    const text = "x".repeat(1000);
    for (let n = 1; n <= 3; n++) {
      await server.send({ channel: "news", data: `${n}${text}` });
      await client.nextData();
    }
    assertEquals("ok" in await client.subscribe("y".repeat(100)), true);
    const after = await scrape(server);
    const more = (selector: string) => after.value(selector) - before.value(selector);
    assertEquals(more("chloe_published_messages_total"), 3);
    assertEquals(more("chloe_sent_frames_total"), 4);
    const bytesOut = more("chloe_sent_bytes_total");
    assert(bytesOut > 3000 && bytesOut < 3500, `${bytesOut}`);
    const bytesIn = more("chloe_received_bytes_total");
    assert(bytesIn > 100 && bytesIn < 2000, `${bytesIn}`);
    assert(more("chloe_received_frames_total") >= 1);
    assertEquals(more("chloe_fan_out_duration_seconds_count"), 3);
    assertEquals(more('chloe_fan_out_duration_seconds_bucket{le="+Inf"}'), 3);
    assert(more("chloe_fan_out_duration_seconds_sum") > 0);
    assertEquals(more("chloe_flush_messages_sum"), 3);
    assertEquals(more("chloe_flush_sessions_sum"), 3);
    assertEquals(more("chloe_send_messages_total"), 3);
    assertEquals(more('chloe_send_requests_total{status="200"}'), 3);
    await client.close();
  });
}

Deno.test("/metrics tells a resume, and one that could not be", async () => {
  await using server = await startTestServer();
  await using client = new SessionClient(server);
  await client.connect("websocket");
  await client.resume("events");
  await using other = new SessionClient(server);
  await other.connect("websocket", { resume: client.secret.replace(/^.{4}/, "AAAA") });
  const metrics = await scrape(server);
  assertEquals(metrics.value("chloe_sessions_resumed_total"), 1);
  assertEquals(metrics.value("chloe_resumes_missed_total"), 1);
  assertEquals(metrics.value('chloe_closes_total{code="3501"}'), 1, "the transport before");
});

Deno.test("/metrics tells closes by code, Chloe's and the browsers'", async () => {
  await using server = await startTestServer();
  const goodbye = await RawWebSocket.open(server, "/chloe/ws");
  await goodbye.send('{"connect":{}}');
  await goodbye.next();
  await goodbye.close(1000);
  using odd = await RawWebSocket.open(server, "/chloe/ws");
  await odd.close(4999);
  using wrong = await RawWebSocket.open(server, "/chloe/ws");
  await wrong.send("no JSON");
  assertEquals((await wrong.closed()).code, 3503);
  const metrics = await scrapeUntil(
    server,
    (metrics) =>
      metrics.value('chloe_peer_closes_total{code="1000"}') === 1 &&
      metrics.value('chloe_peer_closes_total{code="other"}') === 1,
    "two closes",
  );
  assertEquals(metrics.value('chloe_closes_total{code="3503"}'), 1);
  assertEquals(metrics.value("chloe_closes_total"), 1);
  assertEquals(metrics.value('chloe_refused_frames_total{code="bad_frame"}'), 1);
});

Deno.test("/metrics tells what became of what the app was sent, how long it took, and what waits", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    app: { url: app.url, timeout: "60s", retry_for: "60s" },
    shutdown_timeout: "0s",
  });
  await using client = new SessionClient(server);
  await client.connect("websocket");
  app.behave(
    json({ reply: 1, send: [{ no: "data" }] }),
    status(400),
    status(503, { "retry-after": "0" }),
    ok,
    silent,
  );
  assertEquals("ok" in await client.send(1), true);
  assertEquals("error" in await client.send(2), true);
  assertEquals("ok" in await client.send(3), true);
  // The app falls silent: one is under way, and two wait behind it.
  for (const data of [4, 5, 6]) client.command({ send: { data } });
  await app.requests(5);

  const metrics = await scrapeUntil(
    server,
    (metrics) => metrics.value("chloe_relay_queued_events") === 2,
    "two events that wait",
  );
  const of = (result: string) => metrics.value(`chloe_relay_requests_total{result="${result}"}`);
  assertEquals(["ok", "refused", "failed", "timeout", "unreachable"].map(of), [2, 1, 1, 0, 0]);
  assertEquals(metrics.value("chloe_relay_request_duration_seconds_count"), 4);
  assertEquals(metrics.value("chloe_relay_events_accepted_total"), 6);
  assertEquals(metrics.value('chloe_relay_events_total{result="answered"}'), 2);
  assertEquals(metrics.value('chloe_relay_events_total{result="refused"}'), 1);
  assertEquals(metrics.value("chloe_relay_retries_total"), 1);
  assertEquals(metrics.value("chloe_relay_requests_in_flight"), 1);
  assertEquals(metrics.value("chloe_relay_bad_actions_total"), 1);
  assert(metrics.value("chloe_relay_queued_bytes") > 0);
});

for (
  const [result, timeout, isUp] of [["timeout", "10ms", true], [
    "unreachable",
    "60s",
    false,
  ]] as const
) {
  Deno.test(`/metrics tells of an app that does not answer, and what was given up: ${result}`, async () => {
    await using app = MisbehavingApp.start();
    app.behave(silent);
    if (!isUp) await app.down();
    await using server = await startTestServer({ app: { url: app.url, timeout, retry_for: "0s" } });
    await using client = new SessionClient(server);
    await client.connect("websocket");
    assertEquals("error" in await client.send(1), true);
    const metrics = await scrape(server);
    assertEquals(metrics.value(`chloe_relay_requests_total{result="${result}"}`), 1);
    assertEquals(metrics.value("chloe_relay_requests_total"), 1);
    assertEquals(metrics.value('chloe_relay_events_total{result="given_up"}'), 1);
    assertEquals(metrics.value('chloe_refused_frames_total{code="app_unreachable"}'), 1);
  });
}

Deno.test("/metrics tells what /send and /api answered, and who was not let in", async () => {
  const secret = createWebhookSecret();
  await using server = await startTestServer({ api_keys: [KEY], secret: [secret] });
  const key = { authorization: `Bearer ${KEY}` };
  await post(server, '{"data":1}', key);
  await post(server, "{}", key);
  await post(server, '{"data":1}');
  await post(server, '{"data":1}', { authorization: "Bearer wrong" });
  await post(server, '{"data":1}', {
    "webhook-id": "1",
    "webhook-timestamp": "1",
    "webhook-signature": "v1,AAAA",
  });
  await ask(server, "/send", { method: "POST", headers: key, body: "data" });
  await ask(server, "/api/sessions", { headers: key });
  await ask(server, "/api/sessions/none", { headers: key });
  const metrics = await scrape(server);
  const sent = ["200", "400", "401", "415", "503"].map((code) =>
    metrics.value(`chloe_send_requests_total{status="${code}"}`)
  );
  assertEquals(sent, [1, 1, 3, 1, 0]);
  const api = ["200", "404"].map((code) =>
    metrics.value(`chloe_api_requests_total{status="${code}"}`)
  );
  assertEquals(api, [1, 1]);
  const reasons = ["no_key", "bad_key", "stale", "bad_signature"].map((reason) =>
    metrics.value(`chloe_auth_failures_total{reason="${reason}"}`)
  );
  assertEquals(reasons, [1, 1, 1, 0]);
});

Deno.test("/metrics tells refusals of browsers, and the bounds that were reached", async () => {
  await using server = await startTestServer({
    limits: { connections: 2, subscriptions: 1, max_bytes: "256B" },
    token: { secret: ["a secret of users' tokens that has 32 bytes or more"] },
    channel: [
      { pattern: "open:*", max_subscribers: 1 },
      { pattern: "token:*", authorize: "token" },
    ],
  });
  await using one = new SessionClient(server);
  await using other = new SessionClient(server);
  await one.connect("websocket", { subscribe: { "open:1": {} } });
  await other.connect("websocket");
  await ask(server, "/chloe/events?channel=open:1"); // no room
  await ask(server, "/chloe/ws", { headers: { origin: "https://evil.example" } });
  await other.subscribe("open:1");
  await one.subscribe("open:2");
  await other.reply(other.command({ subscribe: { channel: "token:1", token: "none" } }));
  await other.subscribe("token:1");
  other.raw(`{"id":${other.lastId + 1},"send":{"data":"${"x".repeat(300)}"}}`);
  await other.next((frame) => "error" in frame && frame.error.code === "too_large");

  const metrics = await scrape(server);
  const hit = (limit: string) => metrics.value(`chloe_limits_hit_total{limit="${limit}"}`);
  assertEquals(hit("connections"), 1);
  assertEquals(hit("subscriptions"), 1);
  assertEquals(hit("max_subscribers"), 1);
  assertEquals(hit("max_bytes_refused"), 1);
  assertEquals(metrics.value("chloe_origins_refused_total"), 1);
  assertEquals(metrics.value('chloe_tokens_refused_total{code="bad_token"}'), 1);
  const refused = ["forbidden", "channel_full", "too_many_subscriptions", "bad_token"].map((code) =>
    metrics.value(`chloe_subscriptions_refused_total{code="${code}"}`)
  );
  assertEquals(refused, [1, 1, 1, 1]);
  assertEquals(metrics.value("chloe_refused_frames_total"), 5);
  assertEquals(metrics.value("chloe_connections_limit"), 2);
});

Deno.test("/metrics tells of a slow reader while it is slow, and once it is sent away", async () => {
  await using server = await startTestServer();
  await using quick = new SessionClient(server);
  await quick.connect("websocket", { subscribe: { news: {} } });
  using slow = await openStalled("events", server, "news");
  const data = "x".repeat(60_000);
  const publish = async () => {
    const matched = await server.send({ channel: "news", data });
    await quick.nextData();
    quick.acknowledge();
    return matched;
  };
  // The kernel's buffers fill first.
  let metrics = await scrape(server);
  while (metrics.value("chloe_sessions_blocked") === 0) {
    assertEquals(await publish(), 2);
    metrics = await scrape(server);
  }
  assert(metrics.value('chloe_queued_bytes{state="unwritten"}') >= 60_000);
  assert(metrics.value('chloe_queued_bytes{state="unacknowledged"}') > 0);

  while (await publish() === 2);
  metrics = await scrape(server);
  assertEquals(metrics.value("chloe_slow_readers_total"), 1);
  assertEquals(metrics.value('chloe_limits_hit_total{limit="unwritten_bytes_closed"}'), 1);
  assertEquals(metrics.value('chloe_closes_total{code="3008"}'), 1);
  assertEquals(metrics.value("chloe_sessions_blocked"), 0);
  assertEquals(metrics.value("chloe_sessions"), 1);
  // It was told to go, and holds its file until it has read all, or is gone.
  assertEquals(metrics.value("chloe_connections_closing"), 1);
  assertEquals(metrics.value("chloe_connections"), 2);
  slow[Symbol.dispose]();
  await scrapeUntil(
    server,
    (metrics) => metrics.value("chloe_connections_closing") === 0,
    "the end of its connection",
  );
});

Deno.test("/metrics tells what histories keep, and who came back to them", async () => {
  await using server = await startTestServer({
    channel: [{ pattern: "**", history: { size: 2, ttl: "1h" } }],
  });
  await using client = new SessionClient(server);
  await client.connect("websocket", { subscribe: { news: {} } });
  for (const data of [1, 2, 3]) await server.send({ channel: "news", data });
  await client.nextData();
  const { epoch } = client.connected!.subscribed.news as { epoch: string };
  await using other = new SessionClient(server);
  await other.connect("websocket", { subscribe: { news: { epoch, offset: 2 } } });
  await using late = new SessionClient(server);
  await late.connect("websocket", { subscribe: { news: { epoch, offset: 0 } } });
  const metrics = await scrape(server);
  assertEquals(metrics.value("chloe_history_channels"), 1);
  assert(metrics.value("chloe_history_bytes") > 0);
  assertEquals(metrics.value('chloe_recoveries_total{result="recovered"}'), 1);
  assertEquals(metrics.value('chloe_recoveries_total{result="missed"}'), 1);
});

Deno.test("/metrics tells how the process is", async () => {
  await using chloe = await startChloe();
  const address = { hostname: "127.0.0.1", port: chloe.port };
  const metrics = await scrapeUntil(
    address,
    (metrics) => metrics.value("chloe_event_loop_lag_seconds_count") > 0,
    "a sample of the event loop",
  );
  assert(metrics.value("chloe_process_resident_memory_bytes") > 10e6);
  assert(metrics.value("chloe_process_heap_used_bytes") > 1e6);
  assert(metrics.value("chloe_process_cpu_seconds_total") > 0);
  assert(metrics.value("chloe_process_max_fds") > 100);
  // By a shell, where Deno does not let it look: this Chloe may do no more than one that users start.
  if (Deno.build.os === "linux") assert(metrics.value("chloe_process_open_fds") > 3);
  const startedAt = metrics.value("chloe_process_start_time_seconds");
  assert(Math.abs(startedAt - Date.now() / 1000) < 3600);
  const [build] = metrics.families.get("chloe_build_info")!.samples;
  assertMatch(build!.labels.version!, /^\d+\.\d+\.\d+/);
  assertMatch(build!.labels.deno!, /^\d+\.\d+\.\d+/);
  assertEquals(build!.value, 1);
});

Deno.test("/metrics and /api/stats tell the same", async () => {
  await using server = await startTestServer();
  await using client = new SessionClient(server);
  await client.connect("websocket", { subscribe: { news: {} } });
  await server.send({ channel: "news", data: 1 });
  await client.nextData();
  const stats = JSON.parse((await ask(server, "/api/stats")).text);
  const metrics = await scrape(server);
  for (
    const [told, selector] of [
      [stats.sessions, "chloe_sessions"],
      [stats.channels, "chloe_channels"],
      [stats.hub.messagesPublished, "chloe_published_messages_total"],
      [stats.hub.framesOut, "chloe_sent_frames_total"],
      [stats.hub.bytesOut, "chloe_sent_bytes_total"],
      [stats.send.requests, "chloe_send_requests_total"],
      [stats.sessionTotals.subscriptions, "chloe_subscriptions"],
      [stats.server.startedAtSeconds, "chloe_process_start_time_seconds"],
    ]
  ) assertEquals(told, metrics.value(selector), selector);
  assertEquals(metrics.value(`chloe_boot_info{boot="${stats.server.boot}"}`), 1);
});

// Who is told

const PROXIED = { "x-forwarded-for": "192.0.2.7" };
const CROSS_SITE = { "sec-fetch-site": "cross-site" };
const REBOUND = { host: "evil.example" };
const GOOD_KEY = { authorization: `Bearer ${KEY}` };
const BAD_KEY = { authorization: "Bearer chk_of-somebody-else" };

for (
  const { name, config, allowed, refused } of [
    {
      name: "without any key configured",
      config: {},
      allowed: [{}, GOOD_KEY],
      refused: [PROXIED, CROSS_SITE, REBOUND],
    },
    {
      name: "with a key configured",
      config: { api_keys: [KEY] },
      allowed: [{}, GOOD_KEY, { ...GOOD_KEY, ...PROXIED, ...REBOUND }],
      refused: [BAD_KEY, PROXIED, CROSS_SITE, REBOUND],
    },
    {
      name: "where no address may do without a key",
      config: { api_keys: [KEY], metrics: { from: [] } },
      allowed: [GOOD_KEY],
      refused: [{}, BAD_KEY, PROXIED],
    },
    {
      name: "where other addresses may",
      config: { metrics: { from: ["192.0.2.0/24"] } },
      allowed: [],
      refused: [{}, PROXIED],
    },
  ] satisfies {
    name: string;
    config: ConfigFile;
    allowed: Record<string, string>[];
    refused: Record<string, string>[];
  }[]
) {
  Deno.test(`/metrics is told to whom it may, and to nobody else: ${name}`, async () => {
    await using server = await startTestServer(config);
    for (const headers of allowed) {
      const { status, headers: answered, text } = await ask(server, "/metrics", { headers });
      assertEquals(status, 200, JSON.stringify(headers));
      assertEquals(answered.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      assertEquals(answered.get("cache-control"), "no-store");
      assertEquals(answered.has("access-control-allow-origin"), false);
      assertStringIncludes(text, "\nchloe_build_info{");
    }
    for (const headers of refused) {
      const { status, headers: answered, text } = await ask(server, "/metrics", { headers });
      assertEquals([status, answered.get("www-authenticate")], [401, "Bearer"]);
      const { code, message } = JSON.parse(text).error;
      assertEquals(code, "unauthorized");
      assertMatch(message, /api key|api_keys|metrics\.from/, "it says what to do");
      assertEquals(text.includes("chloe_"), false);
    }
  });
}

Deno.test("/metrics can be turned off, and takes nothing but GET", async () => {
  await using off = await startTestServer({ metrics: { enabled: false } });
  assertEquals((await ask(off, "/metrics")).status, 404);
  await using on = await startTestServer();
  const { status, headers } = await ask(on, "/metrics", { method: "POST" });
  assertEquals([status, headers.get("allow")], [405, "GET"]);
  using head = await request(on, "/metrics", { method: "HEAD" });
  assertEquals((await head.head()).status, 200);
});

Deno.test(
  "/metrics goes on while the server shuts down",
  { ignore: CHLOE_BIN !== undefined },
  async () => {
    await using app = MisbehavingApp.start();
    const answered = Promise.withResolvers<void>();
    app.behave(async (connection) => {
      await answered.promise;
      await ok(connection);
    });
    await using server = await startTestServer({
      app: { url: app.url, timeout: "60s" },
      shutdown_timeout: "60s",
    });
    await using client = new SessionClient(server);
    await client.connect("websocket");
    client.command({ send: { data: 1 } });
    await app.requests(1);
    const stopped = server.shutdown();
    assertEquals((await scrape(server)).value("chloe_relay_requests_in_flight"), 1);
    answered.resolve();
    await stopped;
  },
);
