/**
 * Which pages may connect: the same answer from every endpoint of both protocols.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { request, type RequestOptions } from "./support/http.ts";
import { connectByPoll } from "./support/polls.ts";
import { type ConfigFile, startTestServer, type TestServer } from "./support/server.ts";

const CONNECT = '{"connect":{}}';
const SECRET = `whsec_${btoa("a secret of 24 bytes, or more")}`;

const UPGRADE: Record<string, string> = {
  connection: "upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

const LEGACY_CONNECT = `data=${escape('{"type":"connect","version":1,"id":1}')}`;
const LEGACY_POLL = `data=${escape('{"type":"poll","version":1,"id":1}')}`;

interface Endpoint {
  readonly path: string;
  /** What it answers to a page that may connect. */
  readonly status: number;
  readonly request: RequestOptions;
}

/** Each endpoint with a request that needs nothing else than the right origin. */
function endpoints(resume: string): readonly Endpoint[] {
  return [
    { path: "/chloe/ws", status: 101, request: { headers: UPGRADE } },
    { path: "/chloe/events", status: 200, request: { method: "POST", body: CONNECT } },
    { path: "/chloe/poll", status: 200, request: { method: "POST", body: CONNECT } },
    {
      path: "/chloe/up",
      status: 204,
      request: { method: "POST", body: JSON.stringify({ resume, received: 0 }) },
    },
    { path: "/chloe/events?channel=news", status: 200, request: {} },
    { path: "/chloe/websocket", status: 101, request: { headers: UPGRADE } },
    { path: `/chloe/jsonp.js?${LEGACY_CONNECT}ts=17`, status: 200, request: {} },
    { path: "/chloe/xhr", status: 200, request: { method: "POST", body: LEGACY_CONNECT } },
    // Of no session, which it says to those pages alone that may know.
    { path: `/chloe/xhr/17?${LEGACY_POLL}`, status: 404, request: {} },
  ];
}

interface Case {
  readonly name: string;
  readonly headers: (server: TestServer) => Record<string, string>;
  /** Whether it is let in; with the origin that the answer names, where it names one. */
  readonly allowed: boolean;
  readonly cors?: string;
  readonly config?: ConfigFile;
}

const guarded: ConfigFile = {
  secret: [SECRET],
  origins: ["https://app.example.com", "https://*.example.org"],
  channel: [{ pattern: "**" }],
  legacy: { enabled: true },
};

const CASES: readonly Case[] = [
  { name: "a program", headers: () => ({}), allowed: true },
  { name: "a page of the own origin", headers: ({ url }) => ({ origin: url }), allowed: true },
  {
    name: "a page of the own origin that sends no Origin",
    headers: () => ({ "sec-fetch-site": "same-origin" }),
    allowed: true,
  },
  {
    name: "a page of another loopback origin",
    headers: () => ({ origin: "http://localhost:3000" }),
    allowed: true,
    cors: "http://localhost:3000",
  },
  {
    name: "a page of another site",
    headers: () => ({ origin: "https://evil.example" }),
    allowed: false,
  },
  {
    name: "a page of another site that sends no Origin",
    headers: () => ({ "sec-fetch-site": "cross-site" }),
    allowed: false,
  },
  { name: "a sandboxed page", headers: () => ({ origin: "null" }), allowed: false },
  {
    name: "a page whose name was rebound",
    headers: ({ port }) => ({
      host: `evil.example:${port}`,
      origin: `http://evil.example:${port}`,
    }),
    allowed: false,
  },
  {
    name: "a page whose name was rebound and that sends no Origin",
    headers: ({ port }) => ({ host: `evil.example:${port}`, "sec-fetch-site": "same-origin" }),
    allowed: false,
  },
  { name: "a program, with a secret", headers: () => ({}), allowed: true, config: guarded },
  {
    name: "a page of the own origin, with a secret",
    headers: () => ({ host: "chloe.example.net", origin: "https://chloe.example.net" }),
    allowed: true,
    config: guarded,
  },
  {
    name: "a page of another loopback origin, with a secret",
    headers: () => ({ origin: "http://localhost:3000" }),
    allowed: false,
    config: guarded,
  },
  {
    name: "a listed origin",
    headers: () => ({ origin: "https://app.example.com" }),
    allowed: true,
    cors: "https://app.example.com",
    config: guarded,
  },
  {
    name: "an origin that fits a listed pattern",
    headers: () => ({ origin: "https://shop.example.org" }),
    allowed: true,
    cors: "https://shop.example.org",
    config: guarded,
  },
  {
    name: "an origin that only looks like a listed one",
    headers: () => ({ origin: "https://app.example.com.evil.example" }),
    allowed: false,
    config: guarded,
  },
];

for (const { name, headers, allowed, cors, config = {} } of CASES) {
  Deno.test(`every endpoint ${allowed ? "lets in" : "refuses"} ${name}`, async () => {
    await using server = await startTestServer(config);
    const { resume } = await connectByPoll(server);
    for (const { path, status, request: asked } of endpoints(resume)) {
      using exchange = await request(server, path, {
        ...asked,
        headers: { ...asked.headers, ...headers(server) },
      });
      const head = await exchange.head();
      assertEquals([path, head.status], [path, allowed ? status : 403]);
      if (!allowed) {
        assertEquals(JSON.parse(await exchange.text()).error.code, "origin_refused");
        assertEquals(head.headers.has("access-control-allow-origin"), false, path);
        continue;
      }
      // A script and a WebSocket need no leave to be read, so nothing is said to them.
      if (status === 101 || path.startsWith("/chloe/jsonp")) continue;
      assertEquals([path, head.headers.get("access-control-allow-origin")], [path, cors]);
      assertMatch(head.headers.get("vary") ?? "", /\bOrigin\b/, path); // Deno may add to it
    }
  });
}

const JSONP = `/chloe/jsonp.js?${LEGACY_CONNECT}ts=17`;

for (
  const [referer, status] of [
    ["http://localhost:3000/page", 200],
    ["https://evil.example/page", 403],
    ["nonsense", 403],
    [null, 403],
  ] as const
) {
  Deno.test(`a script of another site is answered ${status} for the Referer ${referer}`, async () => {
    await using server = await startTestServer();
    using exchange = await request(server, JSONP, {
      headers: { "sec-fetch-site": "cross-site", referer },
    });
    assertEquals((await exchange.head()).status, status);
  });
}

Deno.test("protocol 1 is not there unless it is enabled, where a secret is", async () => {
  await using server = await startTestServer({ ...guarded, legacy: { enabled: false } });
  for (const path of [JSONP, "/chloe/websocket", `/chloe/xhr/17?${LEGACY_POLL}`]) {
    using exchange = await request(server, path);
    assertEquals((await exchange.head()).status, 404);
  }
});
