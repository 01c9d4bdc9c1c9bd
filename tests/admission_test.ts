/**
 * Sessions that the app is asked about before they open, and a server that takes no new ones.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Permission } from "../src/hub/commands.ts";
import type { ConnectionClaims } from "../src/protocol/claims.ts";
import { CLOSES } from "../src/protocol/codes.ts";
import type { Connect } from "../src/protocol/frames.ts";
import type { Admission } from "../src/transports/gateway.ts";
import { GatewayRig, type GatewayRigOptions } from "./support/gateway_rig.ts";
import { ask, request } from "./support/http.ts";
import { connectByPoll, poll, post } from "./support/polls.ts";
import { ConnectRefused, SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { RawWebSocket } from "./support/websocket.ts";
import { rulesOf } from "./support/hub_rig.ts";
import { eventually, within } from "./support/within.ts";

/** A question that waits for the test to answer it. */
interface Question {
  readonly id: string;
  readonly connect: Connect;
  readonly userAgent: string | null;
  answer(admission: Admission): void;
}

/** Sockets whose app is the test. */
class AskingRig extends GatewayRig {
  readonly #questions: Question[];
  readonly #asked: (() => void)[];

  constructor(options: GatewayRigOptions = {}) {
    const questions: Question[] = [];
    const asked: (() => void)[] = [];
    super({
      ...options,
      admit(id, peer, connect) {
        const { promise, resolve } = Promise.withResolvers<Admission>();
        const userAgent = peer.headers.get("user-agent");
        questions.push({ id, connect, userAgent, answer: resolve });
        asked.shift()?.();
        return promise;
      },
    });
    this.#questions = questions;
    this.#asked = asked;
  }

