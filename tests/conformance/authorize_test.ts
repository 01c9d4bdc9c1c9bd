/**
 * Who may enter a channel, rule by rule.
 *
 * @module
 */
import { assertEquals, assertObjectMatch } from "@std/assert";
import { json, ok, silent, status } from "../support/misbehaving_app.ts";
import { SessionClient } from "../support/session_client.ts";
import { eventually } from "../support/within.ts";
import {
  conformance,
  conformanceAtOnce,
  held,
  makeToken,
  nextOf,
  secondsFromNow,
  seen,
  subscribe,
  verdict,
} from "./_walk.ts";

conformance("open: everybody is let in, and hears the channel alone", async (walk) => {
  const { tabs, ada } = await walk.browsers({ subscribe: { "room:1": {} } });
  for (const { connected } of tabs) assertEquals(connected!.subscribed, { "room:1": {} });
  assertEquals(verdict(await subscribe(ada[0], "room:2")), "ok");
  assertEquals(await walk.server.send({ channel: "room:2", data: "for one" }), 1);
  assertEquals(await walk.server.send({ channel: "room:1", data: "for all" }), 4);
  assertEquals(await ada[0].nextData(), "for one");
  for (const tab of tabs) assertEquals(await tab.nextData(), "for all");
});

conformance("the first rule whose pattern fits a name is the one", async (walk) => {
  const tab = await walk.tab();
  const names = ["room:staff:1", "room:staff", "room:staff:1:a", "/room:1/2", "room:", "rooms:1"];
  const verdicts = [];
  for (const name of names) verdicts.push(verdict(await subscribe(tab, name)));
  assertEquals(verdicts, ["forbidden", "ok", "ok", "ok", "ok", "forbidden"]);
  assertEquals(await walk.server.send({ channel: "room:1/2", data: 1 }), 1);
});

conformance("closed: nobody is let in but by the app", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers({ subscribe: { "closed:1": {} } });
  for (const { connected } of [ada, bob]) {
    assertEquals(verdict(connected!.subscribed["closed:1"]!), "forbidden");
  }
  assertEquals(verdict(await subscribe(ada, "closed:1")), "forbidden");
  walk.app.behave(json({ subscribe: ["closed:1"] }));
  await ada.send("let me in");
  assertEquals(verdict(await subscribe(ada, "closed:1")), "ok", "who is in already stays in");
  assertEquals(await walk.server.send({ channel: "closed:1", data: "hush" }), 1);
  assertEquals(await ada.nextData(), "hush");
});

conformance("closed: what the app let in, it can throw out", async (walk) => {
  const tab = await walk.tab();
  walk.app.behave(json({ subscribe: ["closed:1"] }), json({ unsubscribe: ["closed:1"] }));
  await tab.send("in");
  await tab.send("out");
  const { channel, unsubscribed } = await nextOf(tab, "unsubscribed");
  assertEquals([channel, unsubscribed.code], ["closed:1", "revoked"]);
  assertEquals(verdict(await subscribe(tab, "closed:1")), "forbidden");
});

conformance(
  "token: it opens the channel that it names, or those that its pattern fits",
  async (walk) => {
    const { ada: [ada], bob: [bob] } = await walk.browsers();
    const one = await makeToken({ channel: "private:1" });
    const many = await makeToken({ pattern: "private:b*", sub: "bob", info: { from: "the app" } });
    assertEquals(verdict(await subscribe(ada, "/private:1", { token: one })), "ok");
    assertEquals(verdict(await subscribe(bob, "private:b1", { token: many })), "ok");
    const { presence } = await subscribe(bob, "private:b2", { token: many, info: "from the page" });
    assertEquals(presence?.members?.[0]?.info, { from: "the app" });
    for (const [channel, tab] of [["private:1", ada], ["private:b1", bob]] as const) {
      assertEquals(await walk.server.send({ channel, data: channel }), 1);
      assertEquals(await tab.nextData(), channel);
    }
  },
);

