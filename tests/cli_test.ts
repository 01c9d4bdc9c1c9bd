import { dirname } from "@std/path/dirname";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePort } from "./support/app_process.ts";
import { CHLOE_BIN, runChloe, startChloe } from "./support/chloe_process.ts";
import { eventually, within } from "./support/within.ts";

const COMMANDS = [
  ...["serve", "start", "stop", "restart", "status"],
  ...["check", "secret", "send", "demo"],
  ...["sessions", "channels", "tail", "disconnect"],
];

/** A folder that goes away with the test. */
async function makeFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "chloe-cli-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A port of loopback that somebody else listens on. */
function takenPort(): { port: number } & Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

Deno.test("chloe --help and --version work, alone and with every command", async () => {
  for (const command of [[], ...COMMANDS.map((name) => [name])]) {
    const help = await runChloe([...command, "--help"]);
    assertEquals([help.code, help.stderr], [0, ""], command.join());
    assertStringIncludes(help.stdout, `Usage: ${["chloe", ...command].join(" ")}`);
    const version = await runChloe([...command, "--version"]);
    assertEquals([version.code, version.stderr], [0, ""], command.join());
    assertMatch(version.stdout, /^chloe \d+\.\d+\.\d+\S*, Deno \d+\.\d+\.\d+\n$/);
  }
});

Deno.test("chloe --help names every command, and how the daemon differs from the task", async () => {
  const { stdout } = await runChloe(["--help"]);
  for (const name of COMMANDS) assertMatch(stdout, new RegExp(`^  ${name} `, "m"));
  assertStringIncludes(stdout.replaceAll(/\s+/g, " "), "'deno task start' is 'chloe serve --demo'");
});

