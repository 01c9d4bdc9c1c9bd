/**
 * The commands that look after a running server, as processes of their own.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { CHLOE_COMMAND, type ChloeProcess, runChloe, startChloe } from "./support/chloe_process.ts";
import { ask } from "./support/http.ts";
import { codeBlocks } from "./support/markdown.ts";
import { SessionClient } from "./support/session_client.ts";
import { eventually, within } from "./support/within.ts";

const KEY = createApiKey();
const CONFIG = `api_keys = ["${KEY}"]\n[[channel]]\npattern = "**"\n`;

/** A server with a config of its own, and commands that find it by that. */
async function startRunning(config = CONFIG) {
  const folder = await Deno.makeTempDir({ prefix: "chloe-api-cli-" });
  let chloe: ChloeProcess;
  try {
    await Deno.writeTextFile(`${folder}/chloe.toml`, config);
    chloe = await startChloe({ cwd: folder });
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
  const { port } = chloe;
  const address = { hostname: "127.0.0.1", port };
  return {
    ...address,
    url: chloe.url,
    folder,
    run: (...args: string[]) => runChloe([...args, "--url", chloe.url], { cwd: folder }),
    async connect(channels: readonly string[] = [], client = "test") {
      const page = new SessionClient(address);
      const subscribe = Object.fromEntries(channels.map((channel) => [channel, {}]));
      await page.connect("websocket", { subscribe, client });
      return page;
    },
    async send(message: unknown) {
      const { status } = await ask(address, "/send", {
        method: "POST",
        headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
        body: JSON.stringify(message),
      });
      assertEquals(status, 200);
    },
    async [Symbol.asyncDispose]() {
      await chloe.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");
const cells = (line: string) => line.split(/ {2,}/);

Deno.test("chloe channels and sessions list what a running server has", async () => {
  await using server = await startRunning();
  await using ann = await server.connect(["chat:1", "news"], "evil\u001b[2J\u009b\u202e client");
  await using bob = await server.connect(["chat:1"]);
  const channels = await server.run("channels");
  assertEquals([channels.code, channels.stderr], [0, ""]);
  assertEquals(lines(channels.stdout).map(cells), [
    ["CHANNEL", "SUBSCRIBERS", "HISTORY", "PRESENCE"],
    ["chat:1", "2", "-", "-"],
    ["news", "1", "-", "-"],
  ]);
  const some = await server.run("channels", "n*", "--json");
  assertEquals(lines(some.stdout).map((line) => JSON.parse(line)), [
    { name: "news", subscribers: 1, history: false, presence: false },
  ]);
  const sessions = await server.run("sessions");
  assertEquals([sessions.code, sessions.stderr], [0, ""]);
  const [head, ...rows] = lines(sessions.stdout).map(cells);
  assertEquals(head, ["SESSION", "USER", "BY", "CHANNELS", "FOR", "ADDRESS", "CLIENT"]);
  assertEquals(rows.map(([id]) => id), [ann.session, bob.session].sort());
  const row = rows.find(([id]) => id === ann.session)!;
  assertEquals(row.toSpliced(4, 1), [
    ann.session,
    "-",
    "websocket",
    "2",
    "127.0.0.1",
    "evil\\u001b[2J\\u009b\\u202e client",
  ]);
  assertMatch(row[4]!, /^\d+[smh]$/);
  const inNews = await server.run("sessions", "--channel", "news", "--json");
  assertEquals(lines(inNews.stdout).map((line) => JSON.parse(line).id), [ann.session]);
  const ofNobody = await server.run("sessions", "--user=nobody");
  assertEquals(lines(ofNobody.stdout).length, 1);
});

Deno.test("chloe channels follows all pages", async () => {
  await using server = await startRunning();
  const names = Array.from({ length: 900 }, (_, n) => `n${n}`);
  await using _first = await server.connect(names.slice(0, 450));
  await using _second = await server.connect(names.slice(450));
  const { stdout } = await server.run("channels", "--json");
  assertEquals(lines(stdout).map((line) => JSON.parse(line).name), names.toSorted());
});

Deno.test("chloe disconnect ends a session, or says that there is none", async () => {
  await using server = await startRunning();
  await using ann = await server.connect();
  const done = await server.run("disconnect", "--session", ann.session, "--reason", "so long");
  assertEquals([done.code, done.stdout], [0, "disconnected 1 session\n"]);
  const { code, text } = await ann.ended;
  assertEquals([code, text], [3500, "so long"]);
  const again = await server.run("disconnect", "--session", ann.session);
  assertEquals([again.code, again.stdout], [1, ""]);
  assertMatch(again.stderr, /^chloe: Cannot disconnect[^\n]+No such session[^\n]+\(404\)\n$/);
  const nobody = await server.run("disconnect", "--user", "nobody", "--reconnect");
  assertEquals([nobody.code, nobody.stdout], [0, "disconnected 0 sessions\n"]);
});

/** A `chloe tail` that watches. */
async function startTail(server: { folder: string; url: string }, args: readonly string[]) {
  const [program, ...words] = CHLOE_COMMAND;
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("CHLOE_"));
  const child = new Deno.Command(program, {
    args: [...words, "tail", ...args, "--url", server.url],
    cwd: server.folder,
    clearEnv: true,
    env: Object.fromEntries(env),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let hasEnded = false;
  const ended = child.status.then(({ code }) => {
    hasEnded = true;
    return code;
  });
  const [out, err] = [readLines(child.stdout), readLines(child.stderr)];
  return {
    out,
    err,
    /** What it says before it shows anything. */
    greeting: await err.next(),
    get hasEnded() {
      return hasEnded;
    },
    interrupt: () => child.kill("SIGINT"),
    /** Resolves to the exit code. */
    ended: () => within(ended, "the end of chloe tail"),
    async [Symbol.asyncDispose]() {
      if (!hasEnded) child.kill("SIGKILL");
      await Promise.all([ended, out.cancel(), err.cancel()]);
    },
  };
}

function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    /** The next line, or `null` at the end. */
    async next(): Promise<string | null> {
      while (!text.includes("\n")) {
        const { value, done } = await within(reader.read(), "a line of chloe tail");
        if (done) return null;
        text += value;
      }
      const end = text.indexOf("\n");
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return line;
    },
    cancel: () => reader.cancel(),
  };
}

Deno.test("chloe tail shows a channel's messages as they come, until Ctrl-C", async () => {
  await using server = await startRunning();
  await using tail = await startTail(server, ["/chat:1"]);
  await using whole = await startTail(server, ["chat:1", "--json"]);
  assertEquals(tail.greeting, "chloe: watching /chat:1");
  await server.send({ channel: "chat:1", data: { text: "a\nb" } });
  await server.send({ channel: "other", data: 0 });
  await server.send({ channel: "chat:1", data: "\u001b[2J \u009b2J" });
  assertEquals(await tail.out.next(), '{"text":"a\\nb"}');
  assertEquals(await tail.out.next(), '"\\u001b[2J \\u009b2J"');
  assertEquals(JSON.parse((await whole.out.next())!), {
    channel: "chat:1",
    data: { text: "a\nb" },
  });
  for (const each of [tail, whole]) {
    each.interrupt();
    assertEquals([await each.ended(), await each.err.next()], [0, null]);
  }
});

Deno.test("chloe tail ends when nobody reads it any more", async () => {
  await using server = await startRunning();
  await using tail = await startTail(server, ["x"]);
  await server.send({ channel: "x", data: 1 });
  assertEquals(await tail.out.next(), "1");
  await tail.out.cancel();
  await eventually(async () => {
    await server.send({ channel: "x", data: 2 });
    return tail.hasEnded ? true : undefined;
  }, "the end of chloe tail");
  assertEquals(await tail.ended(), 0);
});

Deno.test("chloe tail says that the server ended it", async () => {
  const server = await startRunning();
  await using tail = await startTail(server, ["x"]);
  await server[Symbol.asyncDispose]();
  assertEquals(await tail.err.next(), "chloe: the server ended it: shutdown");
  assertEquals(await tail.ended(), 1);
});

Deno.test("the commands for a running server say on one line why they cannot", async () => {
  await using server = await startRunning();
  const commands = [["channels"], ["sessions"], ["tail", "x"], ["disconnect", "--user=x"]];
  for (const command of commands) {
    const stranger = await runChloe([...command, "--url", server.url]);
    assertEquals([stranger.code, stranger.stdout], [1, ""], command.join());
    assertMatch(stranger.stderr, /^chloe: Cannot [^\n]+api key[^\n]+\(401\)\n$/);
    const nowhere = await runChloe([...command, "--url", "http://127.0.0.1:1"]);
    assertEquals([nowhere.code, nowhere.stdout], [1, ""], command.join());
    assertMatch(nowhere.stderr, /^chloe: Cannot [^\n]+is Chloe running\?\n$/);
  }
  const wrong = await server.run("channels", "***");
  assertEquals(wrong.code, 1);
  assertMatch(wrong.stderr, /^chloe: Cannot [^\n]+pattern: [^\n]+\(400\)\n$/);
  for (
    const args of [
      ["disconnect"],
      ["disconnect", "--session=a", "--user=b"],
      ["tail"],
      ["tail", "x", "--url=nowhere"],
      ["channels", "a", "b"],
    ]
  ) {
    const { code, stdout, stderr } = await runChloe(args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertMatch(stderr, /^chloe: [^\n]+\n$/, args.join(" "));
  }
});

Deno.test("the commands for a running server sign where the config has a secret and no key", async () => {
  await using server = await startRunning(
    `secret = "${createWebhookSecret()}"\n[[channel]]\npattern = "**"\n`,
  );
  await using ann = await server.connect(["x"]);
  assertEquals(lines((await server.run("channels")).stdout).length, 2);
  assertEquals((await server.run("disconnect", "--session", ann.session)).code, 0);
  await using tail = await startTail(server, ["x"]);
  assertEquals(tail.greeting, "chloe: watching x");
});

Deno.test("docs/http-api.md has commands that work as they stand there", async () => {
  const docs = await Deno.readTextFile(new URL("../docs/http-api.md", import.meta.url));
  const section = docs.slice(docs.indexOf("## The control API"));
  const commands = codeBlocks(section).filter(({ language }) => language === "bash")
    .flatMap(({ text }) => text.split("\n")).filter((line) => line.startsWith("chloe "));
  assertEquals(commands.length, 4);
  await using server = await startRunning();
  await using _ann = await server.connect(["chat:1"]);
  for (const command of commands) {
    const words = [...command.replace(/ #.*/, "").matchAll(/'([^']*)'|(\S+)/g)]
      .map(([, quoted, plain]) => quoted ?? plain!).slice(1);
    if (words[0] === "tail") {
      await using tail = await startTail(server, words.slice(1));
      assertEquals(tail.greeting, "chloe: watching chat:1");
    } else {
      const { code, stderr } = await server.run(...words);
      assertEquals([code, stderr], [0, ""], command);
    }
  }
});
