/**
 * The apps in examples/, each before a real Chloe. Those whose language is not installed are passed over,
 * unless `CI` is set.
 *
 * @module
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { webhookSigner } from "../src/signing/standard_webhooks.ts";
import { freePort, isMissing, type Language, startApp } from "./support/app_process.ts";
import { withPorts } from "./support/markdown.ts";
import { startTestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";

interface Example {
  readonly name: string;
  readonly language: Language;
  /** The words that start it on a port, where it has the port from its command line. */
  command(port: number): readonly string[];
}

const ROOT = new URL("../", import.meta.url).pathname;

const PROGRAMS: Readonly<Record<string, Language>> = {
  ruby: "ruby",
  node: "js",
  python3: "python",
  php: "php",
};

/** The table of examples/README.md: what each is called, and what starts it. */
const EXAMPLES: readonly Example[] = [
  ...(await Deno.readTextFile(`${ROOT}examples/README.md`))
    .matchAll(/^\| \[(\w+)\]\(.* \| `(\w+) ([^`]+)` +\|$/gm),
].map(([, name, program, rest]) => ({
  name: name!,
  language: PROGRAMS[program!]!,
  command: (port) => [program!, ...withPorts(rest!, { 4567: port }).split(" ")],
}));

/** JSON of every kind, and characters of one to four bytes. */
const SAID = ["größe ☃ \u{1F600}", "", { n: 1, list: [true, null, {}], "é": [] }, 0, false, null];

/** A message as Chloe posts it, and the headers of its signature. */
function signedEvent(
  secret: string,
  { body = eventOf("forged"), timestampS = Math.floor(Date.now() / 1000) }: {
    body?: string;
    timestampS?: number;
  } = {},
): { readonly body: string; readonly headers: Record<string, string> } {
  return {
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": "evt_test_1",
      "webhook-timestamp": String(timestampS),
      "webhook-signature": webhookSigner([secret])("evt_test_1", timestampS, body),
    },
  };
}

function eventOf(data: unknown): string {
  return JSON.stringify({ type: "message", session: "7qIjsS0oJcKeY3db", data });
}

async function statusOf(
  url: string,
  event: { readonly body: string; readonly headers: Record<string, string> },
): Promise<number> {
  const response = await fetch(url, { method: "POST", ...event });
  await response.body?.cancel();
  return response.status;
}

Deno.test("examples/README.md says how each example is started", async () => {
  const folders = [];
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}examples`)) {
    if (isDirectory && name !== "monitoring") folders.push(name); // no app is in there
  }
  const commands = EXAMPLES.map(({ command }) => command(1).join(" "));
  assertEquals(commands.length, folders.length);
  for (const folder of folders) {
    assert(commands.some((command) => command.includes(`examples/${folder}/`)), folder);
  }
});

for (const { name, language, command } of EXAMPLES) {
  const ignore = isMissing(language);

  Deno.test({
    name: `the example for ${name} echoes, and takes only what Chloe signed`,
    ignore,
    async fn() {
      const secret = createWebhookSecret();
      const apiKey = createApiKey();
      const port = freePort();
      const url = `http://127.0.0.1:${port}/updates`;
      await using server = await startTestServer({
        // The new one of two signs first: an app finds the one that it knows.
        secret: [createWebhookSecret(), secret],
        api_keys: [apiKey],
        app: { url },
      });
      await using _app = await startApp(command(port), {
        port,
        cwd: ROOT,
        env: {
          PORT: String(port),
          CHLOE_URL: server.url,
          CHLOE_SECRET: secret,
          CHLOE_API_KEY: apiKey,
        },
      });
      await using speaker = new SessionClient(server);
      await using listener = new SessionClient(server);
      await speaker.connect("websocket");
      await listener.connect("websocket");

      const good = signedEvent(secret);
      const nowS = Math.floor(Date.now() / 1000);
      const forged = {
        "no signature": { ...good, headers: { "content-type": "application/json" } },
        "an empty signature": { ...good, headers: { ...good.headers, "webhook-signature": "" } },
        "another secret": signedEvent(createWebhookSecret()),
        "another body": { ...good, body: eventOf("other") },
        "another id": { ...good, headers: { ...good.headers, "webhook-id": "evt_test_2" } },
        "too old": signedEvent(secret, { timestampS: nowS - 310 }),
        "of the future": signedEvent(secret, { timestampS: nowS + 310 }),
        "no time": { ...good, headers: { ...good.headers, "webhook-timestamp": "now" } },
      };
      for (const [what, event] of Object.entries(forged)) {
        assertEquals(await statusOf(url, event), 401, what);
      }

      for (const said of SAID) {
        const reply = await speaker.send(said);
        assert("ok" in reply, JSON.stringify(reply));
        const { via: _, ...echo } = await listener.nextData() as { via: unknown };
        assertEquals(echo as unknown, { from: speaker.session, said });
        await speaker.nextData();
      }

      // What is signed by Chloe's secret alone is let in, and sent only once however often it is posted.
      for (let i = 0; i < 2; i++) assertEquals(await statusOf(url, signedEvent(secret)), 204);
      const connect = signedEvent(secret, { body: '{"type":"connect","session":"x","seq":1}' });
      assertEquals(await statusOf(url, connect), 204);
      await server.send({ data: "the end" });
      assertEquals(
        [await listener.nextData(), await listener.nextData()].map((data) =>
          (data as { said?: unknown }).said ?? data
        ),
        ["forged", "the end"],
      );
    },
  });

  Deno.test({
    name: `the example for ${name} runs without keys, and asks for a retry while Chloe is gone`,
    ignore,
    async fn() {
      const port = freePort();
      const url = `http://127.0.0.1:${port}/updates`;
      await using server = await startTestServer({ app: { url } });
      await using _app = await startApp(command(port), {
        port,
        cwd: ROOT,
        env: { PORT: String(port), CHLOE_URL: server.url },
      });
      await using browser = new SessionClient(server);
      await browser.connect("websocket");
      assert("ok" in await browser.send("hi"));
      assertEquals((await browser.nextData() as { said: unknown }).said, "hi");

      await server.shutdown();
      const { body, headers } = signedEvent(createWebhookSecret());
      assertGreaterOrEqual(await statusOf(url, { body, headers }), 500);
    },
  });
}