Deno.test("chloe used wrongly says so on one line and exits with 2", async () => {
  const cases = [
    ["bogus"],
    ["serve", "--bogus"],
    ["serve", "extra"],
    ["serve", "--port"],
    ["serve", "--port", "many"],
    ["check", "--log-level=loud"],
    ["send"],
    ["send", "--json", "{"],
    ["send", "--channel=a", "--user=b", "hello"],
    ["send", "--url=nowhere", "hello"],
    ["demo", "--port=many"],
  ];
  for (const args of cases) {
    const { code, stdout, stderr } = await runChloe(args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertMatch(stderr, /^chloe: [^\n]+\n$/, args.join(" "));
  }
  assertEquals((await runChloe([])).code, 2);
});

Deno.test("chloe serve says on one line that its port is taken, and exits with 1", async () => {
  using taken = takenPort();
  const { code, stderr } = await runChloe(["serve", `--port=${taken.port}`]);
  assertEquals(code, 1);
  assertMatch(stderr, new RegExp(`^chloe: Cannot listen on 127.0.0.1:${taken.port}: [^\n]+\n$`));
});

Deno.test("chloe serve that does not get its port leaves what the server there keeps as it is", async () => {
  await using folder = await makeFolder();
  const config = [
    `port = ${freePort()}`,
    `state_dir = "${folder.path}/state"`,
    `app = { url = "http://127.0.0.1:${freePort()}/", events = ["restarted"] }`,
  ].join("\n");
  const state = async () => {
    const texts: string[] = [];
    for await (const { name } of Deno.readDir(`${folder.path}/state`)) {
      texts.push(name, await Deno.readTextFile(`${folder.path}/state/${name}`));
    }
    return texts;
  };
  await Deno.writeTextFile(`${folder.path}/chloe.toml`, config);
  await using _chloe = await startChloe({ config });
  const before = await state();
  assertEquals(before.length, 2);
  const { code, stderr } = await runChloe(["serve"], { cwd: folder.path });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot listen on ");
  assertEquals(await state(), before);
});

Deno.test("chloe says on one line that its config cannot be read, and exits with 1", async () => {
  await using folder = await makeFolder();
  const bad = `${folder.path}/bad.toml`;
  await Deno.writeTextFile(bad, "port = 1\nsecret = hidden\n");
  for (const command of ["serve", "start", "check"]) {
    for (const file of [`${folder.path}/none.toml`, folder.path, bad]) {
      const { code, stderr } = await runChloe([command, "--config", file]);
      assertEquals(code, 1);
      assertMatch(stderr, /^chloe: [^\n]+: Cannot read [^\n]+\n$/);
      assert(stderr.startsWith(`chloe: ${file}: `) && !stderr.includes("hidden"), stderr);
    }
  }
});

Deno.test("chloe serve refuses a public address without a secret on one line", async () => {
  const { code, stderr } = await runChloe(["serve", "--host=0.0.0.0", "--port=0"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^chloe: host: 0\.0\.0\.0 [^\n]*chloe secret[^\n]*\n$/);
});

Deno.test("chloe check says every problem with its path, and no secret", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(
    `${folder.path}/chloe.toml`,
    `secret = "whsec_hidden"\nprot = 1\n[app]\nurl = "x"\n`,
  );
  const { code, stdout, stderr } = await runChloe(["check"], {
    cwd: folder.path,
    env: { CHLOE_LOG_LEVEL: "loud" },
  });
  assertEquals([code, stdout], [1, ""]);
  assertEquals(lines(stderr).map((line) => line.split(":").slice(0, 3).join(":")), [
    "chloe: chloe.toml: secret[0]",
    "chloe: chloe.toml: app.url",
    "chloe: CHLOE_LOG_LEVEL: log.level",
    "chloe: chloe.toml: prot",
  ]);
  assertStringIncludes(stderr, "did you mean port?");
  assert(!stderr.includes("hidden"));
});

Deno.test("chloe check accepts what chloe secret prints, and names the file", async () => {
  await using folder = await makeFolder();
  const [first, second] = [await runChloe(["secret"]), await runChloe(["secret"])];
  assertEquals([first.code, first.stderr], [0, ""]);
  assert(first.stdout !== second.stdout);
  const file = `${folder.path}/other.toml`;
  await Deno.writeTextFile(file, `${first.stdout}host = "0.0.0.0"\n`);
  const { code, stdout } = await runChloe(["check", "--config", file]);
  assertEquals([code, stdout], [0, `ok: ${file}\n`]);
});

Deno.test("chloe serve passes over what a container platform made, with a warning", async () => {
  await using chloe = await startChloe({
    env: { CHLOE_PORT: "tcp://10.0.0.1:8901", CHLOE_SERVICE_HOST: "10.0.0.1" },
  });
  assertStringIncludes(await chloe.lineLike(/passed over/), "CHLOE_SERVICE_HOST");
});

Deno.test("chloe serve logs JSON lines where it listens, its status page and a command to try", async () => {
  await using chloe = await startChloe();
  await chloe.lineLike(/curl/);
  const records = chloe.stderrLines().map((line) => JSON.parse(line));
  const listens = records.find(({ properties }) => "port" in properties);
  assertEquals(listens.level, "INFO");
  assertEquals(listens.properties.url, `http://127.0.0.1:${chloe.port}`);
  assertStringIncludes(JSON.stringify(records), `Status page: \\"${chloe.url}/`);
  assertStringIncludes(JSON.stringify(records), `curl -d 'data=hello' ${chloe.url}/send`);
  const health = await (await fetch(`${chloe.url}/healthz`)).json();
  assertEquals(health.pid, chloe.pid);
});

Deno.test("chloe serve ends with 0 at SIGTERM and at SIGINT", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using chloe = await startChloe();
    chloe.signal(signal);
    assertEquals(await within(chloe.ended, "the end"), 0);
  }
});

Deno.test("chloe serve keeps its pid file while it runs, and lets no other have it", async () => {
  await using folder = await makeFolder();
  const file = `${folder.path}/run/chloe.pid`;
  const chloe = await startChloe({ args: ["--pid-file", file] });
  assertEquals(lines(await Deno.readTextFile(file)), [`${chloe.pid}`, chloe.url]);
  const other = await runChloe(["serve", "--port=0", "--pid-file", file]);
  assertEquals(other.code, 1);
  assertMatch(other.stderr, /^chloe: Cannot start: [^\n]+\n$/);
  assertEquals(await chloe.stop(), 0);
  assertEquals([...Deno.readDirSync(`${folder.path}/run`)], []);
});