  /** The next question. */
  async question(): Promise<Question> {
    if (this.#questions.length === 0) {
      await within(new Promise<void>((resolve) => this.#asked.push(resolve)), "a question");
    }
    return this.#questions.shift()!;
  }
}

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: the app admits a session, names its user, and puts it into channels`, async () => {
    await using rig = new AskingRig();
    await using client = new SessionClient(rig, { headers: { "user-agent": "Test/1" } });
    const connecting = client.connect(transport, { client: "c/1", subscribe: { chat: {} } });
    const { id, connect, userAgent, answer } = await rig.question();
    assertEquals([connect.client, userAgent, rig.hub.sessions.size], ["c/1", "Test/1", 0]);
    answer({ ok: true, user: "ann", channels: ["vip"], data: { hello: "Ann" }, seq: 1 });
    const connected = await connecting;
    assertEquals(connected.session, id);
    assertEquals([connected.data, connected.subscribed], [{ hello: "Ann" }, { vip: {}, chat: {} }]);
    assertEquals(rig.hub.sessions.get(id)?.seq, 1);
    assertEquals(rig.publish("vip", 1), 1);
    assertEquals(rig.hub.publish({ kind: "user", user: "ann" }, "2"), 1);
    assertEquals([await client.nextData(), await client.nextData()], [1, 2]);
  });

  Deno.test(`${transport}: a session that the app refuses is told so, and does not come back`, async () => {
    await using rig = new AskingRig();
    await using client = new SessionClient(rig);
    const connecting = client.connect(transport);
    (await rig.question()).answer({ ok: false, code: "connect_refused" });
    const { code } = await assertRejects(() => connecting, ConnectRefused);
    assertEquals(code, transport === "websocket" ? 3502 : 403);
    assertEquals(rig.hub.sessions.size, 0);
    await rig.allGone();
  });

  Deno.test(`${transport}: a session whose app does not answer may try again`, async () => {
    await using rig = new AskingRig();
    await using client = new SessionClient(rig);
    const connecting = client.connect(transport);
    (await rig.question()).answer({ ok: false, code: "app_unreachable" });
    const { code } = await assertRejects(() => connecting, ConnectRefused);
    assertEquals(code, transport === "websocket" ? 3005 : 503);
    await rig.allGone();
  });

  Deno.test(`${transport}: commands behind connect wait for the app, and are done in order`, async () => {
    await using rig = new AskingRig();
    const lines = [1, 2, 3].map((id) => JSON.stringify({ id, subscribe: { channel: `c${id}` } }));
    if (transport === "websocket") {
      using socket = await RawWebSocket.open(rig, "/chloe/ws");
      await socket.send(`{"connect":{}}\n${lines[0]}`);
      const { answer } = await rig.question();
      await socket.send(lines.slice(1).join("\n"));
      await socket.roundTrip();
      answer({ ok: true });
      const frames: { id?: number }[] = [];
      while (frames.length < 4) {
        const received = await socket.next();
        assert(received.kind === "text");
        frames.push(...received.text.split("\n").map((line) => JSON.parse(line)));
      }
      assertEquals(frames.map(({ id }) => id), [undefined, 1, 2, 3]);
    } else {
      using exchange = await request(rig, `/chloe/${transport}`, {
        method: "POST",
        body: ['{"connect":{}}', ...lines].join("\n"),
      });
      (await rig.question()).answer({ ok: true });
      assertEquals((await exchange.head()).status, 200);
      await eventually(() => Promise.resolve(rig.hub.channels.size === 3 || undefined), "all");
    }
  });

  Deno.test(`${transport}: a page that goes while the app is asked leaves nothing`, async () => {
    await using rig = new AskingRig();
    const client = new SessionClient(rig);
    const connecting = client.connect(transport).catch(() => {});
    const { answer } = await rig.question();
    client.dropTransport();
    await connecting;
    if (transport !== "events") await rig.allGone(); // a stream is noticed once it is answered
    answer({ ok: true, user: "ann", channels: ["vip"] });
    await opened(rig);
    await rig.allGone();
    rig.pass(20_000);
    const { sessions, channels, users, wheel } = rig.hub;
    assertEquals([sessions.size, channels.size, users.size, wheel.size], [0, 0, 0, 0]);
  });

  Deno.test(`${transport}: a session that is resumed is not asked about again`, async () => {
    await using rig = new AskingRig();
    await using client = new SessionClient(rig);
    const connecting = client.connect("poll");
    (await rig.question()).answer({ ok: true });
    await connecting;
    client.dropTransport();
    assertEquals((await client.resume(transport)).resumed, true);
  });
}

Deno.test("EventSource and protocol 1 are asked about like everybody", async () => {
  await using rig = new AskingRig();
  const connect = `data=${escape('{"type":"connect","version":1,"id":1}')}`;
  const asked = [
    ask(rig, "/chloe/events?channel=news"),
    ask(rig, `/chloe/jsonp.js?${connect}`),
    ask(rig, "/chloe/xhr", { method: "POST", body: connect }),
  ];
  for (const _ of asked) (await rig.question()).answer({ ok: false, code: "connect_refused" });
  for (const { status, text } of await Promise.all(asked)) {
    assertEquals([status, JSON.parse(text).error.code], [403, "connect_refused"]);
  }
  using socket = await RawWebSocket.open(rig, "/chloe/websocket");
  (await rig.question()).answer({ ok: false, code: "connect_refused" });
  assertEquals((await socket.closed()).code, 3502);
  assertEquals(rig.hub.sessions.size, 0);
  await rig.allGone();
});

for (const path of ["/chloe/events?channel=news", "/chloe/websocket"]) {
  Deno.test(`${path}: a page that goes while the app is asked leaves nothing`, async () => {
    await using rig = new AskingRig();
    if (path === "/chloe/websocket") {
      using _ = await RawWebSocket.open(rig, path);
      await rig.question().then(({ answer }) => answer({ ok: true }));
    } else {
      using exchange = await request(rig, path);
      const { answer } = await rig.question();
      exchange.cut();
      answer({ ok: true });
    }
    await opened(rig);
    await rig.allGone();
    rig.pass(5000);
    assertEquals([rig.hub.sessions.size, rig.hub.wheel.size], [0, 0]);
  });
}

/** Waits until the first session was opened, whatever became of it. */
async function opened(rig: GatewayRig): Promise<void> {
  const { counters } = rig.hub;
  await eventually(() => Promise.resolve(counters.sessionsOpened > 0 || undefined), "a session");
}

// On its way out

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: a server on its way out takes no new session, and says to come back`, async () => {
    await using rig = new GatewayRig();
    rig.commands.draining = true;
    await using client = new SessionClient(rig);
    const { code } = await assertRejects(() => client.connect(transport), ConnectRefused);
    assertEquals(code, transport === "websocket" ? 3001 : 503);
    await rig.allGone();
  });

