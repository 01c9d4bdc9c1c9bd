/**
 * Peers that break the protocols, on purpose or not: each is told what is wrong, none harms another.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ask, request, writeAll } from "./support/http.ts";
import { connectByPoll, poll, post } from "./support/polls.ts";
import {
  type Address,
  type ConfigFile,
  startTestServer,
  type TestServer,
} from "./support/server.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { OPCODES, RawWebSocket } from "./support/websocket.ts";
import { eventually } from "./support/within.ts";

/** Runs `body` against a server, which must be well afterwards. */
function survives(
  name: string,
  body: (server: TestServer) => Promise<void>,
  config: ConfigFile = {},
): void {
  Deno.test(name, async () => {
    await using server = await startTestServer(config);
    await body(server);
    assertEquals((await ask(server, "/healthz")).status, 200);
    await using client = new SessionClient(server);
    // Where few may connect, those that just went may still be counted.
    await eventually(() => client.connect("websocket").catch(() => undefined), "a session");
    assertEquals((await client.unsubscribe("nothing")).id, 1);
  });
}

/** Opens a WebSocket, sends a line and reads to the end. @returns The last words and the close code. */
async function lastWords(address: Address, ...messages: readonly (string | Uint8Array)[]) {
  using socket = await RawWebSocket.open(address, "/chloe/ws");
  for (const message of messages) {
    if (typeof message === "string") await socket.send(message);
    else await socket.sendFrame(OPCODES.binary, message);
  }
  const frames: Record<string, { code: unknown }>[] = [];
  for (;;) {
    const received = await socket.next();
    if (received.kind === "closed") return { frames, code: received.code };
    frames.push(...received.text.split("\n").map((line) => JSON.parse(line)));
  }
}

const CONNECT = '{"connect":{}}';

// Before there is a session

for (
  const [what, message, code, close] of [
    ["a command", '{"id":1,"subscribe":{"channel":"x"}}', "not_connected", 3503],
    ["a pong", "{}", "not_connected", 3503],
    ["a resume", '{"resume":"x","received":0}', "not_connected", 3503],
    ["what is not JSON", "hello", "bad_frame", 3503],
    ["nothing", "", "bad_frame", 3503],
    ["a list", "[]", "bad_frame", 3503],
    ["a connect that is none", '{"connect":7}', "bad_command", 3503],
    [
      "a connect that is too long",
      `{"connect":{"token":"${"x".repeat(70_000)}"}}`,
      "too_large",
      1009,
    ],
    ["far too much", "x".repeat(4 * 65_536 + 1), "too_large", 1009],
  ] as const
) {
  survives(
    `a WebSocket that begins with ${what} is told so and closed with ${close}`,
    async (server) => {
      const { frames, code: closed } = await lastWords(server, message);
      assertEquals(frames.map(({ error, bye }) => (error ?? bye)!.code), [code, close]);
      assertEquals(closed, close);
    },
  );
}

for (const path of ["/chloe/events", "/chloe/poll"]) {
  for (
    const [what, body, status, code] of [
      ["a command", '{"id":1,"subscribe":{"channel":"x"}}', 400, "not_connected"],
      ["what is not JSON", "hello", 400, "bad_frame"],
      ["nothing", "", 400, "bad_frame"],
      ["a connect that is none", '{"connect":7}', 400, "bad_command"],
      [
        "a connect that is too long",
        `{"connect":{"token":"${"x".repeat(70_000)}"}}`,
        413,
        "too_large",
      ],
      ["far too much", "x".repeat(4 * 65_536 + 1), 413, "too_large"],
      ["a lie about the count", '{"connect":{}}\n{"received":7}', 400, "bad_frame"],
    ] as const
  ) {
    survives(`${path} answers ${what} with ${status} and lets the page read it`, async (server) => {
      const origin = "http://localhost:3000";
      const answer = await post(server, path, [body], { origin });
      assertEquals([answer.status, JSON.parse(answer.text).error.code], [status, code]);
      assertEquals(answer.headers.get("access-control-allow-origin"), origin);
      assertEquals(answer.headers.get("content-type"), "application/json");
    });
  }
}

for (const [what, body] of [["nothing", ""], ["connect", CONNECT], ["a pong", "{}"]] as const) {
  survives(`/chloe/up cannot tell whose ${what} is`, async (server) => {
    const { status, text } = await post(server, "/chloe/up", [body]);
    assertEquals([status, JSON.parse(text).error.code], [400, "bad_frame"]);
  });
}

// In a session