/** An app that takes its time: it answers an event when it is told to. */
function slowApp() {
  const { promise: received, resolve: receive } = Promise.withResolvers<void>();
  const { promise: told, resolve: answer } = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.body?.cancel();
    receive();
    await told;
    return new Response();
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    received: within(received, "an event"),
    answer,
    async [Symbol.asyncDispose]() {
      answer();
      await server.shutdown();
    },
  };
}

/** A browser that sends one message to the app; the result closes it. */
async function sendOne(url: string): Promise<AsyncDisposable> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/chloe/ws`);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.onerror = (event) => event.preventDefault();
  await within(new Promise((resolve) => socket.onopen = resolve), "a WebSocket");
  socket.send(`{"connect":{}}\n{"id":1,"send":{"data":"hi"}}`);
  return {
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

Deno.test("chloe serve ends with 1 at once at a second signal", async () => {
  await using app = slowApp();
  const chloe = await startChloe({ args: ["--app-url", app.url] });
  await using _browser = await sendOne(chloe.url);
  await app.received;
  chloe.signal("SIGTERM");
  await chloe.lineLike(/a second signal ends it/);
  let code: number | undefined;
  chloe.ended.then((ended) => code = ended);
  await eventually(() => {
    chloe.signal("SIGTERM"); // for a moment it is taken for the first one
    return Promise.resolve(code);
  }, "the end");
  assertEquals(code, 1);
});

/** The daemon's commands with files of their own, and an end to what they started. */
async function makeDaemon() {
  const folder = await makeFolder();
  const pidFile = `${folder.path}/run/chloe.pid`;
  const logFile = `${folder.path}/log/chloe.log`;
  const pidOption = ["--pid-file", pidFile];
  const logOption = ["--log-file", logFile];
  return {
    pidFile,
    logFile,
    start: (...args: string[]) =>
      runChloe(["start", "--port=0", ...pidOption, ...logOption, ...args]),
    restart: (...args: string[]) =>
      runChloe(["restart", "--port=0", ...pidOption, ...logOption, ...args]),
    stop: () => runChloe(["stop", ...pidOption]),
    status: () => runChloe(["status", ...pidOption], { env: { CHLOE_PORT: "1" } }),
    async [Symbol.asyncDispose]() {
      await runChloe(["stop", ...pidOption]);
      await folder[Symbol.asyncDispose]();
    },
  };
}

const RUNNING = /^Chloe is running \(process (\d+)\) at (http:\/\/127\.0\.0\.1:\d+)/;

function running(stdout: string): { pid: number; url: string } {
  const [, pid, url] = RUNNING.exec(stdout) ?? [];
  assert(pid !== undefined && url !== undefined, stdout);
  return { pid: Number(pid), url };
}

async function healthPid(url: string): Promise<number | null> {
  try {
    return (await (await fetch(`${url}/healthz`)).json()).pid;
  } catch {
    return null;
  }
}

Deno.test("chloe start returns when its server answers, and stop when it is gone", async () => {
  await using daemon = await makeDaemon();
  const started = await daemon.start();
  assertEquals([started.code, started.stderr], [0, ""]);
  const { pid, url } = running(started.stdout);
  assertEquals(await healthPid(url), pid);

  const status = await daemon.status();
  const [line, ...numbers] = lines(status.stdout);
  assertEquals([status.code, line], [0, `Chloe is running (process ${pid}) at ${url}`]);
  assertMatch(numbers[1]!, /^ +sessions +0$/);

  const again = await daemon.start();
  assertEquals([again.code, again.stderr], [0, ""]);
  assertEquals(again.stdout, `Chloe is running already (process ${pid}) at ${url}\n`);

  const stopped = await daemon.stop();
  assertEquals([stopped.code, stopped.stdout], [0, `Chloe (process ${pid}) has stopped\n`]);
  assertEquals(await healthPid(url), null);
  assertStringIncludes(await Deno.readTextFile(daemon.logFile), `"message":"Stopped"`);

  const after = await daemon.status();
  assertEquals([after.code, after.stdout], [1, "Chloe is not running\n"]);
  const stopAgain = await daemon.stop();
  assertEquals([stopAgain.code, stopAgain.stdout], [0, "Chloe is not running\n"]);
});

Deno.test("chloe stop waits until the app has taken what browsers sent", async () => {
  await using app = slowApp();
  await using daemon = await makeDaemon();
  const { pid, url } = running((await daemon.start("--app-url", app.url)).stdout);
  await using _browser = await sendOne(url);
  await app.received;
  let isStopped = false;
  const stopping = daemon.stop().finally(() => isStopped = true);
  await eventually(async () => {
    const log = await Deno.readTextFile(daemon.logFile);
    return log.includes("Stopping, asked by") || undefined;
  }, "the signal");
  assertEquals([isStopped, await healthPid(url)], [false, pid]);
  app.answer();
  const stopped = await stopping;
  assertEquals([stopped.code, stopped.stdout], [0, `Chloe (process ${pid}) has stopped\n`]);
});

Deno.test("chloe start twice at once leaves one server", async () => {
  await using daemon = await makeDaemon();
  const both = await Promise.all([daemon.start(), daemon.start()]);
  assertEquals(both.map(({ code }) => code), [0, 0], JSON.stringify(both));
  const pids = both.map(({ stdout }) => /process (\d+)/.exec(stdout)?.[1]);
  assertEquals(pids[0], pids[1]);
});

Deno.test("chloe start says why its server did not come up, with the end of its log", async () => {
  using taken = takenPort();
  await using daemon = await makeDaemon();
  const { code, stdout, stderr } = await daemon.start(`--port=${taken.port}`);
  assertEquals([code, stdout], [1, ""]);
  const [first, ...log] = lines(stderr);
  assertMatch(first!, /^chloe: Cannot start: .*chloe\.log/);
  assertEquals(log.length, 1);
  assertMatch(log[0]!, new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${taken.port}: `));
  assertEquals((await daemon.status()).code, 1);
});

