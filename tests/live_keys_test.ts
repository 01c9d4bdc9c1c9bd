/**
 * Every key that a reload puts in force, each with something that shows it: a key that is called live in the
 * schema and is not handed over fails here, and so does one that nothing shows.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { keys } from "../src/config/keys.ts";
import { schema } from "../src/config/schema.ts";
import { type RunningServer, startServer } from "../src/server.ts";
import { legacySignature } from "../src/signing/legacy_signature.ts";
import { CHLOE_BIN } from "./support/chloe_process.ts";
import { ask } from "./support/http.ts";
import { post } from "./support/polls.ts";
import type { ConfigFile } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { signedBy } from "./support/signed.ts";
import { bySecret, KeyServer, SECRET, signer } from "./support/token_rig.ts";
import { RawWebSocket } from "./support/websocket.ts";
import { eventually, within } from "./support/within.ts";

const CLIENT_DIR = new URL("../client/dist", import.meta.url).pathname;
const [OLD, NEW] = ["old", "new"].map((name) =>
  `whsec_${btoa(`the ${name} secret of a test, long enough`)}`
) as [string, string];
const OTHER_SECRET = "another secret that a test signs its tokens with";
const KEY = "chk_0123456789abcdef";
const ORIGIN = "https://a.example";
const CHANNEL = { pattern: "**", history: { size: 100, ttl: "5m" } } as const;
const FORM = { "content-type": "application/x-www-form-urlencoded" };

/** What a probe sees: a value that differs from one config to the other. */
type See = (server: RunningServer, apps: Apps) => Promise<unknown>;

interface Case {
  readonly before: ConfigFile;
  readonly after: ConfigFile;
  readonly see: See;
  /** What is seen by the first config, and by the second. */
  readonly seen: readonly [unknown, unknown];
}

/** Two apps that answer as a test wants, and note what they are told. */
class Apps implements AsyncDisposable {
  readonly told: { app: number; headers: Headers; event: { headers?: unknown } }[] = [];
  answer: () => Response | Promise<Response> = () => new Response();
  readonly #servers = [0, 1].map((app) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      this.told.push({ app, headers: request.headers, event: await request.json() });
      return await this.answer();
    })
  );

  get urls(): [string, string] {
    return this.#servers.map(({ addr }) => `http://127.0.0.1:${addr.port}/`) as [string, string];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.shutdown()));
  }
}

async function sendStatus(
  server: RunningServer,
  headers: Record<string, string>,
  body: string,
): Promise<number> {
  return (await ask(server, "/send", { method: "POST", headers: { ...FORM, ...headers }, body }))
    .status;
}

const bySignature: See = (server) => {
  const body = "data=hi";
  return sendStatus(server, signedBy(NEW, body), body);
};

const byLegacySignature: See = (server) =>
  sendStatus(server, {}, `data=hi&sig=${legacySignature("hi", "a new secret")}`);

/** What a session is told when it connects, or the code of the refusal. */
async function connect(server: RunningServer, connect: object = {}): Promise<
  // deno-lint-ignore no-explicit-any
  any
> {
  const { text } = await post(server, "/chloe/poll", [{ connect }]);
  const { connected, error } = JSON.parse(text.split("\n")[0]!);
  return connected ?? error.code;
}

function byToken(make: () => Promise<string>): See {
  return async (server) => {
    const answer = await connect(server, { token: await make() });
    return typeof answer === "string" ? answer : "let in";
  };
}

/** What becomes of a browser's message. */
const sendToApp: See = async (server) => {
  await using page = new SessionClient(server);
  await page.connect("websocket");
  const reply = await page.send("hi");
  return "error" in reply ? (reply.error as { code: string }).code : "ok";
};

/** What a second socket beside another is answered. */
const secondSocket: See = async (server) => {
  await eventually(async () => {
    const { hub } = JSON.parse((await ask(server, "/api/stats")).text);
    return hub.connections === 0 || undefined;
  }, "the end of those before");
  const first = await RawWebSocket.open(server, "/chloe/ws").catch(({ head }) => head.status);
  if (typeof first === "number") return first;
  using _ = first;
  const second = await RawWebSocket.open(server, "/chloe/ws").catch(({ head }) => head.status);
  if (typeof second === "number") return second;
  second.conn.close();
  return 101;
};

