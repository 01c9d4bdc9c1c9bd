/**
 * The recipes of docs/channels.md, as they stand there: the config in a real Chloe, the page in real browsers,
 * the app as a process or as curl. Only addresses, ports and keys that stand for others are replaced.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse as parseToml } from "@std/toml";
import { SignJWT } from "jose";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { createTokenSecret } from "../src/signing/token_keys.ts";
import { freePort, startApp } from "./support/app_process.ts";
import { browserTest, type TestBrowser, type TestPage } from "./support/browser.ts";
import { runChloe } from "./support/chloe_process.ts";
import { codeBlocks, section, shellCommands, withPorts } from "./support/markdown.ts";
import { startProxy } from "./support/proxies.ts";
import {
  type Address,
  type ConfigFile,
  startTestServer,
  type TestServer,
} from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { assertNoErrors, servePages } from "./support/web_pages.ts";
import { eventually, within } from "./support/within.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const DOCUMENT = await Deno.readTextFile(`${ROOT}docs/channels.md`);

/** What stands in the document for the reader's own. */
const CHLOE = "https://chloe.example.com";
const APP_PORT = 4567;
const API_KEY = "chk_...";

const KEYS = {
  secret: createWebhookSecret(),
  apiKey: createApiKey(),
  tokenSecret: createTokenSecret(),
};

/** A recipe. */
class Recipe {
  readonly #text: string;

  constructor(heading: string) {
    this.#text = section(DOCUMENT, heading);
  }

