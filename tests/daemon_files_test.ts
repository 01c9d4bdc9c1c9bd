/**
 * Files that the daemon cannot have, or no longer: a log on a full disk, a pid file of somebody else's. Each is
 * said on a line that tells what to do, and leaves nothing half done.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePort } from "./support/app_process.ts";
import { CHLOE_COMMAND, runChloe } from "./support/chloe_process.ts";
import { ask } from "./support/http.ts";
import { eventually, within } from "./support/within.ts";
import { SessionClient } from "./support/session_client.ts";
import { RawWebSocket } from "./support/websocket.ts";

const NOBODY = 65_534;
/** Files on the small disk grow by so much. */
const PAGE_BYTES = 4096;
const IS_ROOT = Deno.uid() === 0;
const IS_LINUX = Deno.build.os === "linux";

function run(program: string, ...args: readonly string[]): boolean {
  try {
    return new Deno.Command(program, { args: [...args], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Whether this user may mount a small disk, which not even root may in some containers. */
function mayMount(): boolean {
  if (!IS_ROOT || !IS_LINUX) return false;
  const path = Deno.makeTempDirSync();
  const mounted = run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path);
  if (mounted) run("umount", path);
  Deno.removeSync(path);
  return mounted;
}

/** Root without its privileges: files and processes of others are closed to it, as to any user. */
const WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all"];

/** Whether a test can be one of two users. */
function maySetUsers(): boolean {
  return IS_ROOT && IS_LINUX && run("setpriv", "--bounding-set=-all", "true");
}

async function makeFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "chloe-files-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A disk of 64 KiB. */
async function makeDisk(): Promise<
  { path: string; fill(): Promise<void>; free(): Promise<void> } & AsyncDisposable
> {
  const path = await Deno.makeTempDir({ prefix: "chloe-disk-" });
  assert(run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path));
  return {
    path,
    async fill() {
      using file = await Deno.open(`${path}/filler`, { write: true, create: true });
      const page = new Uint8Array(4096);
      try {
        for (;;) await file.write(page);
      } catch {
        // full
      }
    },
    free: () => Deno.remove(`${path}/filler`),
    async [Symbol.asyncDispose]() {
      run("umount", path);
      await Deno.remove(path);
    },
  };
}

Deno.test({
  name: "chloe start says that the log's disk is full, and starts nothing",
  ignore: !mayMount(),
  async fn() {
    await using folder = await makeFolder();
    await using disk = await makeDisk();
    await disk.fill();
    const { code, stdout, stderr } = await runChloe([
      "start",
      "--port=0",
      ...["--log-file", `${disk.path}/chloe.log`, "--pid-file", `${folder.path}/chloe.pid`],
    ]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^chloe: Cannot write the log [^\n]*: No space left[^\n]*; make room there, or [^\n]*--log-file\n$/,
    );
    assertEquals([...Deno.readDirSync(folder.path)], []);
  },
});

Deno.test({
  name: "chloe serve serves although its log cannot be written, and ends as it should",
  ignore: !IS_LINUX,
  async fn() {
    const port = freePort();
    const [program, ...words] = CHLOE_COMMAND;
    const chloe = new Deno.Command("/bin/sh", {
      args: ["-c", 'exec "$@" 2>/dev/full', "sh", program, ...words, "serve", `--port=${port}`],
      cwd: "/",
      stdin: "null",
      stdout: "null",
    }).spawn();
    const address = { hostname: "127.0.0.1", port };
    await eventually(() => ask(address, "/healthz").catch(() => undefined), "the server");
    chloe.kill("SIGHUP");
    assertEquals((await ask(address, "/readyz")).status, 200);
    chloe.kill("SIGTERM");
    assertEquals((await within(chloe.status, "the end")).code, 0);
  },
});

Deno.test({
  name: "a daemon whose log's disk runs full goes on, and so does its log when there is room again",
  ignore: !mayMount(),
  async fn() {
    await using folder = await makeFolder();
    await using disk = await makeDisk();
    const pidFile = `${folder.path}/chloe.pid`;
    const logFile = `${disk.path}/chloe.log`;
    const started = await runChloe([
      "start",
      "--port=0",
      "--log-level=debug",
      ...["--log-file", logFile, "--pid-file", pidFile],
    ], { env: { CHLOE_SESSION_PING: "10ms" } });
    assertEquals(started.code, 0, started.stderr);
    try {
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(started.stdout)![1]);
      const address = { hostname: "127.0.0.1", port };
      const misbehave = async () => {
        using socket = await RawWebSocket.open(address, "/chloe/ws");
        await socket.send("nonsense");
        while ((await socket.next()).kind !== "closed");
      };
      await disk.fill();
      // Each is a record; the page of the file that was begun before has room for a few.
      await eventually(async () => {
        await misbehave();
        return (await Deno.stat(logFile)).size % PAGE_BYTES === 0 || undefined;
      }, "a log that is full to the last byte");
      for (let n = 0; n < 50; n++) await misbehave();
      // Two ticks of the server's clock: it has tried to write these by then.
      await using page = new SessionClient(address);
      await page.connect("websocket");
      await eventually(() => Promise.resolve(page.pings > 1 || undefined), "pings");
      await disk.free();
      await eventually(async () => {
        await misbehave();
        const log = await Deno.readTextFile(logFile);
        return /Dropped \d+ log records: .*No space left/.test(log) || undefined;
      }, "the log to go on");
    } finally {
      assertEquals((await runChloe(["stop", "--pid-file", pidFile])).code, 0);
    }
    // A line that was torn is a line of its own: all others are whole.
    const lines = (await Deno.readTextFile(logFile)).trimEnd().split("\n");
    const torn = lines.filter((line) => {
      try {
        return typeof JSON.parse(line) !== "object";
      } catch {
        return true;
      }
    });
    assert(torn.length <= 1, torn.join("\n"));
    assertMatch(lines.at(-1)!, /"message":"Stopped"/);
  },
});

Deno.test({
  name: "chloe start says that the pid file's disk is full, and leaves none there",
  ignore: !mayMount(),
  async fn() {
    await using folder = await makeFolder();
    await using disk = await makeDisk();
    await disk.fill();
    const { code, stderr } = await runChloe([
      "start",
      "--port=0",
      ...["--log-file", `${folder.path}/chloe.log`, "--pid-file", `${disk.path}/chloe.pid`],
    ]);
    assertEquals(code, 1);
    assertMatch(stderr, /Cannot start: cannot write the pid file .*: No space left.*--pid-file/);
    assertEquals([...Deno.readDirSync(disk.path)].map(({ name }) => name), ["filler"]);
  },
});

Deno.test({
  name: "a pid file of another user's is said to be that, by every command, and left alone",
  ignore: !maySetUsers(),
  async fn() {
    await using folder = await makeFolder();
    const pidFile = `${folder.path}/chloe.pid`;
    await Deno.writeTextFile(pidFile, "1\n", { mode: 0o600 });
    await Deno.chown(pidFile, NOBODY, NOBODY);
    const option = ["--pid-file", pidFile];
    for (
      const words of [
        ["serve", "--port=0", ...option],
        ["start", "--port=0", "--log-file", `${folder.path}/log`, ...option],
        ["stop", ...option],
        ["reload", ...option],
        ["status", ...option],
      ]
    ) {
      const { code, stdout, stderr } = await runChloe(words, { by: WITHOUT_PRIVILEGES });
      assertEquals([code, stdout], [1, ""], words[0]);
      assertMatch(
        stderr,
        /^chloe: [^\n]*pid file [^\n]*: Permission denied[^\n]* is another user's: [^\n]*--pid-file\n$/,
        words[0],
      );
    }
    assertEquals(await Deno.readTextFile(pidFile), "1\n");
  },
});

Deno.test({
  name: "a server of another user's is neither stopped nor reloaded, and that is said",
  ignore: !maySetUsers(),
  async fn() {
    await using folder = await makeFolder();
    const pidFile = `${folder.path}/chloe.pid`;
    // Nobody's process, of which all else says that it is a Chloe.
    const process = new Deno.Command("setpriv", {
      args: [`--reuid=${NOBODY}`, "--clear-groups", "sleep", "1000"],
      cwd: "/",
      stdin: "null",
    }).spawn();
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => Response.json({ status: "ok", pid: process.pid }),
    );
    try {
      await eventually(async () => {
        const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
        return new RegExp(`^Uid:\\s+${NOBODY}\\s`, "m").test(status) || undefined;
      }, "the process to be nobody's");
      const url = `http://127.0.0.1:${server.addr.port}`;
      await Deno.writeTextFile(pidFile, `${process.pid}\n${url}\n`);
      await Deno.writeTextFile(`${pidFile}.reload`, `{"ok":true,"count":0,"atMs":0}`);
      using file = await Deno.open(pidFile, { read: true, write: true });
      await file.lock(true);
      for (const [command, signal] of [["stop", "SIGTERM"], ["reload", "SIGHUP"]] as const) {
        const { code, stderr } = await runChloe([command, "--pid-file", pidFile], {
          by: WITHOUT_PRIVILEGES,
        });
        assertEquals(code, 1);
        assertMatch(
          stderr,
          new RegExp(`^chloe: Cannot send ${signal} to process ${process.pid}: .*another user's`),
        );
      }
    } finally {
      process.kill("SIGKILL");
      await process.status;
    }
  },
});

