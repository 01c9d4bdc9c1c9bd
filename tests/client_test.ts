/**
 * chloe.js, running in Deno, against the real server.
 *
 * @module
 */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { Chloe, ChloeError, type ChloeOptions, type TransportName } from "../client/mod.ts";
import { Random } from "./support/random.ts";
import { startTestServer, type TestServer } from "./support/server.ts";
import { within } from "./support/within.ts";

const TRANSPORTS: readonly TransportName[] = ["websocket", "events", "poll"];

/** The network as the client sees it, which the test can break. */
class Network {
  /** Whether WebSockets can be opened. */
  webSockets = true;
  readonly #open = new Set<WebSocket>();
  #cut = new AbortController();
  readonly environment: NonNullable<ChloeOptions["environment"]>;

  constructor() {
    // deno-lint-ignore no-this-alias -- the class below has a `this` of its own
    const network = this;
    this.environment = {
      WebSocket: class extends WebSocket {
        constructor(url: string) {
          if (!network.webSockets) throw new Error("no WebSockets today");
          super(url);
          network.#open.add(this);
        }
      },
      fetch: (url, init) => this.#fetch(url, init),
      // Tries come soon after each other.
      random: () => 0.001,
    };
  }

  /** Breaks every connection and request: what is under way is lost in either direction. */
  cut(): void {
    const cut = this.#cut;
    this.#cut = new AbortController();
    cut.abort();
    for (const socket of this.#open) {
      this.#open.delete(socket);
      socket.onclose?.(new CloseEvent("close", { code: 1006 }));
    }
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const { signal } = this.#cut;
    return await fetch(url, { ...init, signal: AbortSignal.any([signal, init.signal!]) });
  }
}

/** A client that is closed at the end of its test. */
function open(
  server: { readonly url: string },
  options: ChloeOptions = {},
): Chloe & Disposable {
  const chloe = new Chloe(server.url, options);
  return Object.assign(chloe, { [Symbol.dispose]: () => chloe.close() });
}

/** Resolves when `count` messages came to the handler that it gives. */
function collect(count: number): { handler: (data: unknown) => void; all: Promise<unknown[]> } {
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  const data: unknown[] = [];
  const handler = (each: unknown) => {
    data.push(each);
    if (data.length === count) resolve(data);
  };
  return { handler, all: within(promise, `${count} messages`) };
}

/** Resolves when the client is in this state. */
function reaches(chloe: Chloe, wanted: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const off = chloe.on("state", (state) => {
    if (state !== wanted) return;
    off();
    resolve();
  });
  return within(promise, `the state ${wanted}`);
}

/** An app that answers what `answer` makes of the data, and keeps what it got. */
function startApp(answer: (data: unknown) => Response) {
  const events: unknown[] = [];
  const app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { data } = await request.json();
    events.push(data);
    return answer(data);
  });
  return {
    url: `http://127.0.0.1:${app.addr.port}/updates`,
    events,
    [Symbol.asyncDispose]: () => app.shutdown(),
  };
}

const echo = (data: unknown) => Response.json({ reply: { echo: data } });

for (const name of TRANSPORTS) {
  Deno.test(`client by ${name}: messages to a channel, to everyone and to the session`, async () => {
    await using server = await startTestServer();
    using chloe = open(server, { transports: [name] });
    const news = collect(100);
    const others = collect(2);
    chloe.onmessage(others.handler);
    chloe.subscribe("/news", news.handler);
    await chloe.connect();
    assertEquals(chloe.transport, name);
    for (let n = 0; n < 100; n++) assertEquals(await server.send({ channel: "news", data: n }), 1);
    await server.send({ data: { to: "everyone" } });
    await server.send({ session: chloe.session!, data: "to you" });
    assertEquals(await news.all, Array.from({ length: 100 }, (_, n) => n));
    assertEquals(await others.all, [{ to: "everyone" }, "to you"]);
  });

  Deno.test(`client by ${name}: send() resolves with the app's reply`, async () => {
    await using app = startApp(echo);
    await using server = await startTestServer({ app: { url: app.url } });
    using chloe = open(server, { transports: [name] });
    chloe.connect();
    const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => chloe.send({ n })));
    assertEquals(replies, Array.from({ length: 20 }, (_, n) => ({ echo: { n } })));
    assertEquals(app.events, Array.from({ length: 20 }, (_, n) => ({ n })));
  });

  Deno.test(`client by ${name}: what is refused says why`, async () => {
    await using app = startApp(() => new Response(null, { status: 403 }));
    await using server = await startTestServer({
      app: { url: app.url },
      channel: [{ pattern: "open*" }, { pattern: "*", authorize: "closed" }],
    });
    using chloe = open(server, { transports: [name] });
    await chloe.connect();
    const codeOf = async (promise: Promise<unknown>) =>
      (await assertRejects(() => promise, ChloeError)).code;
    assertEquals(await codeOf(chloe.send(1)), "app_refused");
    assertEquals(await codeOf(chloe.send("x".repeat(70_000))), "too_large");
    assertEquals(await codeOf(chloe.subscribe("secret", () => {})), "forbidden");
    await chloe.subscribe("open", () => {});
  });

  Deno.test(`client by ${name}: unsubscribe() ends the messages`, async () => {
    await using server = await startTestServer();
    using chloe = open(server, { transports: [name] });
    const everything = collect(1);
    chloe.onmessage(everything.handler);
    await chloe.connect();
    await chloe.subscribe("x", () => {});
    assertEquals(await server.send({ channel: "x", data: 1 }), 1);
    chloe.unsubscribe("x");
    await chloe.subscribe("y", () => {}); // answered after the unsubscribe
    assertEquals(await server.send({ channel: "x", data: 2 }), 0);
    await server.send({ data: "last" });
    assertEquals(await everything.all, ["last"]);
  });

  Deno.test(`client by ${name}: lost transports lose and double nothing`, async () => {
    await using app = startApp(echo);
    await using server = await startTestServer({ app: { url: app.url } });
    const network = new Network();
    using chloe = open(server, { transports: [name], environment: network.environment });
    await ledger({ server, network, chloe, events: app.events, seed: 7 });
  });
}

