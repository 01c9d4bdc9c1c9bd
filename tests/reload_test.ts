/**
 * The config, read anew by a server that runs: on SIGHUP and by `chloe reload`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isMissing } from "./support/app_process.ts";
import { CHLOE_COMMAND, runChloe } from "./support/chloe_process.ts";
import { ask, type Exchange, request } from "./support/http.ts";
import { type Reloadable, startReloadable } from "./support/reloadable.ts";
import { signedBy } from "./support/signed.ts";
import type { Address } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { RawWebSocket } from "./support/websocket.ts";
import { eventually, within } from "./support/within.ts";

const OLD = `whsec_${btoa("the old secret of 24 bytes or so")}`;
const NEW = `whsec_${btoa("the new secret of 24 bytes or so")}`;
const KEY = "chk_0123456789abcdef";
const CHANNELS = `[[channel]]\npattern = "**"\n`;

/** What `/send` answers to a request that is signed with a secret. */
async function sendSigned(address: Address, secret: string): Promise<number> {
  const body = JSON.stringify({ channel: "news", data: "hi" });
  const { status } = await ask(address, "/send", {
    method: "POST",
    headers: { "content-type": "application/json", ...signedBy(secret, body) },
    body,
  });
  return status;
}

Deno.test("a secret is rotated by two reloads, and nobody is dropped", async () => {
  await using chloe = await startReloadable(`secret = "${OLD}"\n${CHANNELS}`);
  await using page = new SessionClient(chloe);
  await page.connect("websocket", { subscribe: { news: {} } });
  const both = async () => [await sendSigned(chloe, OLD), await sendSigned(chloe, NEW)];
  assertEquals(await both(), [200, 401]);
  await chloe.reload(`secret = ["${NEW}", "${OLD}"]\n${CHANNELS}`);
  assertEquals(await both(), [200, 200]);
  await chloe.reload(`secret = "${NEW}"\n${CHANNELS}`);
  assertEquals(await both(), [401, 200]);
  for (let n = 0; n < 4; n++) assertEquals(await page.nextData(), "hi");
});

Deno.test("an invalid config is refused as a whole, with each problem's path and no secret", async () => {
  await using chloe = await startReloadable(`secret = "${OLD}"\n${CHANNELS}`);
  const { ok, problems } = await chloe.reload(
    `secret = "whsec_hidden"\norigins = ["https://a.example"]\nprot = 1\n${CHANNELS}slow = "no"\n`,
  );
  assertEquals(ok, false);
  for (const path of ["secret[0]", "prot", "channel[0].slow"]) {
    const start = `${chloe.configFile}: ${path}: `;
    assertEquals(problems!.filter((problem) => problem.startsWith(start)).length, 1, path);
    const escaped = path.replaceAll(/[[\]]/g, "\\$&");
    await chloe.lineLike(
      new RegExp(`"ERROR".*refused, the old one stays in force: .* ${escaped}: `),
    );
  }
  assert(!chloe.stderrLines().some((line) => line.includes("hidden")));
  assertEquals(await sendSigned(chloe, OLD), 200);
  const { status } = await ask(chloe, "/chloe/events?channel=x", {
    headers: { origin: "https://a.example" },
  });
  assertEquals(status, 403);
});

Deno.test("files that the config includes are read anew with it", async () => {
  await using chloe = await startReloadable(`secret = "${OLD}"\n${CHANNELS}`);
  const secrets = `${chloe.configFile}.secrets`;
  await Deno.writeTextFile(secrets, `secret = "${OLD}"\n`);
  const including = `include = ["${secrets}"]\n${CHANNELS}`;
  const { changed, restart } = await chloe.reload(including);
  assertEquals([changed, restart], [["include"], []]);
  await Deno.writeTextFile(secrets, `secret = "${NEW}"\n`);
  assertEquals((await chloe.reload()).changed, ["secret"]);
  assertEquals([await sendSigned(chloe, OLD), await sendSigned(chloe, NEW)], [401, 200]);
  await Deno.writeTextFile(secrets, `port = 1\nsecret = "whsec_hidden"\n`);
  const { problems } = await chloe.reload(`port = 0\n${including}`);
  assertEquals(problems!.length, 2);
  assertEquals(await sendSigned(chloe, NEW), 200);
});

Deno.test("a config file that is gone is no config of defaults", async () => {
  await using chloe = await startReloadable(`secret = "${OLD}"\n${CHANNELS}`);
  await Deno.remove(chloe.configFile);
  const gone = await chloe.reload();
  assertMatch(gone.problems![0]!, /chloe\.toml: Cannot read the file: there is none/);
  assertEquals(await sendSigned(chloe, OLD), 200);
  await Deno.writeTextFile(chloe.configFile, "port = [");
  assertMatch((await chloe.reload()).problems![0]!, /Cannot read it as TOML/);
  assertEquals(await sendSigned(chloe, OLD), 200);
});

