/**
 * What README.md, docs/http-api.md and examples/README.md show is run, as it stands there: only ports, keys
 * and ids that stand for others are replaced.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import denoConfig from "../deno.json" with { type: "json" };
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { webhookSigner, webhookVerifier } from "../src/signing/standard_webhooks.ts";
import { freePort, isMissing, type Language, startApp } from "./support/app_process.ts";
import { CHLOE_BIN, CHLOE_COMMAND, type Finished, startChloe } from "./support/chloe_process.ts";
import { codeBlocks, shellCommands, withPorts } from "./support/markdown.ts";
import { startTestServer, type TestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { eventually, within } from "./support/within.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const README = await Deno.readTextFile(`${ROOT}README.md`);
const HTTP_API = await Deno.readTextFile(`${ROOT}docs/http-api.md`);
const EXAMPLES = await Deno.readTextFile(`${ROOT}examples/README.md`);

/** The ports of the examples: Chloe's and the app's. */
const CHLOE_PORT = 8901;
const APP_PORT = 4567;

const TASK = /^scripts\/deno task (\S+) ?(.*)$/;

/** How the app of each language is run. PHP's command stands in the text. */
const APP_COMMANDS: Readonly<Record<Language, string>> = {
  ruby: "ruby app.rb",
  python: "python3 app.py",
  js: "node app.js",
  php: /`(php -S [^`]+)`/.exec(README)![1]!,
};

async function makeFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "chloe-readme-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function shell(
  command: string,
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Finished> {
  const output = new Deno.Command("/bin/sh", { args: ["-c", command], stdin: "null", ...options })
    .output();
  const { code, stdout, stderr } = await within(output, `the end of ${command}`);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** What a `curl` command says to `/send`. */
function messageOf(command: string): {
  readonly isForm: boolean;
  readonly message: { data: unknown; channel?: string; except?: string; id?: string };
} {
  const body = / -d '([^']*)'/.exec(command)?.[1];
  assert(body !== undefined, command);
  const isForm = !command.includes("application/json");
  return {
    isForm,
    message: isForm ? Object.fromEntries(new URLSearchParams(body)) : JSON.parse(body),
  };
}

/** Runs commands that send, and looks who got what: in the channel, left out by `except`, in no channel. */
async function checkSends(commands: readonly string[], server: TestServer): Promise<void> {
  const channels = commands.flatMap((command) => messageOf(command).message.channel ?? []);
  const subscribe = Object.fromEntries(channels.map((channel) => [channel, {}]));
  await using inside = new SessionClient(server);
  await using excepted = new SessionClient(server);
  await using outside = new SessionClient(server);
  await inside.connect("websocket", { subscribe });
  await excepted.connect("websocket", { subscribe });
  await outside.connect("websocket");
  const expected = new Map<SessionClient, unknown[]>([[inside, []], [excepted, []], [outside, []]]);

  for (const template of commands) {
    const command = withPorts(template, { [CHLOE_PORT]: server.port })
      .replaceAll("<session>", excepted.session);
    const { isForm, message: { data, channel, except, id } } = messageOf(command);
    const recipients = [...expected.keys()].filter((client) =>
      (channel === undefined || client !== outside) && client.session !== except
    );
    const { stdout } = await shell(command);
    if (isForm) {
      assertEquals(stdout, "success", command);
    } else {
      const answer = JSON.parse(stdout);
      assertEquals(answer, { id: id ?? answer.id, matched: recipients.length }, command);
    }
    for (const client of recipients) expected.get(client)!.push(data);
  }

  const end = crypto.randomUUID();
  await server.send({ data: end });
  for (const [client, messages] of expected) {
    for (const message of [...messages, end]) assertEquals(await client.nextData(), message);
  }
}

Deno.test("the README shows commands of known kinds, tasks and files that are there", async () => {
  for (const command of [README, EXAMPLES].flatMap(shellCommands)) {
    assertMatch(command, /^(curl|chloe|export CHLOE_\w+=\S+$|scripts\/deno task) ?/);
  }
  const tasks = [...`${README}${EXAMPLES}`.matchAll(/deno task (\S+?)[\s`]/g)].map(([, name]) =>
    name!
  );
  for (const name of tasks) assert(name in denoConfig.tasks, `deno task ${name}`);
  for (const [, path] of README.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
    await Deno.stat(`${ROOT}${path}`);
  }
});