for (const transport of TRANSPORTS) {
  survives(`${transport}: bad frames are answered, and the session goes on`, async (server) => {
    await using client = new SessionClient(server);
    await client.connect(transport);
    const long = `{"id":1,"send":{"data":"${"x".repeat(65_600)}"}}`;
    client.raw(
      [
        "hello",
        "[]",
        '{"connect":{}}',
        '{"resume":"x"}',
        '{"id":"1","send":{"data":1}}',
        '{"fly":{}}',
        long,
        '{"id":2,"fly":{}}',
        '{"id":3,"subscribe":{"channel":"a\\nb"}}',
        '{"id":4,"subscribe":{"channel":"x","since":7}}',
        '{"id":9,"subscribe":{"channel":"x"}}',
        '{"id":5,"subscribe":{"channel":"x"}}',
      ].join("\n"),
    );
    await client.reply(5);
    assertEquals(
      client.log.map((frame) => "error" in frame ? [frame.id, frame.error.code] : frame),
      [
        [undefined, "bad_frame"],
        [undefined, "bad_frame"],
        [undefined, "already_connected"],
        [undefined, "already_connected"],
        [undefined, "bad_command"],
        [undefined, "bad_command"],
        [1, "too_large"],
        [2, "bad_command"],
        [3, "bad_channel"],
        [4, "bad_command"],
        [9, "out_of_order"],
        { id: 5, ok: {} },
      ],
    );
  });

  survives(
    `${transport}: a session that says it received more than was sent is over`,
    async (server) => {
      await using client = new SessionClient(server);
      await client.connect(transport, { subscribe: { news: {} } });
      client.raw('{"received":1000}');
      await eventually(
        async () => await server.send({ channel: "news", data: 1 }) === 0 || undefined,
        "the end of the session",
      );
      await using again = new SessionClient(server);
      assertEquals((await again.connect(transport, { resume: client.secret })).resumed, false);
    },
  );
}

survives(
  "a WebSocket that breaks the count gets its earlier answers, then a goodbye",
  async (server) => {
    const { frames, code } = await lastWords(
      server,
      CONNECT,
      '{"id":1,"subscribe":{"channel":"x"}}\n{"received":1000}\n{"id":2,"subscribe":{"channel":"y"}}',
    );
    assertEquals(frames.slice(1).map(({ ok, error, bye }) => (error ?? bye)?.code ?? ok), [
      {},
      "bad_frame",
      3503,
    ]);
    assertEquals(code, 3503);
  },
);

survives("a binary message is closed with 1003", async (server) => {
  const { code } = await lastWords(server, CONNECT, Uint8Array.of(1, 2, 3));
  assertEquals(code, 1003);
  assertEquals((await lastWords(server, Uint8Array.of(1))).code, 1003);
});

survives("a message beyond four lines' length is closed with 1009", async (server) => {
  const lines = `${"x".repeat(65_536)}\n`.repeat(4);
  const { frames, code } = await lastWords(server, CONNECT, lines);
  assertEquals(frames.at(-2)?.error?.code, "too_large");
  assertEquals(code, 1009);
});

survives("a message in fragments is one message", async (server) => {
  using socket = await RawWebSocket.open(server, "/chloe/ws");
  const bytes = new TextEncoder().encode('{"connect":{"subscribe":{"é":{}}}}');
  await socket.sendFrame(OPCODES.text, bytes.subarray(0, 28), { fin: false });
  await socket.sendFrame(OPCODES.ping, new Uint8Array());
  await socket.sendFrame(OPCODES.continuation, bytes.subarray(28, 29), { fin: false });
  await socket.sendFrame(OPCODES.continuation, bytes.subarray(29));
  const received = await socket.next();
  assert(received.kind === "text");
  assertEquals(JSON.parse(received.text).connected.subscribed, { "é": {} });
});