Deno.test("a pid file that another program holds keeps a server from starting, and says so", async () => {
  await using folder = await makeFolder();
  const pidFile = `${folder.path}/chloe.pid`;
  await Deno.writeTextFile(pidFile, `${Deno.pid}\n`);
  using file = await Deno.open(pidFile, { read: true, write: true });
  await file.lock(true);
  const serve = await runChloe(["serve", "--port=0", "--pid-file", pidFile]);
  assertEquals(serve.code, 1);
  assertMatch(serve.stderr, /^chloe: Cannot start: a running process, most likely a Chloe, holds /);
  const stop = await runChloe(["stop", "--pid-file", pidFile]);
  assertEquals(stop.code, 1);
  assertMatch(stop.stderr, /does not answer as Chloe; end it by hand\n$/);
  assertEquals(await Deno.readTextFile(pidFile), `${Deno.pid}\n`);
});

Deno.test("a pid file that cannot be one is said on one line", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  for (const pidFile of [folder.path, `${folder.path}/file/chloe.pid`]) {
    for (const command of ["serve", "start"]) {
      const log = command === "start" ? ["--log-file", `${folder.path}/log`] : [];
      const { code, stderr } = await runChloe(
        [command, "--port=0", "--pid-file", pidFile, ...log],
      );
      assertEquals(code, 1);
      assertMatch(stderr, /^chloe: [^\n]*pid file [^\n]+--pid-file\n$/, stderr);
    }
  }
});
