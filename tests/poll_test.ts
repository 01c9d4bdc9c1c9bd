/**
 * Long polls of protocol 2 one by one: what a client whose answers get lost, or whose polls overlap, sees.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ask } from "./support/http.ts";
import { connectByPoll, poll, post } from "./support/polls.ts";
import { startTestServer } from "./support/server.ts";
import { eventually } from "./support/within.ts";

const NEWS = { subscribe: { news: {} } };

Deno.test("a poll brings at once what waits, after where the count stands", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  await server.send({ channel: "news", data: 1 });
  await server.send({ channel: "news", data: 2 });
  using first = await poll(server, resume, 0);
  assertEquals((await first.head()).status, 200);
  assertEquals(
    await first.text(),
    '{"from":0}\n{"channel":"news","data":1}\n{"channel":"news","data":2}',
  );
});

Deno.test("a poll whose answer was lost brings it again; one that was not, does not", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  await server.send({ channel: "news", data: 1 });
  using lost = await poll(server, resume, 0);
  await lost.text();
  using again = await poll(server, resume, 0);
  assertEquals(await again.text(), '{"from":0}\n{"channel":"news","data":1}');
  await server.send({ channel: "news", data: 2 });
  using next = await poll(server, resume, 1);
  assertEquals(await next.text(), '{"from":1}\n{"channel":"news","data":2}');
});

Deno.test("a newer poll ends the older empty, and gets what comes", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  using older = await poll(server, resume, 0);
  using newer = await poll(server, resume, 0);
  // Either may have arrived first: the one that did is answered, with nothing.
  const [a, b] = [older.text(), newer.text()];
  const { text, other } = await Promise.race([
    a.then((text) => ({ text, other: b })),
    b.then((text) => ({ text, other: a })),
  ]);
  assertEquals(text, "");
  await server.send({ channel: "news", data: 1 });
  assertEquals(await other, '{"from":0}\n{"channel":"news","data":1}');
});

Deno.test("a poll that its browser gave up takes nothing with it", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  for (let n = 1; n <= 10; n++) {
    using aborted = await poll(server, resume, n - 1);
    aborted.cut();
    await server.send({ channel: "news", data: n });
    const text = await eventually(async () => {
      using next = await poll(server, resume, n - 1);
      // Where the one that was given up was read late, it took this one's place for a moment.
      return await next.text() || undefined;
    }, "the message");
    assertEquals(text, `{"from":${n - 1}}\n{"channel":"news","data":${n}}`);
  }
});

Deno.test("polls that were given up hold no place", async () => {
  await using server = await startTestServer({ limits: { connections: 3 } });
  const { resume } = await connectByPoll(server, NEWS);
  for (let n = 0; n < 20; n++) {
    using aborted = await poll(server, resume, 0);
    aborted.cut();
  }
  await server.send({ channel: "news", data: 1 });
  const text = await eventually(async () => {
    using next = await poll(server, resume, 0);
    const { status } = await next.head();
    return status === 503 ? undefined : await next.text() || undefined;
  }, "room for a poll");
  assertEquals(text, '{"from":0}\n{"channel":"news","data":1}');
});

Deno.test("a poll that comes late takes no place of one that knows more", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  await server.send({ channel: "news", data: 1 });
  using first = await poll(server, resume, 0);
  await first.text();
  using held = await poll(server, resume, 1);
  await eventually(async () => {
    const { text } = await ask(server, "/api/stats");
    return JSON.parse(text).hub.connections === 1 || undefined;
  }, "a poll to be held");
  using late = await poll(server, resume, 0);
  assertEquals([(await late.head()).status, await late.text()], [200, ""]);
  await server.send({ channel: "news", data: 2 });
  assertEquals(await held.text(), '{"from":1}\n{"channel":"news","data":2}');
});

Deno.test("up ends a held poll only by giving it something", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  using held = await poll(server, resume, 0);
  assertEquals((await post(server, "/chloe/up", [{ resume, received: 0 }])).status, 204);
  assertEquals((await post(server, "/chloe/up", [{ resume, received: 0 }, {}])).status, 204);
  const up = await post(server, "/chloe/up", [
    { resume, received: 0 },
    { subscribe: { channel: "chat" } },
    { id: 1, unsubscribe: { channel: "news" } },
  ]);
  assertEquals([up.status, up.text], [204, ""]);
  assertEquals(await held.text(), '{"from":0}\n{"id":1,"ok":{}}');
  assertEquals(await server.send({ channel: "chat", data: 1 }), 1);
});

Deno.test("a poll takes commands behind its first line, and may be answered by them", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server);
  using held = await poll(server, resume, 0, { id: 1, subscribe: { channel: "x" } });
  assertEquals(await held.text(), '{"from":0}\n{"id":1,"ok":{}}');
});

Deno.test("a session that breaks the protocol between two polls learns so from the next", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  assertEquals((await post(server, "/chloe/up", [{ resume, received: 1000 }])).status, 400);
  assertEquals(await server.send({ channel: "news", data: 1 }), 0);
  using next = await poll(server, resume, 0);
  const [from, bye] = (await next.text()).split("\n").map((line) => JSON.parse(line));
  assertEquals([from, bye.bye.code, bye.bye.reconnect], [{ from: 0 }, 3503, false]);
  assertEquals((await post(server, "/chloe/poll", [{ resume, received: 0 }])).status, 404);
});

Deno.test("connect over a poll is answered at once, its commands with the next poll", async () => {
  await using server = await startTestServer();
  const { status, text } = await post(server, "/chloe/poll", [
    { connect: {} },
    { id: 1, subscribe: { channel: "x" } },
  ]);
  assertEquals([status, text.split("\n").length], [200, 1]);
  using next = await poll(server, JSON.parse(text).connected.resume, 0);
  assertEquals(await next.text(), '{"from":0}\n{"id":1,"ok":{}}');
});

Deno.test("a resume over a poll is answered at once with what waits", async () => {
  await using server = await startTestServer();
  const { resume } = await connectByPoll(server, NEWS);
  await server.send({ channel: "news", data: 1 });
  const { text } = await post(server, "/chloe/poll", [{ connect: { resume, received: 0 } }]);
  const [connected, message] = text.split("\n").map((line) => JSON.parse(line));
  assertEquals([connected.connected.resumed, connected.connected.from], [true, 0]);
  assertEquals(message, { channel: "news", data: 1 });
});

Deno.test("a long queue comes in several answers, in order", async () => {
  await using server = await startTestServer({ limits: { unwritten_bytes: "1MiB" } });
  const { resume } = await connectByPoll(server, NEWS);
  const sent = Array.from({ length: 12 }, (_, n) => `${n}:${"x".repeat(40_000)}`);
  for (const data of sent) await server.send({ channel: "news", data });
  const seen: unknown[] = [];
  let answers = 0;
  while (seen.length < sent.length) {
    using next = await poll(server, resume, seen.length);
    const [from, ...lines] = (await next.text()).split("\n").map((line) => JSON.parse(line));
    assertEquals(from, { from: seen.length });
    seen.push(...lines.map(({ data }) => data));
    answers++;
  }
  assertEquals(seen, sent);
  assertEquals(answers > 1, true);
});

for (const path of ["/chloe/poll", "/chloe/up"]) {
  Deno.test(`${path} says 404 of a session that it does not know, so that a page can read it`, async () => {
    await using server = await startTestServer();
    const origin = "http://localhost:3000";
    for (const resume of ["", "nonsense", `${"x".repeat(16)}.${"y".repeat(24)}`]) {
      const { status, headers, text } = await post(server, path, [{ resume, received: 0 }], {
        origin,
      });
      assertEquals([status, JSON.parse(text).error.code], [404, "unknown_session"]);
      assertEquals(headers.get("access-control-allow-origin"), origin);
    }
  });
}

Deno.test("every answer to a poll says that it is not to be kept", async () => {
  await using server = await startTestServer();
  const { headers, text } = await post(server, "/chloe/poll", [{ connect: {} }]);
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(headers.get("x-accel-buffering"), "no");
  const { resume } = JSON.parse(text).connected;
  const up = await post(server, "/chloe/up", [{ resume, received: 0 }]);
  assertEquals(up.headers.get("cache-control"), "no-store");
});