conformance("token: at connect it opens channels just as later", async (walk) => {
  const token = await makeToken({ channel: "private:1" });
  const tab = await walk.tab("ada", {
    subscribe: { "private:1": { token }, "private:2": { token } },
  });
  const { "private:1": one, "private:2": two } = tab.connected!.subscribed;
  assertEquals([verdict(one!), verdict(two!)], ["ok", "bad_token"]);
});

conformance("token: one that is not good for it opens nothing", async (walk) => {
  const tab = await walk.tab("ada");
  const channel = "private:1";
  const bad: Record<string, [string | undefined, string]> = {
    none: [undefined, "forbidden"],
    "another channel's": [await makeToken({ channel: "private:2" }), "bad_token"],
    "another pattern's": [await makeToken({ pattern: "private:1:*" }), "bad_token"],
    "a pattern that does not parse": [await makeToken({ pattern: "private:***" }), "bad_token"],
    "a name that looks like a pattern": [await makeToken({ channel: "private:*" }), "bad_token"],
    "a name and a pattern": [await makeToken({ channel, pattern: "private:*" }), "bad_token"],
    "another user's": [await makeToken({ channel, sub: "bob" }), "bad_token"],
    "a connection's": [await makeToken({ sub: "ada" }), "bad_token"],
    "by another secret": [await makeToken({ channel }, "x".repeat(40)), "bad_token"],
    "for another audience": [await makeToken({ channel, aud: "others" }), "bad_token"],
    "of the future": [await makeToken({ channel, nbf: secondsFromNow(600) }), "bad_token"],
    "no token": ["hello", "bad_token"],
    huge: [await makeToken({ channel, info: "x".repeat(9000) }), "bad_token"],
    "with too much info": [await makeToken({ channel, info: "x".repeat(1100) }), "bad_token"],
    expired: [
      await makeToken({ channel, exp: secondsFromNow(-60) }),
      "token_expired, retry",
    ],
  };
  for (const [name, [token, expected]] of Object.entries(bad)) {
    const asking = token === undefined ? {} : { token };
    assertEquals(verdict(await subscribe(tab, channel, asking)), expected, name);
  }
  assertEquals(await walk.server.send({ channel, data: 1 }), 0);
  const token = await makeToken({ channel, sub: "ada" });
  assertEquals(verdict(await subscribe(tab, channel, { token })), "ok", "and a good one does");
});

conformance("token: nobody's session takes no user's token", async (walk) => {
  const tab = await walk.tab();
  const token = await makeToken({ channel: "private:1", sub: "ada" });
  assertEquals(verdict(await subscribe(tab, "private:1", { token })), "bad_token");
});

conformanceAtOnce(
  "token: what it opened ends with it, unless a new one comes before",
  async (walk) => {
    const { ada: [ada], bob: [bob] } = await walk.browsers();
    const channel = "private:1";
    const longer = await makeToken({ channel, exp: secondsFromNow(600) });
    const token = await makeToken({ channel, exp: secondsFromNow(4) });
    // Who is in for long first: a slow machine has those seconds for it.
    await subscribe(bob, channel, { token });
    assertEquals(verdict(await subscribe(bob, channel, { token: longer })), "ok");
    await subscribe(ada, channel, { token });
    const { unsubscribed } = await nextOf(ada, "unsubscribed");
    assertEquals(unsubscribed.code, "token_expired");
    assertEquals((await seen(bob, "leave", ada)).session, ada.session);
    assertEquals(await walk.server.send({ channel, data: "for Bob" }), 1);
    assertEquals(await bob.nextData(), "for Bob");
    assertEquals(
      verdict(await subscribe(ada, channel, { token: longer })),
      "ok",
      "it may come back",
    );
  },
);