Deno.test("what needs a restart is named, and the rest is taken", async () => {
  await using chloe = await startReloadable(`api_keys = ["${KEY}"]\n${CHANNELS}`);
  const { changed, restart } = await chloe.reload(
    `port = 1\nsecret = "${NEW}"\n[app]\nevents = ["connect"]\n${CHANNELS}`,
  );
  assertEquals([changed, restart], [["secret", "api_keys"], ["port", "app.events"]]);
  await chloe.lineLike(/Reloaded the config: \\"changed secret, api_keys/);
  await chloe.lineLike(/only after a restart: \\"port, app\.events\\"/);
  assertEquals(await sendSigned(chloe, NEW), 200);
  const { status } = await ask(chloe, "/send", {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      authorization: `Bearer ${KEY}`,
    },
    body: "data=x",
  });
  assertEquals(status, 401);
});

Deno.test("a change that does not fit what needs a restart is refused", async () => {
  await using chloe = await startReloadable(`host = "0.0.0.0"\nsecret = "${OLD}"\n${CHANNELS}`);
  const { problems: [problem] = [] } = await chloe.reload(`host = "127.0.0.1"\n${CHANNELS}`);
  assertStringIncludes(problem!, "host: 0.0.0.0 is not a loopback address");
  assertStringIncludes(problem!, "with host as before, to change which needs a restart");
  assertEquals(await sendSigned(chloe, OLD), 200);
});

Deno.test("keys for tokens that cannot be read keep those of before in force", async () => {
  await using chloe = await startReloadable(CHANNELS);
  const missing = await chloe.reload(`[token]\njwks = "/nowhere/keys.json"\n${CHANNELS}`);
  assertMatch(missing.problems![0]!, /Cannot read token\.jwks \/nowhere\/keys\.json/);
  const unreachable = await chloe.reload(
    `secret = "${NEW}"\n[token]\njwks = "http://127.0.0.1:1/keys"\n${CHANNELS}`,
  );
  assertMatch(
    unreachable.problems![0]!,
    /Cannot read token\.jwks http:\/\/127\.0\.0\.1:1/,
  );
  await using page = new SessionClient(chloe);
  await page.connect("websocket", { token: "none.of.these" });
  assertEquals((await ask(chloe, "/api/stats")).status, 200);
});