Deno.test({
  name: "the README's first commands start Chloe with a demo app that anyone here can send to",
  // From the source alone, and not where somebody's own config stands in the folder.
  ignore: CHLOE_BIN !== undefined || await exists(`${ROOT}chloe.toml`),
  async fn() {
    const commands = shellCommands(README);
    const start = commands.find((command) => TASK.exec(command)?.[1] === "start")!;
    const port = freePort();
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", `exec ${start}`],
      cwd: ROOT,
      env: { CHLOE_PORT: String(port), DENO_VERSION: Deno.version.deno },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let pid = child.pid;
    try {
      pid = await eventually(() => healthPid(port), start);
      const address = { hostname: "127.0.0.1", port };
      await using browser = new SessionClient(address);
      await browser.connect("websocket");
      const curl = commands.find((command) => command.startsWith("curl"))!;
      assertEquals((await shell(withPorts(curl, { [CHLOE_PORT]: port }))).stdout, "success");
      assertEquals(await browser.nextData(), messageOf(curl).message.data);
      const line = crypto.randomUUID();
      assert("ok" in await browser.send(line));
      assertStringIncludes(await browser.nextData() as string, line);
    } finally {
      Deno.kill(pid, "SIGTERM");
      await within(child.status, "the end of Chloe");
    }
    assertEquals((await child.status).code, 0);
  },
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function healthPid(port: number): Promise<number | undefined> {
  try {
    return (await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).pid;
  } catch {
    return undefined;
  }
}

for (const { language, text } of codeBlocks(README)) {
  if (!(language in APP_COMMANDS)) continue;
  Deno.test({
    name: `the README's app in ${language} tells everybody what anybody says`,
    ignore: isMissing(language as Language),
    async fn() {
      const ports = { [CHLOE_PORT]: freePort(), [APP_PORT]: freePort() };
      const start = shellCommands(README).find((command) => command.includes("--app-url"))!;
      const shown = / --port[ =](\d+)/.exec(start)?.[1] ?? CHLOE_PORT;
      assertEquals(Number(shown), CHLOE_PORT, `${start}: the apps send to port ${CHLOE_PORT}`);
      const options = TASK.exec(withPorts(start, ports))![2]!.split(" ");
      await using chloe = await startChloe({
        args: ["--demo", `--port=${ports[CHLOE_PORT]}`, ...options],
        env: { CHLOE_APP_RETRY_FOR: "0s" },
      });

      const command = withPorts(APP_COMMANDS[language as Language], ports).split(" ");
      await using folder = await makeFolder();
      await Deno.writeTextFile(`${folder.path}/${command.at(-1)}`, withPorts(text, ports));
      // Sinatra's own default is the port of the examples.
      const port = ports[APP_PORT]!;
      await using _app = await startApp(command, {
        port,
        cwd: folder.path,
        env: { PORT: String(port) },
      });

      await using browser = new SessionClient({ hostname: "127.0.0.1", port: chloe.port });
      await browser.connect("websocket");
      for (const said of ["größe ☃", "a&b=c+d%20"]) {
        const reply = await browser.send(said);
        assert("ok" in reply, JSON.stringify(reply));
        assertStringIncludes(await browser.nextData() as string, said);
      }
    },
  });
}

Deno.test("the README's page hears what it says, and its channel", async () => {
  const events: unknown[] = [];
  await using app = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { data } = await request.json();
      events.push(data);
      return Response.json({ send: [{ data: ["echo", data] }] });
    },
  );
  await using server = await startTestServer({ app: { url: `http://127.0.0.1:${app.addr.port}` } });
  const html = withPorts(codeBlocks(README).find(({ language }) => language === "html")!.text, {
    [CHLOE_PORT]: server.port,
  });
  const library = await fetch(/<script src="([^"]+)">/.exec(html)![1]!);
  assertEquals(library.status, 200);
  const script = /<script>(.*?)<\/script>/s.exec(html)![1]!;
  const channel = /subscribe\("(\w+)"/.exec(script)![1]!;

  const logged: unknown[][] = [];
  new Function(await library.text())();
  const page = new Function("console", `${script}; return chloe;`)({
    log: (...args: unknown[]) => void logged.push(args),
  });
  const closed = new Promise((resolve) => page.onclose(resolve));
  try {
    const heard = (count: number) => () => Promise.resolve(logged[count - 1]);
    const [echo] = await eventually(heard(1), "what the page said");
    assertEquals(echo, ["echo", events[0]]);
    assertEquals(await server.send({ channel, data: "to the channel" }), 1);
    const said = await eventually(heard(2), "what was sent to the channel");
    assertEquals(said.at(-1), "to the channel");
  } finally {
    page.close();
    await closed;
    Reflect.deleteProperty(globalThis, "Chloe");
  }
});