  /** The blocks of a language, in order. */
  blocks(language: string): string[] {
    return codeBlocks(this.#text).filter((block) => block.language === language)
      .map(({ text }) => text);
  }

  get commands(): string[] {
    return shellCommands(this.#text);
  }
}

/** A recipe that is in use: Chloe, a network before her that may stall and break, and the app's web server. */
interface Kitchen {
  readonly server: TestServer;
  readonly network: StallingNetwork;
  /** Where the app's pages are. */
  readonly origin: string;
  /** Runs the recipe's command by its number; what it printed. */
  run(command: number): Promise<string>;
  /** The counters under `/api/stats`. */
  stats(): Promise<Stats>;
  /** Takes the network from the pages until their sessions are over, and gives it back after `meanwhile`. */
  whileAway(pages: readonly TestPage[], meanwhile: () => Promise<unknown>): Promise<void>;
}

interface Stats {
  readonly sessions: number;
  readonly hub: Readonly<Record<string, number>>;
}

/** A test of a recipe, in each browser. */
function recipeTest(
  heading: string,
  what: string,
  run: (kitchen: Kitchen, browser: TestBrowser) => Promise<void>,
): void {
  browserTest(`docs/channels.md, ${heading}: ${what}`, async (browser) => {
    const recipe = new Recipe(heading);
    const [app] = recipe.blocks("js");
    const html = recipe.blocks("html");
    const pages: Record<string, string> = {};
    await using files = servePages(pages);
    const port = freePort();
    const origin = app === undefined ? files.origin : `http://127.0.0.1:${port}`;

    const config = parseToml(withPorts(recipe.blocks("toml")[0]!, { [APP_PORT]: port }));
    await using server = await startTestServer({
      ...config as ConfigFile,
      secret: [KEYS.secret],
      api_keys: [KEYS.apiKey],
      token: { secret: [KEYS.tokenSecret] },
      origins: [origin],
      // Who loses the network shall need the channel's history.
      session: { grace: "10ms" },
    });
    await using network = stallingNetwork(server);
    await using proxy = startProxy(network);
    const { url } = proxy;
    html.forEach((text, n) => pages[`/${n}`] = text.replaceAll(CHLOE, url));

    await using folder = await makeFolder();
    if (app !== undefined) {
      await Deno.writeTextFile(`${folder.path}/page.html`, html[0]!.replaceAll(CHLOE, url));
      const text = withPorts(app.replaceAll(CHLOE, server.url), { [APP_PORT]: port });
      await Deno.writeTextFile(`${folder.path}/app.mjs`, text);
    }
    await using _app = app === undefined ? undefined : await startNodeApp(folder.path, port);

    const stats = async (): Promise<Stats> => {
      const headers = { authorization: `Bearer ${KEYS.apiKey}` };
      return await (await fetch(`${server.url}/api/stats`, { headers })).json();
    };
    await run({
      ...{ server, network, origin, stats },
      async run(n) {
        const command = recipe.commands[n]!.replaceAll(CHLOE, server.url);
        return await shell(command.replaceAll(API_KEY, KEYS.apiKey));
      },
      async whileAway(pages, meanwhile) {
        proxy.set({ network: "down" });
        proxy.cut();
        const isOver = async () => (await stats()).sessions === 0 || undefined;
        await eventually(isOver, "the end of all sessions");
        await meanwhile();
        proxy.mend();
        // As a browser says it: chloe.js need not wait for its next try then.
        for (const page of pages) await page.evaluate('dispatchEvent(new Event("online"))');
      },
    }, browser);
  });
}

async function makeFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "chloe-channels-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Runs `app.mjs`, with the packages that it asks for as Chloe's own import map has them. */
function startNodeApp(cwd: string, port: number): Promise<AsyncDisposable> {
  const flags = ["--no-prompt", "--allow-all", "--no-lock", `--config=${ROOT}deno.json`];
  const cache = Deno.env.get("DENO_DIR");
  return startApp([Deno.execPath(), "run", ...flags, "app.mjs"], {
    port,
    cwd,
    env: {
      CHLOE_SECRET: KEYS.secret,
      CHLOE_API_KEY: KEYS.apiKey,
      TOKEN_SECRET: KEYS.tokenSecret,
      DENO_NO_UPDATE_CHECK: "1",
      ...(cache !== undefined && { DENO_DIR: cache }),
    },
  });
}

async function shell(command: string): Promise<string> {
  const args = ["-c", command.replace(/^curl /, "curl --silent --show-error --fail ")];
  const output = new Deno.Command("/bin/sh", { args, stdin: "null" }).output();
  const { code, stdout, stderr } = await within(output, `the end of ${command}`);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Waits until `expression` is `value` on each page. */
async function shows(
  pages: readonly TestPage[],
  expression: string,
  value: unknown,
): Promise<void> {
  const text = JSON.stringify(value);
  for (const page of pages) await page.waitFor(`JSON.stringify(${expression}) === ${quote(text)}`);
}

const quote = (text: string) => JSON.stringify(text);

/** The texts of a list's items. */
const itemsOf = (list: string) =>
  `[...document.querySelectorAll("${list} li")].map((item) => item.textContent)`;

const textOf = (selector: string) => `document.querySelector("${selector}").textContent`;

/** Marks pages, so that one can see whether they were loaded anew. */
async function mark(pages: readonly TestPage[]): Promise<void> {
  for (const page of pages) await page.evaluate("window.isMarked = true");
}

/** Waits until pages that were marked were loaded anew. */
async function reloaded(pages: readonly TestPage[]): Promise<void> {
  for (const page of pages) {
    await eventually(async () => {
      // What is asked for while the page changes has no answer.
      const isMarked = await page.evaluate("Boolean(window.isMarked)").catch(() => true);
      return isMarked ? undefined : true;
    }, "a page that is loaded anew");
  }
}

/** Logs a user in, in the way of the recipes' apps, for the pages that are opened from now on. */
async function logIn({ origin }: Kitchen, browser: TestBrowser, user: string): Promise<void> {
  const page = await browser.open(`${origin}/token`);
  await page.evaluate(`document.cookie = "user=${user}; path=/"`);
  await page.close();
}

Deno.test("docs/channels.md shows what chloe check says of its rules", async () => {
  const recipe = new Recipe("Rules");
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/chloe.toml`, recipe.blocks("toml")[0]!);
  const [command] = recipe.commands;
  const { code, stdout } = await runChloe(command!.split(" ").slice(1), { cwd: folder.path });
  assertEquals([code, stdout], [0, recipe.blocks("text")[0]]);
});

Deno.test("docs/channels.md leads to places that are there", async () => {
  const links = [...DOCUMENT.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)];
  assert(links.length > 10);
  for (const [link, path, anchor] of links) {
    const text = path === "" ? DOCUMENT : await Deno.readTextFile(`${ROOT}docs/${path}`);
    const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")
    );
    if (anchor !== undefined) assert(anchors.includes(anchor), link);
  }
});

Deno.test("docs/channels.md says the same of a gap twice", () => {
  const [line] = new Recipe("History and recovery").blocks("js");
  assert(new Recipe("A public feed").blocks("html")[0]!.includes(line!));
});

recipeTest(
  "A public feed",
  "all see what is published, also what came while they were away",
  async (kitchen, browser) => {
    const { server, origin, run, whileAway } = kitchen;
    const pages = [await browser.open(`${origin}/0`), await browser.open(`${origin}/1`)];
    const subscribed = async () => {
      await pages[0]!.waitFor("chloe.session");
      await pages[1]!.waitFor("feed.readyState === EventSource.OPEN");
    };
    await subscribed();
    assertEquals(JSON.parse(await run(0)).matched, 2);
    await shows(pages, itemsOf("#news"), ["Chloe is back"]);
    assertNoErrors(...pages);

    await mark(pages);
    const titled = (title: string) => ({ channel: "news", data: { title } });
    await whileAway(pages, () => server.send(titled("one"), titled("two"), titled("three")));
    await shows(pages, itemsOf("#news"), ["Chloe is back", "one", "two", "three"]);
    await shows(pages, "window.isMarked", true);

    // One more than is kept: then they begin anew.
    const many = Array.from({ length: 101 }, (_, n) => titled(`${n}`));
    await whileAway(pages, () => server.send(...many));
    await reloaded(pages);
    await subscribed();
    await server.send(titled("afterwards"));
    await shows(pages, itemsOf("#news"), ["afterwards"]);
  },
);

recipeTest(
  "A private user channel",
  "all tabs of the user hear it, and nobody else",
  async (kitchen, browser) => {
    const { server, origin, run, whileAway } = kitchen;
    await logIn(kitchen, browser, "ada");
    const ada = [await browser.open(`${origin}/`), await browser.open(`${origin}/`)];
    const subscribed = 'chloe.channel("user:ada").subscribe()';
    for (const page of ada) await page.evaluate(subscribed);
    assertEquals(await run(0), "success");
    assertEquals(await run(1), "success");
    await shows(ada, textOf("#hint"), "Somebody looks at your photos");
    await shows(ada, itemsOf("#inbox"), ["Your order 42 has left us"]);
    assertNoErrors(...ada);

    await whileAway(ada, async () => {
      assertEquals(await server.send({ channel: "user:ada", data: "It is here" }), 0);
    });
    await shows(ada, itemsOf("#inbox"), ["Your order 42 has left us", "It is here"]);

    const stolen = await ada[0]!.evaluate('load("/channel-token")');
    await logIn(kitchen, browser, "bob");
    const bob = await browser.open(`${origin}/`);
    const refusals = await bob.evaluate(`(async () => {
      const codes = [];
      for (const token of [undefined, ${quote(String(stolen))}, await load("/channel-token")]) {
        await chloe.subscribe("user:ada", () => {}, { token })
          .catch(({ code }) => codes.push(code));
      }
      return codes;
    })()`);
    assertEquals(refusals, ["forbidden", "bad_token", "bad_token"]);
    await bob.evaluate('chloe.channel("user:bob").subscribe()');
    assertEquals(await server.send({ channel: "user:ada", data: "Ada's" }), 2);
    assertEquals(await server.send({ user: "bob", data: "Bob's" }), 1);
    await shows([bob], textOf("#hint"), "Bob's");
    assertEquals(await bob.evaluate(itemsOf("#inbox")), []);
  },
);

Deno.test("docs/channels.md, A private user channel: one token can do for both", async () => {
  const config = parseToml(new Recipe("A private user channel").blocks("toml")[0]!);
  const token = { secret: [KEYS.tokenSecret] };
  await using server = await startTestServer({ ...config as ConfigFile, token });
  const claims = { sub: "ada", channels: ["user:ada"] };
  const ada = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(KEYS.tokenSecret));
  await using page = new SessionClient(server);
  const subscribe = { "user:ada": {}, "user:bob": {} };
  const { subscribed } = await page.connect("websocket", { token: ada, subscribe });
  assertEquals(subscribed["user:ada"]!.offset, 0);
  assertEquals(subscribed["user:bob"]!.error?.code, "forbidden");
  assertEquals(await server.send({ channel: "user:ada", data: "hello" }), 1);
  assertEquals(await page.nextData(), "hello");
});

recipeTest(
  "A chat room with presence",
  "its members see each other and what is said, others see nothing",
  async (kitchen, browser) => {
    const { server, origin, whileAway } = kitchen;
    const say = (page: TestPage, text: string) =>
      page.evaluate(
        `find("input").value = ${quote(text)}, find("form").requestSubmit(), undefined`,
      );
    const who = textOf("#who");
    const lines = textOf("#lines");

    await logIn(kitchen, browser, "ada");
    const ada = await browser.open(`${origin}/`);
    await shows([ada], who, "Ada Lovelace");
    await say(ada, "Is anybody here?");
    await shows([ada], lines, "ada: Is anybody here?\n");

    await logIn(kitchen, browser, "bob");
    const bob = await browser.open(`${origin}/`);
    await shows([ada, bob], who, "Ada Lovelace, Bob");
    await shows([bob], lines, "ada: Is anybody here?\n");
    await say(bob, "Me");
    const said = "ada: Is anybody here?\nbob: Me\n";
    await shows([ada, bob], lines, said);
    assertNoErrors(ada, bob);

    const tab = await browser.open(`${origin}/`);
    await shows([tab], lines, said);
    await shows([ada, bob, tab], "members.size", 3);
    await shows([ada, bob, tab], who, "Ada Lovelace, Bob");
    await tab.close();

    await logIn(kitchen, browser, "eve");
    const eve = await browser.open(`${origin}/`);
    await eve.waitFor(textOf("#problem"));
    assertMatch(String(await eve.evaluate(textOf("#problem"))), /does not let you/);
    const published = 'room.publish("...").catch(({ code }) => code)';
    assertEquals(await eve.evaluate(published), "not_subscribed");
    assertEquals(await eve.evaluate(`[${who}, ${lines}]`), ["", ""]);

    await bob.close();
    await shows([ada], who, "Ada Lovelace");
    await mark([ada]);
    await whileAway([ada], async () => {
      assertEquals(await server.send({ channel: "chat:1", data: "I have to go" }), 0);
    });
    await shows([ada], lines, `${said}The app: I have to go\n`);
    await shows([ada], who, "Ada Lovelace");
    assertEquals(await ada.evaluate("window.isMarked"), true);
  },
);

recipeTest(
  "Live counters",
  "a page that took nothing for a while sees the newest, and stays connected",
  async (kitchen, browser) => {
    const { server, network, origin, run, stats } = kitchen;
    const page = await browser.open(`${origin}/0`);
    await page.evaluate(`window.heard = window.missed = 0,
      chloe.on("gap", (channel, missed) => window.missed += missed),
      chloe.subscribe("count:shop", () => window.heard++)`);
    await page.waitFor("chloe.session");
    const session = await page.evaluate("chloe.session");
    await server.send({ channel: "count:shop", data: { visitors: 1 } });
    await shows([page], textOf("#visitors"), "1");

    network.stall();
    // Longer ones than the recipe's, as what the kernel holds cannot be taken back.
    const padding = "x".repeat(60_000);
    let count = 1;
    while ((await stats()).hub.messagesDropped! < 5) {
      assert(++count < 2000, "nothing was dropped");
      await server.send({ channel: "count:shop", data: { visitors: count, padding } });
    }
    assertEquals(JSON.parse(await run(0)).matched, 1);
    count++;
    network.goOn();

    await shows([page], textOf("#visitors"), "1234");
    await shows([page], "window.heard + window.missed", count);
    assert(await page.evaluate("window.missed") as number >= 5);
    assertEquals(await page.evaluate("chloe.session"), session);
    assertNoErrors(page);
  },
);

interface StallingNetwork extends Address, AsyncDisposable {
  /** What comes from the server waits from now on. */
  stall(): void;
  goOn(): void;
}

/** A network between pages and a server that loses nothing, and that can stall. */
function stallingNetwork({ hostname, port }: Address): StallingNetwork {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const carried = new Set<Promise<unknown>>();
  const ends = new AbortController();
  const carry = async (client: Deno.Conn) => {
    const upstream = await Deno.connect({ hostname, port });
    const waiting = new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        await gate.promise;
        controller.enqueue(chunk);
      },
    });
    // Where one side is gone the other is told so: that is all there is to do.
    await Promise.allSettled([
      client.readable.pipeTo(upstream.writable, ends),
      upstream.readable.pipeThrough(waiting, ends).pipeTo(client.writable, ends),
    ]);
  };
  const accepting = (async () => {
    for await (const client of listener) {
      const carrying = carry(client).finally(() => carried.delete(carrying));
      carried.add(carrying);
    }
  })();
  return {
    hostname: "127.0.0.1",
    port: listener.addr.port,
    stall: () => gate = Promise.withResolvers(),
    goOn: () => gate.resolve(),
    async [Symbol.asyncDispose]() {
      gate.resolve();
      listener.close();
      ends.abort();
      await accepting;
      await Promise.all(carried);
    },
  };
}
