/**
 * Sessions of protocol 2 over real sockets: commands, what outlives a transport, and what does not.
 *
 * @module
 */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { ServerFrame } from "../src/protocol/frames.ts";
import { connectByPoll, poll, post } from "./support/polls.ts";
import { ask } from "./support/http.ts";
import { startTestServer, type TestServer } from "./support/server.ts";
import { ConnectRefused, SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { eventually } from "./support/within.ts";

/** Sends each number as a message of its own request, so that each may travel alone. */
async function sendNumbers(server: TestServer, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await server.send({ channel: "news", data: n });
}

async function takeNumbers(client: SessionClient, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) assertEquals(await client.nextData(), n);
}

/** Waits until a page's socket, stream or next poll is there. */
async function connectionHeld(server: TestServer): Promise<void> {
  await eventually(async () => {
    const { hub } = JSON.parse((await ask(server, "/api/stats")).text);
    return hub.connections === 1 || undefined;
  }, "a connection that is held");
}

const isBye = (frame: ServerFrame) => "bye" in frame;

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: connect is answered with the session and its subscriptions`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    const connected = await client.connect(
      transport,
      {
        client: "test/1",
        subscribe: { news: {}, "/chat": { epoch: "a", offset: 1 }, "/all": {}, " ": {} },
        unknown: true,
      } as Parameters<SessionClient["connect"]>[1],
    );
    assert(connected.resume.startsWith(`${connected.session}.`));
    assertEquals(
      [connected.resumed, connected.from, connected.lastId, connected.ping, connected.maxBytes],
      [false, 0, 0, 25, 65536],
    );
    const { news, "/chat": chat, "/all": all, " ": blank } = connected.subscribed;
    assertEquals([news, chat], [{}, { recovered: false }]);
    assertEquals([all?.error?.code, blank?.error?.code], ["bad_channel", "bad_channel"]);
  });

  Deno.test(`${transport}: commands are answered in order, by their ids`, async () => {
    await using server = await startTestServer({
      channel: [{ pattern: "chat", publish: "clients" }, { pattern: "news" }],
    });
    await using client = new SessionClient(server);
    await client.connect(transport);
    const ids = [
      client.command({ subscribe: { channel: "chat" } }),
      client.command({ publish: { channel: "chat", data: { hello: 1 } } }),
      client.command({ publish: { channel: "news", data: 1 } }),
      client.command({ subscribe: { channel: "closed" } }),
      client.command({ unsubscribe: { channel: "chat" } }),
      client.command({ unsubscribe: { channel: "chat" } }),
      client.command({ send: { data: "hi" } }),
      client.command({ presence: { channel: "chat" } }),
    ];
    assertEquals(ids, [1, 2, 3, 4, 5, 6, 7, 8]);
    await client.reply(8);
    assertEquals(client.log.map((frame) => "error" in frame ? frame.error.code : frame), [
      { id: 1, ok: {} },
      { channel: "chat", data: { hello: 1 } },
      { id: 2, ok: {} },
      "forbidden",
      "forbidden",
      { id: 5, ok: {} },
      "not_subscribed",
      "no_app",
      "unsupported",
    ]);
  });

  Deno.test(`${transport}: brings a message to its session alone`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await using other = new SessionClient(server);
    await client.connect(transport);
    await other.connect(transport);
    assertEquals(await server.send({ session: client.session, data: "psst" }), 1);
    assertEquals(await server.send({ session: client.secret, data: "no" }), 0);
    assertEquals(await server.send({ data: "all but one", except: client.session }), 1);
    assertEquals(await client.next(), { data: "psst" });
    assertEquals(await other.next(), { channel: "/all", data: "all but one" });
  });

  Deno.test(`${transport}: brings nothing after unsubscribe was answered`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    await sendNumbers(server, 1, 3);
    assertEquals(await client.unsubscribe("news"), { id: 1, ok: {} });
    assertEquals(await server.send({ channel: "news", data: 4 }), 0);
    await server.send({ data: "end" });
    await client.next((frame) => "data" in frame && frame.data === "end");
    const data = client.log.flatMap((frame) => "data" in frame ? [frame.data] : []);
    assertEquals(data, [1, 2, 3, "end"]);
  });

  Deno.test(`${transport}: does a command once that comes again, and none out of order`, async () => {
    await using server = await startTestServer({
      channel: [{ pattern: "chat", publish: "clients" }],
    });
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { chat: {} } });
    await client.publish("chat", "once");
    client.raw('{"id":1,"publish":{"channel":"chat","data":"again"}}');
    client.raw('{"id":3,"publish":{"channel":"chat","data":"too early"}}');
    const refused = await client.reply(3);
    assertEquals("error" in refused && refused.error.code, "out_of_order");
    await client.publish("chat", "next");
    const data = client.log.flatMap((frame) => "data" in frame ? [frame.data] : []);
    assertEquals(data, ["once", "next"]);
  });

  Deno.test(`${transport}: forgets what was acknowledged`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    await sendNumbers(server, 1, 5);
    await takeNumbers(client, 1, 5);
    client.acknowledge();
    await client.subscribe("x"); // answered, so the line before it was taken
    // Who does not say what it has would need all of it.
    await using forgetful = new SessionClient(server);
    const connected = await forgetful.connect(transport, { resume: client.secret });
    assertEquals(connected.resumed, false);
    assertNotEquals(connected.session, client.session);
  });

  Deno.test(`${transport}: a connect that comes after its session went on is refused and begins none`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect("websocket", { subscribe: { news: {} } });
    await sendNumbers(server, 1, 5);
    await takeNumbers(client, 1, 5);
    client.acknowledge();
    await client.subscribe("x"); // answered, so the line before it was taken

    // On its way since before the acknowledgement: its page gave it up for the transport that it has.
    await using late = new SessionClient(server);
    const connecting = late.connect(transport, {
      resume: client.secret,
      received: 1,
      subscribe: { news: {} },
    });
    const { code } = await assertRejects(() => connecting, ConnectRefused);
    assertEquals(code, transport === "websocket" ? 3501 : 409);

    // Nobody is there twice, and what is not for the session does not reach it.
    assertEquals(await server.send({ channel: "news", data: 6, except: client.session }), 0);
    assertEquals(await server.send({ data: "neither", except: client.session }), 0);
    assertEquals(await server.send({ channel: "news", data: 7 }), 1);
    assertEquals(await client.nextData(), 7);
  });

  Deno.test(`${transport}: lets go of what is not acknowledged past the bound, not of the session`, async () => {
    await using server = await startTestServer({ limits: { unacknowledged_bytes: "1KiB" } });
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    await sendNumbers(server, 1, 20);
    await takeNumbers(client, 1, 20);
    client.deafen(); // the next are lost on the way
    const line = "x".repeat(200);
    for (let n = 0; n < 20; n++) await server.send({ channel: "news", data: line });
    await using again = new SessionClient(server);
    const connected = await again.connect(transport, {
      resume: client.secret,
      received: client.received,
      subscribe: { news: {} },
    });
    // A poll was answered once, and the rest still waits: nothing of that is let go.
    assertEquals(connected.resumed, transport === "poll");
    await server.send({ channel: "news", data: "end" });
    await again.next((frame) => "data" in frame && frame.data === "end");
  });

  Deno.test(`${transport}: a session that nobody came back to is over`, async () => {
    await using server = await startTestServer({ session: { grace: "10ms" } });
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    client.dropTransport();
    await eventually(
      async () => await server.send({ channel: "news", data: 1 }) === 0 || undefined,
      "the end of its grace time",
    );
    const up = await post(server, "/chloe/up", [{ resume: client.secret, received: 0 }]);
    assertEquals(up.status, 404);
    const connected = await client.resume(transport, { subscribe: { news: {} } });
    assertEquals([connected.resumed, connected.from, connected.lastId], [false, 0, 0]);
    if (transport === "poll") return; // so short a grace may be over before the next poll
    await sendNumbers(server, 1, 1);
    await takeNumbers(client, 1, 1);
    assertEquals(await client.subscribe("x"), { id: 1, ok: {} });
  });

  Deno.test(`${transport}: says goodbye when the server goes away, and when to come back`, async () => {
    await using server = await startTestServer();
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    await connectionHeld(server);
    await server.send({ channel: "news", data: "last" });
    const { ended } = client;
    await Promise.all([server.shutdown(), client.nextData()]);
    if (transport === "poll" && client.waiting.length === 0) return; // it was between two polls
    assertEquals(await client.next(isBye), {
      bye: { code: 3001, reason: "shutdown", reconnect: true, after: [500, 5000] },
    });
    if (transport === "websocket") assertEquals((await ended).code, 3001);
  });
}

for (const from of TRANSPORTS) {
  for (const to of TRANSPORTS) {
    for (const cut of [true, false]) {
      const how = cut ? "was cut" : "is still open";
      Deno.test(`${from} that ${how} is resumed over ${to}: nothing lost, nothing twice`, async () => {
        await using server = await startTestServer();
        await using client = new SessionClient(server);
        await client.connect(from, { subscribe: { news: {} } });
        await sendNumbers(server, 1, 5);
        await takeNumbers(client, 1, 5);
        const { session } = client;

        client.deafen();
        await sendNumbers(server, 6, 10);
        const unsure = client.command({ subscribe: { channel: "more" } });
        if (cut) client.dropTransport();
        await sendNumbers(server, 11, 15);

        const connected = await client.resume(to, { subscribe: { other: {} } });
        assertEquals([connected.resumed, connected.session], [true, session]);
        assertEquals(connected.subscribed, { other: {} });
        await sendNumbers(server, 16, 20);
        await takeNumbers(client, 6, 20);
        assertEquals(await client.reply(unsure), { id: unsure, ok: {} });

        assertEquals(await server.send({ channel: "more", data: 21 }), 1);
        await takeNumbers(client, 21, 21);
        const data = client.log.flatMap((frame) => "data" in frame ? [frame.data] : []);
        assertEquals(data, Array.from({ length: 21 }, (_, i) => i + 1));
        assertEquals(client.received, 22);
      });
    }
  }

  Deno.test(`${from} that another transport takes over from says so and ends`, async () => {
    for (const to of TRANSPORTS) {
      await using server = await startTestServer();
      await using old = new SessionClient(server);
      await using next = new SessionClient(server);
      await old.connect(from);
      await old.subscribe("news");
      const { ended } = old;
      // A poll that came after the takeover would be another thing.
      await connectionHeld(server);
      await next.connect(to, { resume: old.secret, received: 1 });
      if (from === "poll") {
        assertEquals((await ended).code, 3501); // an empty answer
        continue;
      }
      assertEquals(await old.next(isBye), {
        bye: { code: 3501, reason: "taken over by another transport", reconnect: false },
      });
      const { code } = await ended;
      if (from === "websocket") assertEquals(code, 3501);
    }
  });
}

Deno.test("a session resumed five times in a row over every transport misses nothing", async () => {
  await using server = await startTestServer();
  await using client = new SessionClient(server);
  await client.connect("poll", { subscribe: { news: {} } });
  let n = 0;
  for (let round = 0; round < 5; round++) {
    for (const transport of TRANSPORTS) {
      await sendNumbers(server, n + 1, n + 2);
      client.dropTransport();
      await sendNumbers(server, n + 3, n + 4);
      await client.resume(transport);
      await takeNumbers(client, n + 1, n + 4);
      n += 4;
    }
  }
  assertEquals(client.received, n);
});

Deno.test("a secret that is wrong in its last character brings no session back", async () => {
  await using server = await startTestServer();
  await using client = new SessionClient(server);
  await client.connect("websocket");
  const { secret } = client;
  const wrong = secret.slice(0, -1) + (secret.endsWith("A") ? "B" : "A");
  await using thief = new SessionClient(server);
  const connected = await thief.connect("websocket", { resume: wrong, received: 0 });
  assertEquals(connected.resumed, false);
  assertEquals(await client.subscribe("x"), { id: 1, ok: {} });
});

// Time, as short as a server can be told to count it

for (const transport of ["websocket", "events"] as const) {
  Deno.test(`${transport}: a page that does not answer a ping is closed with 3002, and may come back`, async () => {
    await using server = await startTestServer({ session: { ping: "10ms" } });
    await using mute = new SessionClient(server, { mute: true });
    await mute.connect(transport);
    const bye = await mute.next(isBye);
    assertEquals("bye" in bye && bye.bye.code, 3002);
    assertEquals(mute.pings, 1);
    if (transport === "websocket") assertEquals((await mute.ended).code, 3002);
    assertEquals((await mute.resume(transport)).resumed, true);
  });
}

Deno.test("poll: a poll that brings nothing is answered in time, and the next brings more", async () => {
  await using server = await startTestServer({ session: { ping: "10ms" } });
  const { resume } = await connectByPoll(server, { subscribe: { news: {} } });
  using empty = await poll(server, resume, 0);
  assertEquals(await empty.text(), '{"from":0}');
  await sendNumbers(server, 1, 1);
  using next = await poll(server, resume, 0);
  assertEquals(await next.text(), '{"from":0}\n{"channel":"news","data":1}');
});
