/**
 * `shareTabs`: the tabs of one origin share one connection.
 *
 * @module
 */
import { assertEquals, assertNotEquals } from "@std/assert";
import { browserTest, type TestPage } from "../support/browser.ts";
import { ask } from "../support/http.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { assertNoErrors, servePages } from "../support/web_pages.ts";
import { eventually } from "../support/within.ts";
import { logOf, numbers, page, startApp } from "./_page.ts";

/** A server with an app, and a page that listens to the channel that stands behind its `#`. */
async function startScene({ grace = "15s" } = {}) {
  const app = startApp();
  const server = await startTestServer({ app: { url: app.url }, session: { grace } });
  const pages = servePages({
    "/": page(
      `
      const chloe = new Chloe({ shareTabs: true, environment: { random: () => 0.001 } });
      chloe.onmessage((data) => log.push(["everyone", data]));
      for (const name of location.hash.slice(1).split(",")) {
        chloe.subscribe(name, (data) => log.push(data));
      }
      const ready = chloe.connect();`,
      `${server.url}/chloe.js`,
    ),
  });
  return {
    server,
    /** What the pages sent to the app. */
    handled: app.handled,
    address: (...channels: string[]) => `${pages.origin}/#${channels}`,
    async [Symbol.asyncDispose]() {
      await pages[Symbol.asyncDispose]();
      await server.shutdown();
      await app[Symbol.asyncDispose]();
    },
  };
}

interface Stats {
  readonly sessions: number;
}

async function sessions(server: TestServer): Promise<number> {
  return (JSON.parse((await ask(server, "/api/stats")).text) as Stats).sessions;
}

/** Resolves when every channel is listened to by so many sessions. */
async function subscribed(server: TestServer, channel: string): Promise<void> {
  await eventually(
    async () => await server.send({ channel, data: "ready?" }) === 1 ? true : undefined,
    `a subscription to ${channel}`,
  );
}

/** What came to a page, but for the questions of `subscribed`. */
async function messages(page: TestPage, count: number): Promise<unknown> {
  await page.waitFor(`log.filter((each) => each !== "ready?").length >= ${count}`);
  return await page.evaluate(`log.filter((each) => each !== "ready?")`);
}

browserTest(
  "tabs: two of them have one session, and each gets what is its own",
  async (browser) => {
    await using scene = await startScene();
    const { server, address } = scene;
    const first = await browser.open(address("a", "both"));
    await first.evaluate("ready");
    const second = await browser.open(address("b", "both"));
    await second.evaluate("ready");
    for (const channel of ["a", "b", "both"]) await subscribed(server, channel);

    assertEquals(await sessions(server), 1);
    const session = await first.evaluate("chloe.session");
    assertNotEquals(session, null);
    assertEquals(await second.evaluate("chloe.session"), session);
    for (const tab of [first, second]) {
      assertEquals(await tab.evaluate("[chloe.state, chloe.transport]"), ["connected", "tabs"]);
    }

    await server.send(
      { channel: "a", data: "for a" },
      { channel: "b", data: "for b" },
      { channel: "both", data: "for both" },
      { data: "for everyone" },
    );
    const shared = ["for both", ["everyone", "for everyone"]];
    assertEquals(await messages(first, 3), ["for a", ...shared]);
    assertEquals(await messages(second, 3), ["for b", ...shared]);
    for (const [tab, name] of [[first, "first"], [second, "second"]] as const) {
      assertEquals(await tab.evaluate(`chloe.send("${name}")`), { handled: name });
      assertEquals(
        await tab.evaluate(
          `chloe.subscribe("a".repeat(300), () => {}).catch((error) => error.code)`,
        ),
        "bad_channel",
      );
    }
    assertNoErrors(first, second);
  },
);