Deno.test("client: changes from WebSocket to an event stream and back lose and double nothing", async () => {
  await using app = startApp(echo);
  await using server = await startTestServer({ app: { url: app.url } });
  const network = new Network();
  using chloe = open(server, { environment: network.environment });
  const used = new Set<string | null>();
  chloe.on("state", (state) => state === "connected" && used.add(chloe.transport));
  await ledger({ server, network, chloe, events: app.events, seed: 11, changes: true });
  assertEquals([...used].sort(), ["events", "websocket"]);
});

/** Sends messages and commands while the network breaks, and checks that each arrived once, in order. */
async function ledger({ server, network, chloe, events, seed, changes = false }: {
  server: TestServer;
  network: Network;
  chloe: Chloe;
  events: readonly unknown[];
  seed: number;
  changes?: boolean;
}): Promise<void> {
  const random = new Random(seed);
  const messages = 300;
  const received = collect(messages);
  const replies: Promise<unknown>[] = [];
  chloe.subscribe("x", received.handler);
  await chloe.connect();
  const { session } = chloe;
  let cuts = 0;
  for (let n = 0; n < messages; n++) {
    await server.send({ channel: "x", data: n });
    if (n % 2 === 0) replies.push(chloe.send(replies.length));
    if (!random.chance(0.1)) continue;
    if (changes && random.chance(0.4)) network.webSockets = !network.webSockets;
    network.cut();
    cuts++;
    // Sometimes again before it is back, and sometimes only then.
    if (random.chance(0.5)) await reaches(chloe, "connected");
  }
  network.webSockets = true;
  const numbers = (length: number) => Array.from({ length }, (_, n) => n);
  assertEquals(await received.all, numbers(messages));
  const answers = await within(Promise.all(replies), "the app's replies");
  assertEquals(answers, numbers(replies.length).map((n) => ({ echo: n })));
  assertEquals(events, numbers(replies.length));
  assertEquals(chloe.session, session);
  assert(cuts > 20);
}

Deno.test("client: a server that is restarted gets its pages back, with their subscriptions", async () => {
  const first = await startTestServer();
  const { port } = first;
  using chloe = open(first, { environment: { random: () => 0.02 } });
  const news = collect(2);
  chloe.subscribe("news", news.handler);
  await chloe.connect();
  const { session } = chloe;
  await first.send({ channel: "news", data: "before" });
  const lost = reaches(chloe, "waiting");
  await first.shutdown();
  await lost;
  const back = reaches(chloe, "connected");
  await using second = await startTestServer({ port });
  await back;
  assertNotEquals(chloe.session, session);
  assertEquals(await second.send({ channel: "news", data: "after" }), 1);
  assertEquals(await news.all, ["before", "after"]);
});

Deno.test("client: where WebSockets do not come through, an event stream does", async () => {
  await using server = await startTestServer();
  const network = new Network();
  network.webSockets = false;
  using chloe = open(server, { environment: network.environment });
  await chloe.connect();
  assertEquals(chloe.transport, "events");
});

Deno.test("client: without an app send() says so", async () => {
  await using server = await startTestServer();
  using chloe = open(server);
  await chloe.connect();
  assertEquals((await assertRejects(() => chloe.send("hello?"), ChloeError)).code, "no_app");
});