Deno.test("the log's level and format are those of the last reload, and no record is lost", async () => {
  await using chloe = await startReloadable("");
  const misbehave = async () => {
    using socket = await RawWebSocket.open(chloe, "/chloe/ws");
    await socket.send("nonsense");
    while ((await socket.next()).kind !== "closed");
  };
  const count = (text: string) => chloe.stderrLines().filter((line) => line.includes(text)).length;
  await misbehave();
  await chloe.reload(`[log]\nlevel = "debug"\n`);
  assertEquals(count("Closed a connection"), 0);
  await misbehave();
  await chloe.lineLike(/Closed a connection/);

  await chloe.write(`[log]\nformat = "pretty"\n`);
  assertEquals((await chloe.command()).code, 0);
  await chloe.lineLike(/^[^{].*Reloaded the config: changed log.level, log.format$/);
  await misbehave();

  await chloe.write(`[log]\nlevel = "error"\n`);
  assertEquals((await chloe.command()).code, 0);
  await chloe.write("port = 70000\n");
  assertEquals((await chloe.command()).code, 1);
  await chloe.lineLike(/"level":"ERROR".*new config is refused/);
  // Two of four reloads were loud enough for the level of then.
  assertEquals([count("Reloaded the config"), count("Closed a connection")], [2, 1]);
});

Deno.test("sessions whose channels are closed to them are told, and go on", async () => {
  await using chloe = await startReloadable(CHANNELS);
  await using page = new SessionClient(chloe);
  await page.connect("websocket", { subscribe: { news: {}, chat: {} } });
  await chloe.reload(`[[channel]]\npattern = "chat"\nauthorize = "closed"\n${CHANNELS}`);
  const frame = await page.next((frame) => "unsubscribed" in frame);
  assertEquals([frame].map((frame) => "channel" in frame && frame.channel), ["chat"]);
  assertEquals((frame as { unsubscribed: { code: string } }).unsubscribed.code, "revoked");
  const again = await page.subscribe("chat");
  assertEquals((again as { error?: { code: string } }).error?.code, "forbidden");
  assertEquals(await page.publish("news", 1).then((reply) => "error" in reply), true);
  assertEquals("ok" in await page.subscribe("other"), true);
});

Deno.test("pages of an origin that was taken from the list are sent away, and stay away", async () => {
  const origins = (list: string) => `secret = "${OLD}"\norigins = [${list}]\n${CHANNELS}`;
  const [staying, leaving] = ["https://stays.example", "https://goes.example"];
  await using chloe = await startReloadable(origins(`"${staying}", "${leaving}"`));
  const clients = await Promise.all(
    (["websocket", "events", "poll"] as const).flatMap((transport) =>
      [staying, leaving, null].map(async (origin) => {
        const page = new SessionClient(chloe, {
          ...(origin !== null && { headers: { origin } }),
        });
        await page.connect(transport, { subscribe: { news: {} } });
        return { page, transport, origin };
      })
    ),
  );
  await chloe.reload(origins(`"${staying}"`));
  await sendSigned(chloe, OLD);
  for (const { page, transport, origin } of clients) {
    if (origin !== leaving) {
      assertEquals(await page.nextData(), "hi", `${transport} ${origin}`);
      continue;
    }
    if (transport === "poll") {
      // A poll that was under way has the goodbye, one that comes now is not let in.
      assert([200, 403].includes((await page.ended).code));
    } else {
      const { bye } = await page.next((frame) => "bye" in frame) as unknown as {
        bye: { code: number; reconnect: boolean };
      };
      assertEquals([bye.code, bye.reconnect], [1008, false]);
    }
    const error = await page.resume(transport).then(() => null, (error) => error);
    assertEquals(error?.head?.status ?? error?.code, 403, transport);
  }
  for (const { page } of clients) await page[Symbol.asyncDispose]();
});

Deno.test("chloe reload says what became of it, and exits with 0 or 1", async () => {
  await using chloe = await startReloadable("");
  const same = await chloe.command();
  assertEquals([same.code, same.stderr], [0, ""]);
  assertMatch(same.stdout, /^Chloe \(process \d+\) goes on as before: nothing has changed/);

  await chloe.write(`port = 1\norigins = ["https://a.example"]\n${CHANNELS}`);
  const taken = await chloe.command();
  assertEquals([taken.code, taken.stderr], [0, ""]);
  assertEquals(taken.stdout.split("\n"), [
    `Chloe (process ${chloe.pid}) has taken the new config: origins, channel`,
    "Changed in the config, but in force only after 'chloe restart': port",
    "",
  ]);

  await chloe.write("host = 7\nsecret = 'whsec_hidden'\n");
  const refused = await chloe.command();
  assertEquals([refused.code, refused.stdout], [1, ""]);
  const lines = refused.stderr.trimEnd().split("\n");
  assertMatch(lines[0]!, /^chloe: .*chloe\.toml: host: must be /);
  assertMatch(lines[1]!, /^chloe: .*chloe\.toml: secret\[0\]: /);
  assertMatch(lines[2]!, /^chloe: Cannot reload: process \d+ goes on with the config of before$/);
  assertEquals([lines.length, refused.stderr.includes("hidden")], [3, false]);

  const status = await runChloe(["status", "--pid-file", chloe.pidFile]);
  assertEquals(status.code, 0);
  assertMatch(status.stdout, /The last reload was refused.*\n.*host: must be /);
  await chloe.write(CHANNELS);
  assertEquals((await chloe.command()).code, 0);
});

Deno.test("chloe reload asks a server that was started by chloe start", async () => {
  const folder = await Deno.makeTempDir();
  const files = ["--pid-file", `${folder}/chloe.pid`, "--log-file", `${folder}/chloe.log`];
  const config = `${folder}/chloe.toml`;
  await Deno.writeTextFile(config, `port = 0\nsecret = "${OLD}"\n${CHANNELS}`);
  try {
    // Its flags count as before, and so does its environment.
    const started = await runChloe(["start", "--config", config, ...files], {
      env: { CHLOE_HISTORY_MAX_BYTES: "1MiB" },
    });
    assertEquals(started.code, 0, started.stderr);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(started.stdout)![1]);
    await Deno.writeTextFile(
      config,
      `port = 0\nsecret = "${NEW}"\nhistory.max_bytes = "2MiB"\n${CHANNELS}`,
    );
    const { code, stdout } = await runChloe(["reload", ...files.slice(0, 2)]);
    assertEquals([code, /config: (.*)/.exec(stdout)?.[1]], [0, "secret"]);
    assertEquals(await sendSigned({ hostname: "127.0.0.1", port }, NEW), 200);
  } finally {
    await runChloe(["stop", ...files.slice(0, 2)]);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("chloe reload signals nobody but a Chloe that holds the pid file", async () => {
  const folder = await Deno.makeTempDir();
  const pidFile = `${folder}/chloe.pid`;
  const reload = () => runChloe(["reload", "--pid-file", pidFile]);
  try {
    const none = await reload();
    assertEquals([none.code, none.stdout], [1, ""]);
    assertMatch(none.stderr, /^chloe: Cannot reload: no server holds the pid file [^\n]+\n$/);
    // A SIGHUP would end this process.
    await Deno.writeTextFile(pidFile, `${Deno.pid}\nhttp://127.0.0.1:1\n`);
    assertMatch((await reload()).stderr, /^chloe: Cannot reload: no server holds /);
    using file = await Deno.open(pidFile, { read: true, write: true });
    await file.lock(true);
    const other = await reload();
    assertEquals(other.code, 1);
    assertMatch(other.stderr, /does not answer as a Chloe that can\n$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a SIGHUP that comes as the server starts is not lost, and kills nobody", async () => {
  const folder = await Deno.makeTempDir();
  const files = ["--pid-file", `${folder}/chloe.pid`, "--log-file", `${folder}/chloe.log`];
  try {
    const starting = runChloe(["start", "--port=0", ...files]);
    // The pid file is there before the server listens.
    const pid = await eventually(async () => {
      const text = await Deno.readTextFile(`${folder}/chloe.pid`).catch(() => "");
      return Number(text.split("\n")[0]) || undefined;
    }, "the pid file");
    for (let n = 0; n < 3; n++) Deno.kill(pid, "SIGHUP");
    assertEquals((await starting).code, 0);
    await eventually(async () => {
      const log = await Deno.readTextFile(`${folder}/chloe.log`);
      return log.includes("Reloaded the config") || undefined;
    }, "the reload");
  } finally {
    await runChloe(["stop", ...files.slice(0, 2)]);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a SIGHUP that comes as the server stops does not disturb that", async () => {
  const { promise: received, resolve: receive } = Promise.withResolvers<void>();
  const { promise: told, resolve: answer } = Promise.withResolvers<void>();
  const app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.body?.cancel();
    receive();
    await told;
    return new Response();
  });
  try {
    const chloe: Reloadable = await startReloadable(
      `[app]\nurl = "http://127.0.0.1:${app.addr.port}/"\n`,
    );
    await using page = new SessionClient(chloe);
    await page.connect("websocket");
    page.command({ send: { data: "hi" } });
    await within(received, "an event");
    chloe.signal("SIGTERM");
    await chloe.lineLike(/waiting for the app/);
    const { problems } = await chloe.reload();
    assertMatch(problems![0]!, /the server is shutting down/);
    answer();
    assertEquals(await chloe.stop(), 0);
    await chloe[Symbol.asyncDispose]();
  } finally {
    answer();
    await app.shutdown();
  }
});

Deno.test("who watches a channel by a key that is taken away is sent away, and nobody else", async () => {
  const keys = ["chk_first_0123456789", "chk_second_0123456789"] as const;
  const config = (...list: readonly string[]) => `api_keys = ${JSON.stringify(list)}\n${CHANNELS}`;
  await using chloe = await startReloadable(config(...keys));
  const [first, second] = await Promise.all(keys.map((key) => {
    return request(chloe, "/api/channels/news/tail", {
      headers: { authorization: `Bearer ${key}` },
    });
  })) as [Exchange, Exchange];
  using _first = first;
  using _second = second;
  for (const watcher of [first, second]) assertEquals((await watcher.head()).status, 200);
  await chloe.reload(config(keys[1]));
  assertMatch(await first.text(), /"bye":\{"code":1008/);
  const sent = await ask(chloe, "/send", {
    method: "POST",
    headers: { authorization: `Bearer ${keys[1]}`, "content-type": "application/json" },
    body: '{"channel":"news","data":"for the second"}',
  });
  assertEquals(sent.status, 200);
  let text = "";
  while (!text.includes("for the second")) text += await within(second.read(), "a message");
});

Deno.test("the demo app and Chloe know each other by the secret of the last reload", async () => {
  await using chloe = await startReloadable("", { args: ["--demo"] });
  await using page = new SessionClient(chloe);
  await page.connect("websocket");
  for (
    const config of ["", `secret = "${OLD}"\n`, `secret = "${NEW}"\n`, `api_keys = ["${KEY}"]\n`]
  ) {
    assertEquals((await chloe.reload(config)).ok, true);
    assertEquals("ok" in await page.send(config), true);
    assertEquals(await page.nextData(), `Handled by the demo app: ${config}`);
  }
});

/** Runs a command at a terminal of its own, closes that when the command listens, and exits with its code. */
const AT_A_TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while b"Say hello" not in text:
    text += os.read(terminal, 4096)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

Deno.test({
  name: "a server whose terminal is closed stops, as nobody could stop it any more",
  ignore: isMissing("python"),
  async fn() {
    const python = new Deno.Command("python3", {
      args: ["-c", AT_A_TERMINAL, ...CHLOE_COMMAND, "serve", "--port=0"],
      cwd: "/",
      stdin: "null",
    });
    const { code, stderr } = await within(python.output(), "the end of the server");
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  },
});