/** What becomes of three commands that come at once. */
const threeCommands: See = async (server) => {
  await using page = new SessionClient(server);
  await page.connect("websocket");
  page.raw([1, 2, 3].map((id) => `{"id":${id},"subscribe":{"channel":"c${id}"}}`).join("\n"));
  const replies = [await page.reply(1), await page.reply(2), await page.reply(3)];
  return replies.map((reply) => "error" in reply ? reply.error.code : "ok");
};

const REFUSED = "bad_token";
const LET_IN = "let in";

/** The cases, by the key's name; made anew for each test, as some need the apps' addresses. */
const CASES: Readonly<Record<string, (apps: Apps) => Case | Promise<Case>>> = {
  secret: () => ({
    before: { secret: OLD },
    after: { secret: [NEW] },
    see: bySignature,
    seen: [401, 200],
  }),
  api_keys: () => ({
    before: { api_keys: ["chk_another_0123456"] },
    after: { api_keys: [KEY] },
    see: (server) => sendStatus(server, { authorization: `Bearer ${KEY}` }, "data=hi"),
    seen: [401, 200],
  }),
  origins: () => ({
    before: {},
    after: { origins: [ORIGIN] },
    see: async (server) =>
      (await ask(server, "/chloe/poll", {
        method: "POST",
        headers: { origin: ORIGIN },
        body: '{"connect":{}}',
      })).status,
    seen: [403, 200],
  }),
  shutdown_timeout: ({ urls: [url] }) => ({
    before: { app: { url, retry_for: "20d" }, shutdown_timeout: "20d" },
    after: { app: { url, retry_for: "20d" }, shutdown_timeout: "10ms" },
    see: () => Promise.resolve(), // the test's end: it would wait for the app
    seen: [undefined, undefined],
  }),
  "app.url": ({ urls: [first, second] }) => ({
    before: { app: { url: first } },
    after: { app: { url: second } },
    async see(server, { told }) {
      assertEquals(await sendToApp(server, undefined!), "ok");
      return told.at(-1)!.app;
    },
    seen: [0, 1],
  }),
  "app.timeout": (apps) => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    return {
      before: { app: { url: apps.urls[0], retry_for: "0s" } },
      after: { app: { url: apps.urls[0], retry_for: "0s", timeout: "10ms" } },
      async see(server) {
        // The first answers at once, the second never.
        const code = await sendToApp(server, apps);
        apps.answer = () => promise;
        if (code !== "ok") resolve(new Response());
        return code;
      },
      seen: ["ok", "app_unreachable"],
    };
  },
  "app.retry_for": (apps) => ({
    before: { app: { url: apps.urls[0] } },
    after: { app: { url: apps.urls[0], retry_for: "0s" } },
    async see(server) {
      const statuses = [503, 200];
      apps.answer = () => new Response(null, { status: statuses.shift()! });
      return await sendToApp(server, apps);
    },
    seen: ["ok", "app_unreachable"],
  }),
  "app.forward_headers": ({ urls: [url] }) => ({
    before: { app: { url, events: ["connect"] } },
    after: { app: { url, events: ["connect"], forward_headers: ["x-lang"] } },
    async see(server, { told }) {
      await post(server, "/chloe/poll", [{ connect: {} }], { "x-lang": "de" });
      return told.at(-1)!.event.headers;
    },
    seen: [{}, { "x-lang": "de" }],
  }),
  "session.grace": () => ({
    before: { session: { grace: "20d" } },
    after: { session: { grace: "10ms" } },
    async see(server) {
      const { session } = await connect(server);
      const isThere = async () =>
        (await ask(server, `/api/sessions/${session}`)).status === 200 || undefined;
      if (session !== undefined && await isFirst(server)) return await isThere();
      return await eventually(async () => await isThere() ? undefined : "gone", "its end");
    },
    seen: [true, "gone"],
  }),
  "session.ping": () => ({
    before: {},
    after: { session: { ping: "7s" } },
    see: async (server) => (await connect(server)).ping,
    seen: [25, 7],
  }),
  "limits.max_bytes": () => ({
    before: {},
    after: { limits: { max_bytes: "1KiB" } },
    see: async (server) =>
      [
        (await connect(server)).maxBytes,
        await connect(server, { client: "a".repeat(2000) }).catch(() => "too_large"),
      ].map((each) => typeof each === "object" ? "ok" : each),
    seen: [[65_536, "ok"], [1024, "too_large"]],
  }),
  "limits.message_bytes": () => ({
    before: {},
    after: { limits: { message_bytes: "100B" } },
    see: (server) => sendStatus(server, {}, `data=${"a".repeat(200)}`),
    seen: [200, 413],
  }),
  "limits.unwritten_bytes": () => ({
    before: {},
    after: { limits: { unwritten_bytes: "1KiB" } },
    async see(server) {
      const { resume } = await connect(server);
      await sendStatus(server, {}, `data=${"a".repeat(20_000)}`);
      return (await post(server, "/chloe/poll", [{ resume, received: 0 }])).status;
    },
    seen: [200, 404],
  }),
  "limits.unacknowledged_bytes": () => ({
    before: {},
    after: { limits: { unacknowledged_bytes: "1KiB" } },
    async see(server) {
      const { resume } = await connect(server);
      await sendStatus(server, {}, `data=${"a".repeat(20_000)}`);
      await post(server, "/chloe/poll", [{ resume, received: 0 }]);
      return (await connect(server, { resume, received: 0 })).resumed;
    },
    seen: [true, false],
  }),
  "limits.subscriptions": () => ({
    before: {},
    after: { limits: { subscriptions: 1 } },
    async see(server) {
      const answer = await connect(server, { subscribe: { a: {}, b: {} } });
      return typeof answer === "string" ? answer : "ok";
    },
    seen: ["ok", "too_many_subscriptions"],
  }),
  "limits.connections": () => ({
    before: {},
    after: { limits: { connections: 1 } },
    see: secondSocket,
    seen: [101, 503],
  }),
  "limits.connections_per_address": () => ({
    before: {},
    after: { limits: { connections_per_address: 1 } },
    see: secondSocket,
    seen: [101, 429],
  }),
  "limits.ban": () => ({
    before: { limits: { ban: "0s", connections_per_address: 9, commands_burst: 1 } },
    after: { limits: { connections_per_address: 9, commands_burst: 1 } },
    async see(server, apps) {
      {
        using flooding = await RawWebSocket.open(server, "/chloe/ws");
        await flooding.send('{"connect":{}}');
        await flooding.send(Array(20).fill("{}").join("\n"));
        assertEquals((await flooding.closed()).code, 3009);
      }
      return await secondSocket(server, apps);
    },
    seen: [101, 429],
  }),
  "limits.commands_per_second": () => ({
    before: { limits: { commands_per_second: 0, commands_burst: 1 } },
    after: { limits: { commands_per_second: 1, commands_burst: 1 } },
    see: threeCommands,
    seen: [["ok", "ok", "ok"], ["ok", "too_fast", "too_fast"]],
  }),
  "limits.commands_burst": () => ({
    before: { limits: { commands_per_second: 1 } },
    after: { limits: { commands_per_second: 1, commands_burst: 1 } },
    see: threeCommands,
    seen: [["ok", "ok", "ok"], ["ok", "too_fast", "too_fast"]],
  }),
  "limits.queued_bytes": () => ({
    before: { limits: { unwritten_bytes: "64MiB" } },
    after: { limits: { unwritten_bytes: "64MiB", queued_bytes: "1MiB" } },
    async see(server) {
      const { resume } = await connect(server);
      for (let n = 0; n < 30; n++) await sendStatus(server, {}, `data=${"a".repeat(60_000)}`);
      return (await post(server, "/chloe/poll", [{ resume, received: 0 }])).status;
    },
    seen: [200, 404],
  }),
  "limits.send_per_second": () => ({
    before: {},
    after: { limits: { send_per_second: 1 } },
    async see(server) {
      const statuses = Array.from({ length: 20 }, () => sendStatus(server, {}, "data=hi"));
      return Math.max(...await Promise.all(statuses));
    },
    seen: [200, 429],
  }),
  channel: () => ({
    before: { channel: [{ pattern: "other" }] },
    after: { channel: [{ pattern: "news" }] },
    async see(server) {
      const { subscribed } = await connect(server, { subscribe: { news: {} } });
      return subscribed.news.error?.code ?? "in";
    },
    seen: ["forbidden", "in"],
  }),
  "history.max_bytes": () => ({
    before: { channel: [CHANNEL] },
    after: { channel: [CHANNEL], history: { max_bytes: "64KiB" } },
    async see(server) {
      if (await isFirst(server)) {
        const data = "a".repeat(30_000);
        for (let n = 0; n < 4; n++) await sendStatus(server, {}, `channel=x&data=${data}`);
      }
      return JSON.parse((await ask(server, "/api/channels/x/history")).text).messages.length;
    },
    seen: [4, 2],
  }),
  "token.secret": () => ({
    before: { token: { secret: SECRET } },
    after: { token: { secret: [OTHER_SECRET] } },
    see: byToken(() => bySecret({ sub: "ann" }, { secret: OTHER_SECRET })),
    seen: [REFUSED, LET_IN],
  }),
  "token.jwks": async () => {
    const [first, second] = [await signer("ES256"), await signer("ES256")];
    const [before, after] = [new KeyServer([first.jwk]), new KeyServer([second.jwk])];
    return {
      before: { token: { jwks: before.url } },
      after: { token: { jwks: after.url } },
      async see(server) {
        const seen = await byToken(() => second.sign({ sub: "ann" }))(server, undefined!);
        await (seen === LET_IN ? after : before)[Symbol.asyncDispose]();
        return seen;
      },
      seen: [REFUSED, LET_IN],
    };
  },
  "token.algorithms": () => ({
    before: { token: { secret: SECRET } },
    after: { token: { secret: SECRET, algorithms: ["HS512"] } },
    see: byToken(() => bySecret({ sub: "ann" }, { header: { alg: "HS512" } })),
    seen: [REFUSED, LET_IN],
  }),
  "token.audience": () => ({
    before: { token: { secret: SECRET, audience: "others" } },
    after: { token: { secret: SECRET, audience: "us" } },
    see: byToken(() => bySecret({ sub: "ann", aud: "us" })),
    seen: [REFUSED, LET_IN],
  }),
  "token.issuer": () => ({
    before: { token: { secret: SECRET, issuer: "others" } },
    after: { token: { secret: SECRET, issuer: "us" } },
    see: byToken(() => bySecret({ sub: "ann", iss: "us" })),
    seen: [REFUSED, LET_IN],
  }),
  "token.required": () => ({
    before: { token: { secret: SECRET } },
    after: { token: { secret: SECRET, required: true } },
    async see(server) {
      const answer = await connect(server);
      return typeof answer === "string" ? answer : "ok";
    },
    seen: ["ok", REFUSED],
  }),
  "legacy.secret": () => ({
    before: { legacy: { secret: "an old secret" } },
    after: { legacy: { secret: "a new secret" } },
    see: byLegacySignature,
    seen: [401, 200],
  }),
  "legacy.from": () => ({
    before: { legacy: { secret: "a new secret", from: ["10.0.0.0/8"] } },
    after: { legacy: { secret: "a new secret", from: ["loopback"] } },
    see: byLegacySignature,
    seen: [401, 200],
  }),
};