  Deno.test(`${transport}: a server on its way out brings its sessions what the app still answers`, async () => {
    await using rig = new GatewayRig();
    await using client = new SessionClient(rig);
    await client.connect(transport, { subscribe: { news: {} } });
    rig.commands.draining = true;
    for (let n = 1; n <= 3; n++) {
      rig.publish("news", n);
      assertEquals(await client.nextData(), n);
    }
    client.dropTransport();
    rig.publish("news", 4);
    assertEquals((await client.resume(transport)).resumed, true);
    assertEquals(await client.nextData(), 4);
  });
}

Deno.test("a server without room for sessions says so on every transport", async () => {
  await using rig = new GatewayRig({ maxSessions: 1 });
  await connectByPoll(rig);
  const connect = `data=${escape('{"type":"connect","version":1,"id":1}')}`;
  const answers = await Promise.all([
    post(rig, "/chloe/events", ['{"connect":{}}']),
    post(rig, "/chloe/poll", ['{"connect":{}}']),
    ask(rig, "/chloe/events?channel=news"),
    ask(rig, `/chloe/jsonp.js?${connect}`),
    ask(rig, "/chloe/xhr", { method: "POST", body: connect }),
  ]);
  for (const { status, headers, text } of answers) {
    assertEquals([status, JSON.parse(text).error.code], [503, "full"]);
    assertEquals(headers.get("retry-after"), "5");
  }
  for (const path of ["/chloe/ws", "/chloe/websocket"]) {
    using socket = await RawWebSocket.open(rig, path);
    await socket.send('{"connect":{}}');
    assertEquals((await socket.closed()).code, 3005);
  }
  assertEquals(rig.hub.counters.limitsHit.sessions, 7);
});

Deno.test("a server without room for connections says so, and still takes up requests", async () => {
  await using rig = new GatewayRig({ maxConnections: 1 });
  const { resume } = await connectByPoll(rig);
  using held = await poll(rig, resume, 0);
  await eventually(
    () => Promise.resolve(rig.hub.counters.connections === 1 || undefined),
    "a held poll",
  );
  const { status } = await post(rig, "/chloe/events", ['{"connect":{}}']);
  assertEquals(status, 503);
  const up = await post(rig, "/chloe/up", [
    { resume, received: 0 },
    { id: 1, subscribe: { channel: "x" } },
  ]);
  assertEquals(up.status, 204);
  assertEquals(await held.text(), '{"from":0}\n{"id":1,"ok":{}}');
});

// Who brings a token

/** Sockets where a token is JSON: what it says, in plain. */
class TokenRig extends GatewayRig {
  constructor(options: GatewayRigOptions = {}) {
    // deno-lint-ignore prefer-const -- the verifier is made before the rig, whose time it tells
    let rig: TokenRig;
    super({
      tokens: {
        connection: (token) => {
          if (token === "bad") {
            return Promise.resolve({ ok: false, code: "bad_token", message: "Not good" });
          }
          const claims = JSON.parse(token) as ConnectionClaims;
          const { expiresAtMs } = claims;
          if (expiresAtMs !== null && expiresAtMs <= rig.hub.timeOfDayAt(rig.hub.now())) {
            return Promise.resolve({ ok: false, code: "token_expired", message: "Too late" });
          }
          return Promise.resolve({ ok: true, claims });
        },
        channel: () => Promise.resolve({ ok: true, claims: { info: null, expiresAtMs: null } }),
      },
      rules: rulesOf((name) => ({
        ...(name.startsWith("own") && { authorize: "token" }),
        history: { size: 100, ttlMs: 600_000 },
      })),
      ...options,
    });
    rig = this;
  }

  /** A token for a user, good for so many seconds, from now on. */
  token(user: string | null, { seconds = 0, channels = [] as string[], info = null } = {}): string {
    const expiresAtMs = seconds === 0
      ? null
      : this.hub.timeOfDayAt(this.hub.now()) + seconds * 1000;
    return JSON.stringify({ user, channels, info, expiresAtMs });
  }
}

const isBye = (frame: object) => "bye" in frame;