browserTest("tabs: a channel that one of them leaves is still the other's", async (browser) => {
  await using scene = await startScene();
  const { server, address } = scene;
  const first = await browser.open(address("x", "y"));
  await first.evaluate("ready");
  const second = await browser.open(address("x"));
  await second.evaluate("ready");
  await subscribed(server, "x");
  await first.evaluate("chloe.unsubscribe('x')");
  await first.evaluate("chloe.subscribe('z', () => {})"); // answered after the unsubscribe
  assertEquals(await server.send({ channel: "x", data: 1 }), 1);
  assertEquals(await messages(second, 1), [1]);
  await second.evaluate("chloe.unsubscribe('x')");
  await second.evaluate("chloe.subscribe('z', () => {})");
  assertEquals(await server.send({ channel: "x", data: 2 }), 0);
  assertEquals(await messages(first, 0), []);
});

for (const closed of ["first", "second"] as const) {
  browserTest(
    `tabs: the ${closed} is closed, and the other goes on with nothing lost`,
    async (browser) => {
      await using scene = await startScene();
      const { server, address } = scene;
      const first = await browser.open(address("x"));
      await first.evaluate("ready");
      const second = await browser.open(address("x"));
      await second.evaluate("ready");
      await subscribed(server, "x");
      const session = await first.evaluate("chloe.session");
      const [leaving, staying] = closed === "first" ? [first, second] : [second, first];

      let closing: Promise<void> | undefined;
      for (const number of numbers(100)) {
        if (number === 50) closing = leaving.close();
        assertEquals(await server.send({ channel: "x", data: number }), 1);
      }
      await closing;
      assertEquals(await messages(staying, 100), numbers(100));
      assertEquals(await staying.evaluate("chloe.send('still here')"), { handled: "still here" });
      assertEquals(await staying.evaluate("chloe.session"), session);
      assertEquals(await sessions(server), 1);
      assertNoErrors(staying);
    },
  );
}

browserTest("tabs: one that closes its client leaves the other's alone", async (browser) => {
  await using scene = await startScene({ grace: "100ms" });
  const { server, address } = scene;
  const first = await browser.open(address("x"));
  await first.evaluate("ready");
  const second = await browser.open(address("x"));
  await second.evaluate("ready");
  await subscribed(server, "x");
  await first.evaluate("chloe.close()");
  assertEquals(await first.evaluate("chloe.state"), "closed");
  await second.waitFor("chloe.state === 'connected'");
  await server.send({ channel: "x", data: 1 });
  assertEquals(await messages(second, 1), [1]);
  await second.evaluate("chloe.close()");
  await eventually(
    async () => await sessions(server) === 0 ? true : undefined,
    "the end of the session",
  );
});

browserTest("tabs: a client that does not share has a session of its own", async (browser) => {
  await using scene = await startScene();
  const { server, address } = scene;
  const first = await browser.open(address("x"));
  await first.evaluate("ready");
  await first.evaluate(`(globalThis.alone = new Chloe(chloe.url)).connect()`);
  assertEquals(await sessions(server), 2);
  assertNotEquals(await first.evaluate("alone.session"), await first.evaluate("chloe.session"));
  assertEquals(await logOf(first, 0), []);
});

browserTest(
  "tabs: a leading tab that is frozen is replaced, and nothing is lost",
  async (browser) => {
    await using scene = await startScene();
    const { server, address } = scene;
    const first = await browser.open(address("x"));
    await first.evaluate("ready");
    const second = await browser.open(address("x"));
    await second.evaluate("ready");
    await subscribed(server, "x");
    const session = await first.evaluate("chloe.session");
    // Longer than a tab waits for the leading one's answer when it is looked at.
    const frozen = first.evaluate(
      "(() => { for (const end = Date.now() + 5000; Date.now() < end;); })()",
    );
    for (const number of numbers(50)) await server.send({ channel: "x", data: number });
    await second.evaluate(
      "void document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))",
    );
    assertEquals(await messages(second, 50), numbers(50));
    await frozen;
    for (const number of numbers(50)) await server.send({ channel: "x", data: 50 + number });
    for (const tab of [first, second]) {
      assertEquals(await messages(tab, 100), numbers(100));
      assertEquals(await tab.evaluate("chloe.session"), session);
      assertEquals(await tab.evaluate("chloe.send('here')"), { handled: "here" });
    }
    assertEquals(await sessions(server), 1);
  },
);