Deno.test("chloe start and status notice a pid file that a dead server left", async () => {
  await using daemon = await makeDaemon();
  const { pid } = running((await daemon.start()).stdout);
  Deno.kill(pid, "SIGKILL");
  const status = await daemon.status();
  assertEquals(status.code, 1);
  assertStringIncludes(status.stdout, `is stale (process ${pid})`);
  const again = await daemon.start();
  assertEquals(again.code, 0);
  assertStringIncludes(again.stderr, "is stale");
  assert(running(again.stdout).pid !== pid);
});

Deno.test("chloe stop leaves alone another program that a stale pid file names", async () => {
  await using daemon = await makeDaemon();
  await daemon.start();
  await daemon.stop();
  await Deno.writeTextFile(daemon.pidFile, `${Deno.pid}\n`);
  const stopped = await daemon.stop();
  assertEquals([stopped.code, stopped.stdout], [0, "Chloe is not running\n"]);
  assertEquals((await daemon.status()).code, 1);
  const started = await daemon.start();
  assertEquals(started.code, 0);
  assert(running(started.stdout).pid !== Deno.pid);
});

Deno.test("chloe restart replaces the server, or starts one", async () => {
  await using daemon = await makeDaemon();
  const first = await daemon.restart();
  assertEquals(first.code, 0);
  const before = running(lines(first.stdout).at(-1)!);
  const second = await daemon.restart();
  assertEquals(second.code, 0);
  const after = running(lines(second.stdout).at(-1)!);
  assert(before.pid !== after.pid);
  assertEquals(await healthPid(after.url), after.pid);
});

Deno.test("chloe restart starts as the last start did, with its flags and its config", async () => {
  await using daemon = await makeDaemon();
  const config = `${daemon.pidFile}.toml`;
  await Deno.mkdir(dirname(config), { recursive: true });
  await Deno.writeTextFile(config, 'api_keys = ["chk_0123456789abcdef"]\n');
  assertEquals((await daemon.start("--config", config)).code, 0);
  // From another folder, and told no more than which server it is.
  const restarted = await runChloe(["restart", "--pid-file", daemon.pidFile], { cwd: "/tmp" });
  assertEquals([restarted.code, restarted.stderr], [0, ""]);
  const { url } = running(lines(restarted.stdout).at(-1)!);
  const send = await fetch(`${url}/send`, { method: "POST", body: new URLSearchParams("data=x") });
  assertEquals(send.status, 401);
  await send.body?.cancel();
  await eventually(async () => {
    const log = await Deno.readTextFile(daemon.logFile);
    return log.match(/listens on/g)?.length === 2 || undefined;
  }, "both starts in one log");
});