/** Waits until a session has a transport: a client that polls has none between two polls. */
async function attached({ hub }: GatewayRig, session: string): Promise<void> {
  await eventually(
    () => Promise.resolve(hub.sessions.get(session)?.transport ?? undefined),
    "a transport",
  );
}

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: a token says who connects, where to, and for how long`, async () => {
    await using rig = new TokenRig({ tokenRequired: true });
    await using client = new SessionClient(rig);
    const token = rig.token("ann", { seconds: 3600, channels: ["own-ann"] });
    const { expires, subscribed, session } = await client.connect(transport, {
      token,
      subscribe: { news: {} },
    });
    assertEquals([expires, rig.hub.sessions.get(session)?.user], [3600, "ann"]);
    assertEquals(Object.keys(subscribed).sort(), ["news", "own-ann"]);
    assertEquals([subscribed["own-ann"]?.offset, subscribed.news?.offset], [0, 0]);
    assertEquals([rig.publish("own-ann", 1), await client.nextData()], [1, 1]);
  });

  for (
    const [what, token, ws, http] of [
      ["no token", undefined, 3502, 401],
      ["a bad token", "bad", 3502, 401],
      ["an old token", '{"user":"ann","channels":[],"info":null,"expiresAtMs":1}', 3006, 401],
    ] as const
  ) {
    Deno.test(`${transport}: ${what} opens no session where one is asked for`, async () => {
      await using rig = new TokenRig({ tokenRequired: true });
      await using client = new SessionClient(rig);
      const connecting = client.connect(transport, token === undefined ? {} : { token });
      const { code } = await assertRejects(() => connecting, ConnectRefused);
      assertEquals(code, transport === "websocket" ? ws : http);
      assertEquals([rig.hub.sessions.size, rig.hub.wheel.size], [0, 0]);
      await rig.allGone();
    });
  }

  Deno.test(`${transport}: a session whose token ends is closed, and goes on with another`, async () => {
    await using rig = new TokenRig();
    await using client = new SessionClient(rig);
    const token = rig.token("ann", { seconds: 5, channels: ["own-a", "own-b"] });
    await client.connect(transport, { token, subscribe: { news: {} } });
    rig.publish("news", 1);
    assertEquals(await client.nextData(), 1);
    await attached(rig, client.session);
    rig.pass(5000);
    const { bye } = await client.next(isBye) as { bye: { code: number; reconnect: boolean } };
    assertEquals([bye.code, bye.reconnect, rig.hub.sessions.size], [3006, true, 1]);
    rig.publish("news", 2);
    const { code } = await assertRejects(() => client.resume(transport), ConnectRefused);
    assertEquals(code, transport === "websocket" ? 3006 : 401);
    const connected = await client.resume(transport, {
      token: rig.token("ann", { seconds: 60, channels: ["own-a"] }),
    });
    assertEquals([connected.resumed, connected.expires], [true, 60]);
    assertEquals(await client.nextData(), 2);
    const ended = await client.next((frame) => "unsubscribed" in frame);
    assertEquals("channel" in ended && ended.channel, "own-b");
    assertEquals([rig.publish("own-a", 3), rig.publish("own-b", 3)], [1, 0]);
    assertEquals(await client.nextData(), 3);
  });

  Deno.test(`${transport}: a session whose browser brings no other token ends with its grace time`, async () => {
    await using rig = new TokenRig();
    await using client = new SessionClient(rig);
    await client.connect(transport, { token: rig.token("ann", { seconds: 5 }) });
    await attached(rig, client.session);
    rig.pass(5000);
    await client.next(isBye);
    rig.pass(20_000);
    await rig.allGone();
    assertEquals([rig.hub.sessions.size, rig.hub.users.size, rig.hub.wheel.size], [0, 0, 0]);
  });

  Deno.test(`${transport}: another user's token does not bring a session back, and is its own`, async () => {
    await using rig = new TokenRig();
    await using client = new SessionClient(rig);
    const { session } = await client.connect(transport, { token: rig.token("ann") });
    client.dropTransport();
    const since = { epoch: "0.0", offset: 0 };
    rig.publish("news", 1, session);
    const connected = await client.resume(transport, {
      token: rig.token("bob"),
      subscribe: { news: since },
    });
    assertEquals([connected.resumed, rig.hub.sessions.get(connected.session)?.user], [
      false,
      "bob",
    ]);
    // What was not for ann's page is for bob's.
    assertEquals(connected.subscribed.news?.messages?.length, 1);
  });

  Deno.test(`${transport}: a new token goes on without a break`, async () => {
    await using rig = new TokenRig();
    await using client = new SessionClient(rig);
    await client.connect(transport, { token: rig.token("ann", { seconds: 5 }) });
    const refreshed = await client.reply(
      client.command({ refresh: { token: rig.token("ann", { seconds: 60 }) } }),
    );
    assertEquals(refreshed, { id: 1, ok: { expires: 60 } });
    await attached(rig, client.session);
    rig.pass(6000);
    assertEquals((await client.subscribe("news")).id, 2);
    assertEquals(client.log.some(isBye), false);
  });

  Deno.test(`${transport}: a new session that continues an old one is not told what that was not to hear`, async () => {
    await using rig = new TokenRig();
    await using client = new SessionClient(rig);
    const first = await client.connect(transport, { subscribe: { news: {} } });
    const { epoch, offset } = first.subscribed.news!;
    client.dropTransport();
    rig.hub.sessions.get(first.session)!.end(CLOSES.shutdown);
    rig.publish("news", "all");
    rig.publish("news", "others", first.session);
    const second = await client.resume(transport, {
      subscribe: { news: { epoch: epoch!, offset: offset! } },
    });
    assertEquals(second.resumed, false);
    assertEquals(second.subscribed.news?.messages?.map(({ data }) => data), ["all"]);
    // Whoever answers the app's call about the old session means this one.
    assertEquals(rig.publish("news", "others live", first.session), 0);
    rig.publish("news", "all live");
    assertEquals(await client.nextData(), "all live");
  });
}

