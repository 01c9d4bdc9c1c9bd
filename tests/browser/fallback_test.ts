/**
 * Networks that let only some of the transports through, or none for a while.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { browserTest, type TestPage } from "../support/browser.ts";
import { type Faults, startProxy, type TestProxy } from "../support/proxies.ts";
import { startTestServer } from "../support/server.ts";
import { servePages } from "../support/web_pages.ts";
import { eventually } from "../support/within.ts";
import { FAKE_TIME, logOf, numbers, page, startApp } from "./_page.ts";

/** As long as the page waits for a transport while there is another to try. */
const PROBE_MS = 3000;

/** A page whose clock is the test's, a proxy before Chloe, and an app that answers. */
interface Scene {
  readonly proxy: TestProxy;
  readonly page: TestPage;
  /** Sends the next so many numbers to the page's channel, one after the other. */
  send(count: number): Promise<void>;
  /** Checks that every number came once, in order, and that the session has gone on. */
  assertAllCame(): Promise<void>;
}

function sceneTest(name: string, faults: Partial<Faults>, run: (scene: Scene) => Promise<void>) {
  browserTest(name, async (browser) => {
    await using app = startApp();
    // Time that the test moves shall not look like silence.
    await using server = await startTestServer({ app: { url: app.url }, session: { ping: "10m" } });
    await using proxy = startProxy(server, faults);
    await using pages = servePages({
      "/": page(
        `${FAKE_TIME}
        let dials = 0;
        const environment = {
          ...time.environment,
          WebSocket: class extends WebSocket {
            constructor(url) {
              super(url);
              dials++;
            }
          },
        };
        const chloe = new Chloe("${proxy.url}", { environment });
        chloe.subscribe("x", (data) => log.push(data));
        chloe.connect();`,
        `${server.url}/chloe.js`,
      ),
    });
    const opened = await browser.open(`${pages.origin}/`);
    let sent = 0;
    const scene: Scene = {
      proxy,
      page: opened,
      async send(count) {
        for (; count > 0; count--) await server.send({ channel: "x", data: ++sent });
      },
      async assertAllCame() {
        await logOf(opened, sent);
        const reply = await opened.evaluate("chloe.send('there?')");
        assertEquals(reply, { handled: "there?" });
        assertEquals(await opened.evaluate("log"), numbers(sent));
      },
    };
    try {
      await run(scene);
    } catch (error) {
      const state = await opened.evaluate("JSON.stringify([chloe.state, chloe.transport, log])");
      const requests = proxy.requests.join(", ");
      throw new Error(`${sent} sent; the page is at ${state}; requests: ${requests}`, {
        cause: error,
      });
    }
  });
}

/** Resolves when so many requests of a kind have come to the proxy. */
async function requested(proxy: TestProxy, request: string, count = 1): Promise<void> {
  const come = () => proxy.requests.filter((each) => each === request).length >= count;
  await eventually(() => Promise.resolve(come() || undefined), `${count} of ${request}`);
}

async function connectedBy(page: TestPage, transport: string): Promise<void> {
  await page.waitFor("chloe.state === 'connected'");
  assertEquals(await page.evaluate("chloe.transport"), transport);
}

sceneTest(
  "fallback: where upgrades are stripped, the event stream takes over",
  { upgrades: "strip" },
  async ({ page, send, assertAllCame }) => {
    await connectedBy(page, "events");
    await send(20);
    await assertAllCame();
  },
);

sceneTest(
  "fallback: where upgrades are swallowed, the event stream takes over",
  { upgrades: "swallow" },
  async ({ proxy, page, send, assertAllCame }) => {
    await requested(proxy, "GET /chloe/ws");
    await page.evaluate(`time.advance(${PROBE_MS})`);
    await connectedBy(page, "events");
    await send(20);
    await assertAllCame();
  },
);

sceneTest(
  "fallback: where streams are held back, too, long-poll takes over",
  { upgrades: "strip", answers: "buffer" },
  async ({ proxy, page, send, assertAllCame }) => {
    await requested(proxy, "POST /chloe/events");
    await page.evaluate(`time.advance(${PROBE_MS})`);
    await connectedBy(page, "poll");
    await send(20);
    await assertAllCame();
  },
);