/** Keys whose values the command line puts in force: tests/reload_test.ts shows them. */
const BY_THE_COMMAND_LINE = ["include", "log.level", "log.format"];

/** Whether the server was not reloaded yet. */
const reloaded = new WeakSet<RunningServer>();
function isFirst(server: RunningServer): Promise<boolean> {
  return Promise.resolve(!reloaded.has(server));
}

Deno.test("every live key has a test here", () => {
  assertEquals(
    [...Object.keys(CASES), ...BY_THE_COMMAND_LINE].sort(),
    keys.filter(({ live }) => live !== undefined).map(({ name }) => name).sort(),
  );
});

for (const [name, make] of Object.entries(CASES)) {
  Deno.test({
    name: `a reload puts ${name} in force`,
    ignore: CHLOE_BIN !== undefined, // in this process alone
    async fn() {
      await using apps = new Apps();
      const { before, after, see, seen } = await make(apps);
      const read = (file: ConfigFile) => schema.parse({ port: 0, ...file });
      await using server = await startServer({
        config: read(before),
        version: "0.0.0-test",
        clientDir: CLIENT_DIR,
      });
      assertEquals(await see(server, apps), seen[0]);
      assertEquals(await server.reload(read(after)), { ok: true, changed: [name], restart: [] });
      reloaded.add(server);
      assertEquals(await see(server, apps), seen[1]);
      if (name === "shutdown_timeout") await endWithWork(server, apps);
    },
  });
}

/** Shuts a server down whose app does not answer. */
async function endWithWork(server: RunningServer, apps: Apps): Promise<void> {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  apps.answer = () => {
    ask();
    return new Response(null, { status: 503 });
  };
  await using page = new SessionClient(server);
  await page.connect("websocket");
  page.command({ send: { data: "hi" } });
  await within(asked, "the event");
  await within(server.shutdown(), "the end, without the app");
}
