/**
 * Requests that are meant to do harm: too much, twice, ambiguous, cut short, or slow; and values that would
 * leave their place in what Chloe answers. Each is refused or cut, nothing of it reaches anybody, and the
 * server is as well as before.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ByteReader } from "./support/byte_reader.ts";
import { ask, request, writeAll } from "./support/http.ts";
import { type ConfigFile, startTestServer, type TestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { within } from "./support/within.ts";

/** Runs `body` against a server to which nothing may happen: who listens to all of it hears of nothing. */
function harmless(
  name: string,
  body: (server: TestServer) => Promise<void>,
  config: ConfigFile = {},
): void {
  Deno.test(name, async () => {
    await using server = await startTestServer(config);
    await using listener = new SessionClient(server);
    await listener.connect("websocket", { subscribe: { news: {} } });
    await body(server);
    await server.send({ channel: "news", data: "the end" });
    assertEquals(await listener.nextData(), "the end");
    assertEquals((await ask(server, "/healthz")).status, 200);
  });
}

/** Writes bytes and reads to the end. @returns The statuses of what was answered, and all of its text. */
async function say(
  { hostname, port }: TestServer,
  text: string,
  { half = false }: { readonly half?: boolean } = {},
): Promise<{ readonly statuses: readonly number[]; readonly text: string }> {
  using conn = await Deno.connect({ hostname, port });
  const reader = new ByteReader(conn);
  const read = async () => {
    let answer = "";
    for (let part = await reader.some(); part !== null; part = await reader.some()) {
      answer += new TextDecoder().decode(part);
    }
    return answer;
  };
  const answer = within(read(), "the end of a connection");
  try {
    await writeAll(conn, new TextEncoder().encode(text));
    if (half) await conn.closeWrite();
  } catch {
    // It was cut before it had said all.
  }
  const said = await answer;
  const statuses = [...said.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  return { statuses, text: said };
}

/** A POST to `/send` that would reach everybody, with these lines in its head. */
function post(lines: string, body = "data=harm"): string {
  return "POST /send HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n" +
    `${lines}connection: close\r\n\r\n${body}`;
}

const HOST = "host: localhost\r\n";
const LENGTH = "content-length: 9\r\n";
const CHUNKS = "9\r\ndata=harm\r\n0\r\n\r\n";

const MALFORMED: Readonly<Record<string, string>> = {
  "a header of 1 MiB": post(`${HOST}${LENGTH}x: ${"x".repeat(1024 * 1024)}\r\n`),
  "a head of 1 MiB in many lines": post(
    HOST + LENGTH + [...Array(10_000).keys()].map((n) => `x${n}: ${"x".repeat(95)}\r\n`).join(""),
  ),
  "20,000 header lines": post(
    HOST + LENGTH + [...Array(20_000).keys()].map((n) => `x${n}:\r\n`).join(""),
  ),
  "a path of 1 MiB": `GET /${"x".repeat(1024 * 1024)} HTTP/1.1\r\n${HOST}\r\n`,
  "two lengths": post(`${HOST}${LENGTH}content-length: 10\r\n`),
  "a list of lengths": post(`${HOST}content-length: 9, 9\r\n`),
  "a negative length": post(`${HOST}content-length: -9\r\n`),
  "a length with a sign": post(`${HOST}content-length: +9\r\n`),
  "a length in hexadecimal": post(`${HOST}content-length: 0x9\r\n`),
  "a length beyond all numbers": post(`${HOST}content-length: 99999999999999999999999\r\n`),
  "a length and chunks": post(`${HOST}${LENGTH}transfer-encoding: chunked\r\n`, CHUNKS),
  "two transfer codings": post(
    `${HOST}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n`,
    CHUNKS,
  ),
  "a coding that is not known": post(`${HOST}transfer-encoding: xchunked\r\n`, CHUNKS),
  "a coding before chunks": post(`${HOST}transfer-encoding: gzip, chunked\r\n`, CHUNKS),
  "a chunk without a size": post(`${HOST}transfer-encoding: chunked\r\n`, "zz\r\ndata=harm\r\n"),
  "a chunk of an absurd size": post(
    `${HOST}transfer-encoding: chunked\r\n`,
    "fffffffffffffffff\r\ndata=harm\r\n0\r\n\r\n",
  ),
  "two hosts": post(`${HOST}host: evil.example\r\n${LENGTH}`),
  "no host": post(LENGTH),
  "a line end in a header's value": post(`${HOST}${LENGTH}x: a\rset-cookie: b\r\n`),
  "a zero in a header's value": post(`${HOST}${LENGTH}x: a\0b\r\n`),
  "white space before the colon": post(`${HOST}content-length : 9\r\n`),
  "a header over two lines": post(`${HOST}${LENGTH}x: a\r\n transfer-encoding: chunked\r\n`),
  "a header without a name": post(`${HOST}${LENGTH}: x\r\n`),
  "TLS where none is spoken": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
  "another version": post(HOST + LENGTH).replace("HTTP/1.1", "HTTP/9.9"),
  "a page's address in place of a path": post(HOST + LENGTH).replace("/send", "http://evil/x"),
};

for (const [what, text] of Object.entries(MALFORMED)) {
  harmless(`a request with ${what} is refused or cut`, async (server) => {
    const { statuses } = await say(server, text);
    assert(statuses.length <= 1, `${statuses}`);
    for (const status of statuses) assert(status >= 400 && status < 500, `${status}`);
  });
}

harmless("a body that is shorter than it says is no message", async (server) => {
  for (const body of ["data=harm", ""]) {
    const { statuses } = await say(server, post(`${HOST}content-length: 100\r\n`, body), {
      half: true,
    });
    for (const status of statuses) assert(status >= 400 && status < 500, `${status}`);
  }
  const chunked = post(`${HOST}transfer-encoding: chunked\r\n`, "9\r\ndata=harm\r\n");
  const { statuses } = await say(server, chunked, { half: true });
  for (const status of statuses) assert(status >= 400 && status < 500, `${status}`);
});

harmless("what follows a body is no part of it", async (server) => {
  const { statuses } = await say(server, post(`${HOST}content-length: 0\r\n`));
  assertEquals(statuses[0], 400); // no data
  for (const status of statuses) assert(status >= 400, `${status}`);
});

// Both are unmistakable (RFC 9112, section 6.3), and Deno 2.7 does not tell that the second was there.
for (
  const [what, text] of [
    ["the same length twice", post(`${HOST}${LENGTH}${LENGTH}`)],
    ["chunks and then a length", post(`${HOST}transfer-encoding: chunked\r\n${LENGTH}`, CHUNKS)],
  ] as const
) {
  Deno.test(`a request with ${what} is refused, or is the one message that it seems to be`, async () => {
    await using server = await startTestServer();
    await using listener = new SessionClient(server);
    await listener.connect("websocket");
    const { statuses } = await say(server, text);
    assert(statuses.length <= 1, `${statuses}`);
    if (statuses[0] === 200) assertEquals(await listener.nextData(), "harm");
    await server.send({ data: "the end" });
    assertEquals(await listener.nextData(), "the end");
  });
}

// Bodies that are too long

for (
  const [path, type] of [
    ["/send", "application/x-www-form-urlencoded"],
    ["/chloe/events", "text/plain"],
    ["/chloe/poll", "text/plain"],
    ["/chloe/up", "text/plain"],
    ["/chloe/xhr", "text/plain"],
    ["/api/sessions/x/disconnect", "application/json"],
  ] as const
) {
  harmless(`a body to ${path} that is too long is not read on`, async (server) => {
    const headers = { "content-type": type };
    const said = await ask(server, path, {
      method: "POST",
      headers: { ...headers, "content-length": String(2 ** 40) },
      body: "x",
    });
    assertEquals(said.status, 413);
    using endless = await request(server, path, {
      method: "POST",
      headers: { ...headers, "content-length": null, "transfer-encoding": "chunked" },
    });
    const chunk = new TextEncoder().encode(`10000\r\n${"x".repeat(65_536)}\r\n`);
    // Without end, as far as the server can know: as long as it takes it.
    const writing = (async () => {
      while (!endless.isOver) await writeAll(endless.conn, chunk);
    })().catch(() => {});
    assertEquals((await endless.head()).status, 413);
    endless.cut();
    await writing;
  });
}

Deno.test("a body that stalls, or comes a byte at a time, is waited for for ten seconds", async () => {
  await using server = await startTestServer();
  const paths = ["/send", "/chloe/events", "/chloe/poll", "/chloe/up", "/chloe/xhr"];
  const types = ["application/x-www-form-urlencoded", "application/json"];
  await Promise.all(
    [...paths, "/api/users/ann/disconnect"].flatMap((path) =>
      ["stalls", "drips"].map(async (how) => {
        using exchange = await request(server, path, {
          method: "POST",
          headers: { "content-length": "1000", "content-type": types[path === "/send" ? 0 : 1]! },
        });
        const drip = setInterval(() => {
          if (how === "drips") exchange.conn.write(Uint8Array.of(32)).catch(() => {});
        }, 500);
        try {
          assertEquals([path, how, (await exchange.head()).status], [path, how, 408]);
        } finally {
          clearInterval(drip);
        }
      })
    ),
  );
  assertEquals((await ask(server, "/healthz")).status, 200);
});

// What comes back to who asked, or goes on to others

const ANY_ORIGIN: ConfigFile = {
  api_keys: ["chk_0123456789abcdef"],
  origins: ["*"],
  channel: [{ pattern: "**" }],
};

for (
  const origin of [
    "https://a.example\rset-cookie: x=1",
    "https://a.example\0",
    "https://a.example%0d%0aset-cookie:%20x=1",
    "https://a.example\tset-cookie: x=1",
    "https://\xe9\xff.example",
    "<script>alert(1)</script>",
    '"; drop table',
    "x".repeat(10_000),
  ]
) {
  harmless(
    `an Origin such as ${JSON.stringify(origin.slice(0, 40))} leaves its header nowhere`,
    async (server) => {
      const asked = `POST /chloe/poll HTTP/1.1\r\n${HOST}origin: ${origin}\r\n` +
        `content-length: 14\r\nconnection: close\r\n\r\n{"connect":{}}`;
      const { statuses, text } = await say(server, asked);
      assert(statuses[0] === undefined || [200, 400, 403].includes(statuses[0]), `${statuses}`);
      const [head = ""] = text.split("\r\n\r\n");
      assertEquals(/^set-cookie:/im.test(head), false);
      assert(head.split("\r\n").filter((line) => /^access-control/i.test(line)).length <= 1);
      for (const line of head.split("\r\n")) assert(!/[\r\n\0]/.test(line));
    },
    ANY_ORIGIN,
  );
}

for (
  const name of [
    "a\r\nevent: gap\r\ndata: 1",
    "a\nevent: gap",
    "a\rdata: 1",
    "a\u0000",
    "a\u0085b",
    "a\u007f",
  ]
) {
  harmless(`a channel called ${JSON.stringify(name)} is none`, async (server) => {
    const path = `/chloe/events?channel=news&channel=${encodeURIComponent(name)}`;
    const { status, text } = await ask(server, path);
    assertEquals(status, 400);
    assertEquals(JSON.parse(text).error.code, "bad_channel");
    await using client = new SessionClient(server);
    await client.connect("websocket");
    const reply = await client.subscribe(name);
    assert("error" in reply && reply.error.code === "bad_channel");
  });
}

harmless("data and names stay in their lines of an event stream", async (server) => {
  using stream = await request(server, "/chloe/events?channel=a&channel=b:event");
  assertEquals((await stream.head()).status, 200);
  await server.send({ channel: "a", data: "1\r\nevent: gap\r\ndata: 2\n\nid: 7\rretry: 1" });
  await server.send({ channel: "b:event", data: "last" });
  let text = "";
  while (!text.includes("last")) text += await within(stream.read(), "the last message");
  const lines = text.split(/\r\n|\r|\n/);
  assertEquals(lines.filter((line) => line.startsWith("retry:")).length, 1);
  assertEquals(lines.filter((line) => /^event: *gap/.test(line)), []);
  assertEquals(lines.filter((line) => /^id: *7/.test(line)), []);
  assert(lines.includes("data: event: gap") && lines.includes("data: id: 7"), text);
});

harmless(
  "a WebSocket is promised no protocol and no extension that was asked for",
  async (server) => {
    const asked = `GET /chloe/ws HTTP/1.1\r\n${HOST}connection: upgrade\r\nupgrade: websocket\r\n` +
      "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "sec-websocket-protocol: a, b\r\nsec-websocket-extensions: x-harm\r\n\r\n";
    using conn = await Deno.connect({ hostname: server.hostname, port: server.port });
    await writeAll(conn, new TextEncoder().encode(asked));
    const head = await within(new ByteReader(conn).until("\r\n\r\n"), "the handshake");
    assertMatch(head ?? "", /^HTTP\/1\.1 101 /);
    assertEquals(/^sec-websocket-(protocol|extensions):/im.test(head ?? ""), false);
  },
);

// CORS is for pages; an app is none

harmless("/send and /api answer no page of another origin", async (server) => {
  const key = { authorization: "Bearer chk_0123456789abcdef" };
  for (const path of ["/send", "/api/sessions", "/api/stats", "/healthz", "/"]) {
    for (const method of ["GET", "OPTIONS", "POST"]) {
      const { headers } = await ask(server, path, {
        method,
        headers: {
          ...key,
          origin: "https://a.example",
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization",
        },
      });
      const named = [...headers.keys()].filter((name) => name.startsWith("access-control-"));
      assertEquals([path, method, named], [path, method, []]);
    }
  }
}, ANY_ORIGIN);

harmless("every error says that it is no page, and nobody's to keep", async (server) => {
  for (
    const path of ["/none", "/send", "/api/none", "/chloe/ws", "/chloe/events", "/api/sessions/x"]
  ) {
    const { status, headers } = await ask(server, path);
    assert(status >= 400, path);
    assertEquals(headers.get("content-type"), "application/json");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("cache-control"), "no-store");
  }
});