Deno.test("A poll and an up request of a session whose token has ended are refused", async () => {
  await using rig = new TokenRig();
  const connect = { token: rig.token("ann", { seconds: 5 }) };
  const { resume } = await connectByPoll(rig, connect);
  rig.pass(5000);
  for (const path of ["/chloe/poll", "/chloe/up"]) {
    const { status, text } = await post(rig, path, [{ resume, received: 0 }]);
    assertEquals([status, JSON.parse(text).error.code], [401, "token_expired"]);
  }
  await rig.allGone();
});

Deno.test("An EventSource's token is looked at like everybody's", async () => {
  await using rig = new TokenRig({ tokenRequired: true });
  const path = "/chloe/events?channel=own-ann";
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  for (const options of [{}, bearer("bad")]) {
    const { status, text } = await ask(rig, path, options);
    assertEquals([status, JSON.parse(text).error.code], [401, "bad_token"]);
  }
  const token = rig.token("ann", { seconds: 5, channels: ["own-ann"] });
  using exchange = await request(rig, path, bearer(token));
  assertEquals((await exchange.head()).status, 200);
  assertEquals(rig.hub.users.get("ann")?.size, 1);
  rig.pass(6000);
  await rig.allGone();
  assertEquals(rig.hub.sessions.size, 0);
});

// Channels about which the app is asked

/** Sockets whose app says who may enter `own` channels, when the test says so. */
class DoorRig extends GatewayRig {
  readonly #asked: { channel: string; answer: (permission: Permission) => void }[];

  constructor(options: GatewayRigOptions = {}) {
    const asked: { channel: string; answer: (permission: Permission) => void }[] = [];
    super({
      ...options,
      uplink: {
        message: () => {},
        subscribe: (_session, { channel }, answer) => void asked.push({ channel, answer }),
      },
      rules: rulesOf((name) => name.startsWith("own") ? { authorize: "app" } : {}),
    });
    this.#asked = asked;
  }