Deno.test("the README's curl lines send what they say", async () => {
  await using server = await startTestServer();
  const curls = shellCommands(README).filter((command) => / -d '/.test(command));
  assert(curls.length > 3);
  await checkSends(curls, server);
});

Deno.test("the README's curl line listens to a channel", async () => {
  await using server = await startTestServer();
  const command = shellCommands(README).find((command) => command.startsWith("curl -N"))!;
  const channel = new URL(/'([^']+)'/.exec(command)![1]!).searchParams.get("channel")!;
  const curl = new Deno.Command("/bin/sh", {
    args: ["-c", `exec ${withPorts(command, { [CHLOE_PORT]: server.port })}`],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = (async () => {
    let text = "";
    for await (const part of curl.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.includes("data: hello\n\n")) curl.kill("SIGTERM");
    }
    return text;
  })();
  await eventually(
    async () => (await server.send({ channel, data: "hello" })) > 0 || undefined,
    "curl to listen",
  );
  assertStringIncludes(await within(output, "curl to hear it"), "data: hello\n\n");
  await curl.status;
});

Deno.test("the README's commands make keys, check them, and run the daemon", async () => {
  await using folder = await makeFolder();
  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  const pidFile = ["--pid-file", `${folder.path}/chloe.pid`];
  const files = [...pidFile, "--log-file", `${folder.path}/chloe.log`];
  // As root the daemon's files are in /run and /var/log: a test has its own.
  const prelude = `chloe() {
    command=$1; shift
    case $command in
      start) set -- ${quoted(files)} "$@" ;;
      status|restart|reload|stop) set -- ${quoted(pidFile)} "$@" ;;
    esac
    ${quoted(CHLOE_COMMAND)} "$command" "$@"
  }`;
  const port = freePort();
  const chloe = async (command: string) => {
    const options = { cwd: folder.path, env: { CHLOE_PORT: String(port) } };
    const { code, stdout, stderr } = await shell(`${prelude}\n${command}`, options);
    assertEquals(code, 0, `${command}: ${stdout}${stderr}`);
    return stdout;
  };
  const commands = shellCommands(README).filter((command) => command.startsWith("chloe "));
  assert(commands.length > 2);
  try {
    for (const command of commands) await chloe(command);
    const [, key] = /"(chk_[^"]+)"/.exec(await Deno.readTextFile(`${folder.path}/chloe.toml`))!;
    for (
      const [headers, status] of [[{}, 401], [{ authorization: `Bearer ${key}` }, 200]] as const
    ) {
      const body = new URLSearchParams({ data: "hello" });
      const url = `http://127.0.0.1:${port}/send`;
      const response = await fetch(url, { method: "POST", headers: { ...headers }, body });
      await response.body?.cancel();
      assertEquals(response.status, status);
    }
    assertMatch(README, /chloe status, chloe restart, chloe stop/);
    await chloe("chloe status");
    await chloe("chloe restart");
    await chloe("chloe status");
  } finally {
    await chloe("chloe stop");
  }
});

Deno.test("docs/http-api.md has a signature that is right", () => {
  const text = HTTP_API.replaceAll(/\s+/g, " ");
  const find = (pattern: RegExp) => pattern.exec(text)![1]!;
  const secret = find(/`(whsec_\w+)`/);
  const id = find(/`(msg_\w+)`/);
  const timestamp = find(/the timestamp (\d{10})/);
  const body = find(/the body `([^`]+)`/);
  const signature = find(/the signature is `(v1,[^`]+)`/);
  assertEquals(webhookSigner([secret])(id, Number(timestamp), body), signature);
});

Deno.test("docs/http-api.md shows an event as it comes to the app", async () => {
  const secret = createWebhookSecret();
  const { promise: event, resolve } = Promise.withResolvers<Record<string, unknown>>();
  await using app = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body = await request.text();
      assert(webhookVerifier([secret])({ headers: request.headers, body }).ok);
      resolve(JSON.parse(body));
      return new Response(null, { status: 204 });
    },
  );
  await using server = await startTestServer({
    secret,
    app: { url: `http://127.0.0.1:${app.addr.port}` },
  });
  await using browser = new SessionClient(server);
  await browser.connect("websocket");
  const shown = JSON.parse(codeBlocks(HTTP_API).find(({ language }) => language === "json")!.text);
  assert("ok" in await browser.send(shown.data));
  const shape = (event: Record<string, unknown>) =>
    Object.entries(event).map(([name, value]) => [name, typeof value]);
  const came = await event;
  assertEquals(shape(came), shape(shown));
  assertEquals(
    [came.type, came.session, came.user, came.seq, came.data],
    [shown.type, browser.session, shown.user, 1, shown.data],
  );
});

Deno.test("docs/http-api.md has curl lines that send what they say", async () => {
  const apiKey = createApiKey();
  const commands = shellCommands(HTTP_API).filter((command) => command.startsWith("curl"));
  const isKeyed = (command: string) => command.includes("authorization:");
  assert(commands.some(isKeyed) && !commands.every(isKeyed));
  await using open = await startTestServer();
  await checkSends(commands.filter((command) => !isKeyed(command)), open);
  await using guarded = await startTestServer({ api_keys: [apiKey] });
  const keyed = commands.filter(isKeyed).map((command) => command.replace("chk_...", apiKey));
  await checkSends(keyed, guarded);
});

Deno.test("examples/README.md shows an answer that reaches only who asked", async () => {
  const answer = codeBlocks(EXAMPLES).find(({ language }) => language === "json")!.text;
  const headers = { "content-type": "application/json" };
  await using app = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(answer, { headers }),
  );
  await using server = await startTestServer({ app: { url: `http://127.0.0.1:${app.addr.port}` } });
  await using browser = new SessionClient(server);
  await browser.connect("websocket");
  const reply = await browser.send("Ohai!");
  assertEquals((reply as { ok?: { data?: unknown } }).ok?.data, JSON.parse(answer).reply);
});