for (
  const [what, bytes] of [
    ["a frame without a mask", Uint8Array.of(0x81, 2, 0x7b, 0x7d)],
    ["a reserved opcode", Uint8Array.of(0x83, 0x80, 0, 0, 0, 0)],
    ["reserved bits", Uint8Array.of(0xf1, 0x80, 0, 0, 0, 0)],
    ["a text that is not UTF-8", Uint8Array.of(0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe)],
    ["a frame of 2^62 bytes", Uint8Array.of(0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["HTTP", new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
  ] as const
) {
  for (const path of ["/chloe/ws", "/chloe/websocket"]) {
    survives(`${path}: ${what} ends the connection and nothing else`, async (server) => {
      using socket = await RawWebSocket.open(server, path);
      await writeAll(socket.conn, bytes);
      await socket.closed();
    });
  }
}

// Requests

for (const path of ["/chloe/ws", "/chloe/websocket"]) {
  survives(`${path} asks for an upgrade`, async (server) => {
    const { status, headers, text } = await ask(server, path);
    assertEquals([status, headers.get("upgrade")], [426, "websocket"]);
    assertEquals(JSON.parse(text).error.code, "upgrade_required");
  });

  for (
    const [what, headers] of [
      ["without a key", { connection: "upgrade", upgrade: "websocket" }],
      ["that Connection does not name", { upgrade: "websocket", "sec-websocket-key": "x" }],
    ] as const
  ) {
    survives(`${path} refuses an upgrade ${what}`, async (server) => {
      const { status, text } = await ask(server, path, { headers });
      assertEquals([status, JSON.parse(text).error.code], [400, "bad_request"]);
    });
  }
}

survives("upgrades that are broken off at once hold no place", async (server) => {
  for (let n = 0; n < 30; n++) {
    using _ = await request(server, n % 2 === 0 ? "/chloe/ws" : "/chloe/websocket", {
      headers: {
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      },
    });
  }
  await roomFor(3, server);
}, { limits: { connections: 3 }, session: { grace: "10ms" } });

survives("streams and polls that are broken off at once hold no place", async (server) => {
  for (let n = 0; n < 10; n++) {
    for (const path of ["/chloe/events", "/chloe/poll"]) {
      using _ = await request(server, path, { method: "POST", body: CONNECT });
    }
    using _ = await request(server, "/chloe/events?channel=x");
  }
  await roomFor(3, server);
}, { limits: { connections: 3 }, session: { grace: "10ms" } });

survives("HEAD of a stream opens none", async (server) => {
  for (let n = 0; n < 10; n++) {
    const { status } = await ask(server, "/chloe/events?channel=x", { method: "HEAD" });
    assertEquals(status, 405);
  }
  assertEquals(await server.send({ channel: "x", data: 1 }), 0);
  await roomFor(3, server);
}, { limits: { connections: 3 } });

survives("a body that is broken off opens no session", async (server) => {
  for (const path of ["/chloe/events", "/chloe/poll", "/chloe/up", "/chloe/xhr"]) {
    using _ = await request(server, path, {
      method: "POST",
      headers: { "content-length": "1000" },
      body: '{"connect":{"subscribe":{"x":{}}}}\n',
    });
  }
  assertEquals(await server.send({ data: 1 }), 0);
});

for (const [host, what] of [["a b", "malformed"], ["[::1", "malformed"], ["", "empty"]] as const) {
  survives(`a Host that is ${what}, as in "${host}", is refused`, async (server) => {
    for (const path of ["/chloe/events?channel=x", "/chloe/jsonp.js?data=x", "/healthz"]) {
      const { status } = await ask(server, path, { headers: { host } });
      assert(status === 200 && path === "/healthz" || status >= 400 && status < 500, `${status}`);
    }
  });
}

for (
  const [query, status, code] of [
    ["", 400, "bad_channel"],
    ["?channel=", 400, "bad_channel"],
    ["?channel=%20x", 400, "bad_channel"],
    ["?channel=a%0Aevent:%20x", 400, "bad_channel"],
    ["?channel=/all", 400, "bad_channel"],
    ["?channel=open&channel=closed", 403, "forbidden"],
  ] as const
) {
  survives(`/chloe/events${query} is answered with ${status}`, async (server) => {
    const { status: answered, text } = await ask(server, `/chloe/events${query}`);
    assertEquals([answered, JSON.parse(text).error.code], [status, code]);
    assertEquals(await server.send({ data: 1 }), 0);
  }, { channel: [{ pattern: "open" }, { pattern: "closed", authorize: "closed" }] });
}

survives("deep nesting is taken or refused, and nothing breaks", async (server) => {
  const data = "[".repeat(30_000) + "]".repeat(30_000);
  const { resume } = await connectByPoll(server, { subscribe: { x: {} } });
  const up = await post(server, "/chloe/up", [
    { resume, received: 0 },
    `{"id":1,"publish":{"channel":"x","data":${data}}}`,
  ]);
  assertEquals(up.status, 204);
  using next = await poll(server, resume, 0);
  const lines = (await next.text()).split("\n");
  assertEquals(JSON.parse(lines.at(-1)!).id, 1);
}, { channel: [{ pattern: "x", publish: "clients" }] });

/** Opens so many sessions at once, once what held their places has gone. */
async function roomFor(count: number, server: TestServer): Promise<void> {
  await using clients = new AsyncDisposableStack();
  for (let n = 0; n < count; n++) {
    const client = clients.use(new SessionClient(server));
    await eventually(
      () => client.connect("events").catch(() => undefined),
      "room for a session",
    );
  }
}