Deno.test("chloe restart leaves the server alone where the new config is bad", async () => {
  await using daemon = await makeDaemon();
  const { pid } = running((await daemon.start()).stdout);
  assertEquals((await daemon.restart("--log-level=loud")).code, 2);
  assertEquals(running((await daemon.status()).stdout).pid, pid);
});

Deno.test("chloe status knows a server in the foreground", async () => {
  await using folder = await makeFolder();
  await using chloe = await startChloe();
  const { code, stdout } = await runChloe(["status", "--pid-file", `${folder.path}/none.pid`], {
    env: { CHLOE_PORT: `${chloe.port}` },
  });
  assertEquals(code, 0);
  assertMatch(
    stdout,
    new RegExp(`^Chloe is running \\(process ${chloe.pid}\\) .*not as the daemon`),
  );
});

const SECRET = `secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\n`;
const API_KEY = `api_keys = ["chk_0123456789abcdef"]\n`;

for (
  const [how, config] of [
    ["without keys", ""],
    ["with an API key", API_KEY],
    ["with a signature", SECRET],
  ] as const
) {
  Deno.test(`chloe send reaches a running server ${how}`, async () => {
    await using folder = await makeFolder();
    await Deno.writeTextFile(`${folder.path}/chloe.toml`, config);
    await using chloe = await startChloe({ cwd: folder.path });
    const listening = await fetch(`${chloe.url}/chloe/events?channel=news`);
    const sent = await runChloe(["send", "--url", chloe.url, "--channel=news", "hi there"], {
      cwd: folder.path,
    });
    assertEquals([sent.code, sent.stderr, sent.stdout], [0, "", "sent to 1 session\n"]);
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of listening.body!) {
      text += decoder.decode(bytes, { stream: true });
      if (text.includes("hi there")) break;
    }
    assertMatch(text, /^data: ?"?hi there"?$/m);
  });
}

Deno.test("chloe send says on one line why it cannot", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/chloe.toml`, API_KEY);
  await using chloe = await startChloe({ cwd: folder.path });
  const refused = await runChloe(["send", "--url", chloe.url, "hi"]);
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /^chloe: Cannot send to [^\n]+\(401\)\n$/);
  const unreachable = await runChloe(["send", "--url", "http://127.0.0.1:1", "hi"]);
  assertEquals(unreachable.code, 1);
  assertMatch(unreachable.stderr, /^chloe: Cannot send to [^\n]+is Chloe running\?\n$/);
});

Deno.test("chloe serve --demo starts the demo app, and not where an app is configured", async () => {
  await using demo = await startChloe({ args: ["--demo"] });
  await demo.lineLike(/demo app/);
  await using other = await startChloe({ args: ["--demo", "--app-url=http://127.0.0.1:1/"] });
  await other.lineLike(/curl/);
  assert(!other.stderrLines().some((line) => line.includes("demo app")));
});

Deno.test({
  name: "deno task start hands its flags and its signals on",
  ignore: CHLOE_BIN !== undefined,
  async fn() {
    const root = new URL("..", import.meta.url).pathname;
    const task = new Deno.Command(Deno.execPath(), {
      args: ["task", "start", "--port=0", "--log-format=json"],
      cwd: root,
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let text = "";
    let isAsked = false;
    const decoder = new TextDecoder();
    for await (const bytes of task.stderr) {
      text += decoder.decode(bytes, { stream: true });
      if (isAsked || !text.includes("/send")) continue;
      isAsked = true; // once: a later one may find the task without its handler
      task.kill("SIGTERM");
    }
    assertEquals((await within(task.status, "the end of deno task")).code, 0);
    assertStringIncludes(text, "http://127.0.0.1:");
    assertStringIncludes(text, `"message":"Stopped"`);
  },
});