conformance("app: it is asked, and says what others see", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers();
  walk.app.behave(ok, json({ info: { name: "Bob" }, send: [{ channel: "asked:1", data: "Hi" }] }));
  assertEquals(verdict(await subscribe(ada, "asked:1", { info: "from the page" })), "ok");
  assertObjectMatch(JSON.parse(walk.app.received[0]!.body), {
    type: "subscribe",
    session: ada.session,
    user: "ada",
    channel: "asked:1",
    info: "from the page",
    ask: true,
  });
  const { presence } = await subscribe(bob, "asked:1", { info: "a liar" });
  assertEquals(presence?.members, [
    { session: ada.session, user: "ada", info: "from the page" },
    { session: bob.session, user: "bob", info: { name: "Bob" } },
  ]);
  assertEquals((await seen(ada, "join", bob)).info, { name: "Bob" });
  for (const tab of [ada, bob]) assertEquals(await tab.nextData(), "Hi");
  await subscribe(ada, "asked:1");
  assertEquals(walk.app.received.length, 2, "who is in is not asked about again");
});

conformance("app: at connect it is asked just as later", async (walk) => {
  walk.app.behave(ok, status(403));
  const tab = await walk.tab("ada", { subscribe: { "asked:1": {}, "asked:2": {}, "room:1": {} } });
  const { "asked:1": one, "asked:2": two, "room:1": three } = tab.connected!.subscribed;
  assertEquals([one, two, three].map((each) => verdict(each!)), ["ok", "forbidden", "ok"]);
});

conformance("app: its no is a no, and its trouble is none", async (walk) => {
  const tab = await walk.tab("ada");
  const info = "x".repeat(1100);
  walk.app.behave(status(403), status(404), status(500), json({ info }), ok);
  const verdicts = [];
  for (let n = 0; n < 5; n++) verdicts.push(verdict(await subscribe(tab, "asked:1")));
  assertEquals(verdicts, ["forbidden", "forbidden", "app_unreachable, retry", "forbidden", "ok"]);
});

conformance("app: where it never answers the page is told to try again", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers();
  walk.app.behave(silent);
  assertEquals(verdict(await subscribe(ada, "asked:1")), "app_unreachable, retry");
  assertEquals(await walk.server.send({ channel: "asked:1", data: 1 }), 0);
  const connected = await walk.tab("ada", { subscribe: { "asked:1": {} } });
  assertEquals(verdict(connected.connected!.subscribed["asked:1"]!), "app_unreachable, retry");
  await walk.app.down();
  assertEquals(verdict(await subscribe(bob, "asked:1")), "app_unreachable, retry");
  walk.app.up();
  walk.app.behave(ok);
  for (const tab of [ada, bob]) {
    // A loaded machine may take longer over it than this app is given.
    await eventually(async () => {
      return verdict(await subscribe(tab, "asked:1")) === "ok" || undefined;
    }, "a yes in time");
  }
}, { config: { app: { timeout: "300ms" } } });

conformance("app: who leaves before it answers is not in", async (walk) => {
  const tab = await walk.tab();
  const { released, release } = held();
  walk.app.behave(async (connection) => {
    await released;
    await ok(connection);
  });
  const asked = tab.command({ subscribe: { channel: "asked:1" } });
  await walk.app.requests(1);
  const left = tab.reply(tab.command({ unsubscribe: { channel: "asked:1" } }));
  assertEquals("ok" in await left, true);
  release();
  const reply = await tab.reply(asked);
  assertEquals("error" in reply && reply.error.code, "not_subscribed");
  assertEquals(await walk.server.send({ channel: "asked:1", data: 1 }), 0);
});

conformanceAtOnce("app: who goes while it is asked leaves nothing behind", async (walk) => {
  const { server, app, transport } = walk;
  const { released, release } = held();
  app.behave(async (connection) => {
    await released;
    await ok(connection);
  });
  const gone = new SessionClient(server);
  const connecting = gone.connect(transport, { subscribe: { "asked:1": {}, "room:1": {} } });
  await app.requests(1);
  gone.dropTransport();
  release();
  await connecting.catch(() => {}); // nobody is there to hear how it turned out
  const tab = await walk.tab();
  assertEquals(verdict(await subscribe(tab, "asked:1")), "ok");
  for (const channel of ["asked:1", "room:1"]) {
    const others = channel === "asked:1" ? 1 : 0;
    await eventually(
      async () => await server.send({ channel, data: 1 }) === others || undefined,
      "the end of a session that nobody knows",
    );
  }
}, { config: { session: { grace: "1s" } } });