sceneTest(
  "fallback: a session goes from WebSocket to event stream to long-poll, and loses and doubles nothing",
  {},
  async ({ proxy, page, send, assertAllCame }) => {
    await connectedBy(page, "websocket");
    const session = await page.evaluate("chloe.session");
    /** Time goes on whenever the page waits for it, and for an answer that is held back. */
    const comeBack = async () => {
      let held = 0;
      await eventually(async () => {
        await send(1);
        const state = await page.evaluate("chloe.state");
        const { length } = proxy.requests;
        if (state === "waiting") await page.evaluate("time.next()");
        else if (state === "connecting" && length > held && isHeldBack(proxy.requests.at(-1)!)) {
          held = length;
          await page.evaluate("time.next()");
        }
        return state === "connected" ? true : undefined;
      }, "the page's return");
    };
    const isHeldBack = (request: string) => isBuffering && request === "POST /chloe/events";
    let isBuffering = false;

    await send(10);
    proxy.set({ upgrades: "strip" });
    proxy.cut();
    await send(10);
    await page.waitFor("chloe.state !== 'connected'");
    await comeBack();
    await connectedBy(page, "events");
    await send(10);

    isBuffering = true;
    proxy.set({ answers: "buffer" });
    proxy.cut();
    await send(10);
    await page.waitFor("chloe.state !== 'connected'");
    await comeBack();
    await connectedBy(page, "poll");
    await send(10);
    await assertAllCame();
    assertEquals(await page.evaluate("chloe.session"), session);
  },
);

for (
  const [transport, faults] of [
    ["events", { upgrades: "strip" }],
    ["poll", { upgrades: "strip", answers: "buffer" }],
  ] as const
) {
  sceneTest(
    `upgrade: from ${transport} to WebSocket as soon as one comes through, with nothing lost or doubled`,
    faults,
    async ({ proxy, page, send, assertAllCame }) => {
      if (transport === "poll") {
        await requested(proxy, "POST /chloe/events");
        await page.evaluate(`time.advance(${PROBE_MS})`);
      }
      await connectedBy(page, transport);
      const session = await page.evaluate("chloe.session");
      await page.evaluate(
        "void (globalThis.changes = [], chloe.on('state', (state) => changes.push(state)))",
      );

      await send(10);
      await page.evaluate("time.until(() => dials === 2)");
      await requested(proxy, "GET /chloe/ws", 2);
      await send(10);
      assertEquals(await page.evaluate("chloe.transport"), transport);

      proxy.mend();
      const sending = send(50);
      await page.evaluate("time.until(() => dials === 3)");
      await page.waitFor("chloe.transport === 'websocket'");
      await sending;
      await send(10);
      await assertAllCame();
      assertEquals(await page.evaluate("chloe.session"), session);
      assertEquals(await page.evaluate("changes"), []);
    },
  );
}

sceneTest(
  "outage: a page that is told of the network's return is back at once, and has missed nothing",
  {},
  async ({ proxy, page, send, assertAllCame }) => {
    await connectedBy(page, "websocket");
    const session = await page.evaluate("chloe.session");
    await send(5);
    proxy.set({ network: "down" });
    proxy.cut();
    await page.waitFor("chloe.state === 'waiting'");
    await send(5);
    proxy.mend();
    await page.evaluate("dispatchEvent(new Event('online'))");
    await connectedBy(page, "websocket");
    await assertAllCame();
    assertEquals(await page.evaluate("chloe.session"), session);
  },
);

sceneTest(
  "captive portal: the page waits, longer and longer, and connects when the portal is gone",
  { answers: "portal" },
  async ({ proxy, page, send, assertAllCame }) => {
    const pauses: unknown[] = [];
    for (let round = 1; round <= 8; round++) {
      await page.waitFor("chloe.state === 'waiting'");
      // A WebSocket, an event stream and a poll, and nothing more.
      assertEquals(proxy.requests.length, 3 * round);
      pauses.push(await page.evaluate("-time.now() + (time.next(), time.now())"));
    }
    // The half of windows from half a second to twenty.
    assertEquals(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    await page.waitFor("chloe.state === 'waiting'");
    proxy.mend();
    await page.evaluate("time.next()");
    await connectedBy(page, "websocket");
    await send(3);
    await assertAllCame();
  },
);

sceneTest(
  "idle connections that are ended cost no message",
  {},
  async ({ proxy, page, send, assertAllCame }) => {
    await connectedBy(page, "websocket");
    const session = await page.evaluate("chloe.session");
    for (let round = 0; round < 5; round++) {
      proxy.set({ idleMs: 1 });
      await send(2);
      await page.waitFor("chloe.state === 'waiting'");
      proxy.mend();
      await page.evaluate("time.next()");
      await connectedBy(page, "websocket");
    }
    await assertAllCame();
    assertEquals(await page.evaluate("chloe.session"), session);
  },
);