  async asked(): Promise<(permission: Permission) => void> {
    const { answer } = await eventually(
      () => Promise.resolve(this.#asked.shift()),
      "a question about a channel",
    );
    return answer;
  }
}

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: connect waits for what the app says of its channels, and loses nothing`, async () => {
    await using rig = new DoorRig();
    await using client = new SessionClient(rig);
    const connecting = client.connect(transport, {
      subscribe: { news: {}, "own-a": {}, "own-b": {} },
    });
    const first = await rig.asked();
    rig.publish("news", 1);
    first({ ok: true });
    rig.publish("own-a", 2);
    (await rig.asked())({ ok: false, code: "forbidden" });
    const { subscribed } = await connecting;
    assertEquals(Object.keys(subscribed).sort(), ["news", "own-a", "own-b"]);
    assertEquals(subscribed["own-b"]?.error?.code, "forbidden");
    assertEquals([await client.nextData(), await client.nextData()], [1, 2]);
  });

  Deno.test(`${transport}: a resume during which too much is let go brings back nothing, and says so`, async () => {
    await using rig = new DoorRig({ bounds: { unacknowledgedBytes: 1024 } });
    await using client = new SessionClient(rig);
    await client.connect("websocket", { subscribe: { news: {} } });
    const { session } = client;
    const resuming = client.resume(transport, { subscribe: { "own-a": {} } });
    const answer = await rig.asked();
    // The old transport takes it, to which nobody listens any more.
    rig.publish("news", "x".repeat(2000));
    await eventually(
      () =>
        Promise.resolve(rig.hub.counters.limitsHit.unacknowledgedBytesTrimmed === 1 || undefined),
      "the end of what is kept",
    );
    answer({ ok: true });
    await assertRejects(() => resuming, ConnectRefused);
    const again = await client.resume(transport);
    assertEquals([again.resumed, again.session === session], [false, false]);
    client.dropTransport();
    await rig.allGone();
    rig.pass(20_000);
    assertEquals([rig.hub.sessions.size, rig.hub.wheel.size], [0, 0]);
  });

  Deno.test(`${transport}: a resume that its page gave up for another takes nothing from that`, async () => {
    await using rig = new DoorRig();
    await using client = new SessionClient(rig);
    await client.connect(transport, { subscribe: { news: {} } });
    const givenUp = client.resume(transport, { subscribe: { "own-a": {} } }).catch(() => {});
    const answer = await rig.asked();
    client.dropTransport();
    await givenUp;
    assertEquals((await client.resume("websocket")).resumed, true);
    answer({ ok: true });
    rig.publish("news", 1);
    assertEquals(await client.nextData(), 1);
    await client.close();
    await rig.allGone();
    rig.pass(30_000);
    assertEquals([rig.hub.sessions.size, rig.hub.wheel.size], [0, 0]);
  });

  if (transport !== "events") { // of a stream nobody hears that it is gone until it is answered
    Deno.test(`${transport}: a resume that its page gave up leaves it the transport that it has`, async () => {
      await using rig = new DoorRig();
      await using client = new SessionClient(rig);
      await client.connect("websocket", { subscribe: { news: {} } });
      await using other = new SessionClient(rig);
      const givenUp = other.connect(transport, {
        resume: client.secret,
        received: 0,
        subscribe: { "own-a": {} },
      }).catch(() => {});
      const answer = await rig.asked();
      other.dropTransport();
      await givenUp;
      await eventually(
        () => Promise.resolve(rig.hub.counters.connections === 1 || undefined),
        "the end of what was given up",
      );
      answer({ ok: true });
      rig.publish("news", 1);
      assertEquals(await client.nextData(), 1);
      // It is pinged on.
      rig.pass(60_000);
      await eventually(() => Promise.resolve(client.pings > 0 || undefined), "a ping");
    });
  }

  Deno.test(`${transport}: a page that goes while the app is asked about a channel leaves nothing`, async () => {
    await using rig = new DoorRig();
    const client = new SessionClient(rig);
    const connecting = client.connect(transport, { subscribe: { "own-a": {} } }).catch(() => {});
    const answer = await rig.asked();
    client.dropTransport();
    await connecting;
    if (transport !== "events") await rig.allGone(); // a stream is noticed once it is answered
    answer({ ok: true });
    await eventually(
      () => Promise.resolve(rig.hub.channels.size === 1 || undefined),
      "the session's place",
    );
    await rig.allGone();
    rig.pass(20_000);
    const { sessions, channels, wheel } = rig.hub;
    assertEquals([sessions.size, channels.size, wheel.size], [0, 0, 0]);
  });

  Deno.test(`${transport}: a session that the app ends while its page is away is told so when it is back`, async () => {
    await using rig = new GatewayRig();
    await using client = new SessionClient(rig);
    const { session } = await client.connect(transport);
    await attached(rig, session); // or a poll may come late
    client.dropTransport();
    await eventually(
      () => Promise.resolve(rig.hub.sessions.get(session)?.transport === null || undefined),
      "the end of the transport",
    );
    rig.hub.sessions.get(session)!.end(CLOSES.byApp);
    await client.resume(transport).catch(() => {});
    const { bye } = await client.next(isBye) as { bye: { code: number; reconnect: boolean } };
    assertEquals([bye.code, bye.reconnect], [3500, false]);
  });
}
