import { setImmediate } from "node:timers";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { announceBoots, type Boots, defaultStateDir, rememberBoot } from "./boots.ts";

async function makeFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function entries(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names.sort();
}

/** Starts a server that ends without a word. */
async function boot(dir: string, boot: string, name: string | number = 8901): Promise<Boots> {
  return await rememberBoot({ dir, name, boot });
}

Deno.test("rememberBoot() makes the folder and knows nothing of a first run", async () => {
  await using folder = await makeFolder();
  const dir = `${folder.path}/lib/chloe`;
  assertEquals((await boot(dir, "a")).previous, []);
  assertEquals(await entries(dir), ["boot-8901.json"]);
  const permissions = async (path: string) => (await Deno.stat(path)).mode! & 0o777;
  assertEquals(await permissions(dir), 0o700);
  assertEquals(await permissions(`${dir}/boot-8901.json`), 0o600);
});

Deno.test("rememberBoot() names the runs before until they are taken, oldest first", async () => {
  await using folder = await makeFolder();
  await boot(folder.path, "a");
  assertEquals((await boot(folder.path, "b")).previous, ["a"]);
  const third = await boot(folder.path, "c");
  assertEquals(third.previous, ["a", "b"]);
  await third.taken("a");
  const fourth = await boot(folder.path, "d");
  assertEquals(fourth.previous, ["b", "c"]);
  await Promise.all([fourth.taken("b"), fourth.taken("c")]);
  assertEquals((await boot(folder.path, "e")).previous, ["d"]);
});

Deno.test("rememberBoot() keeps servers in one folder apart", async () => {
  await using folder = await makeFolder();
  await boot(folder.path, "a", 8901);
  assertEquals((await boot(folder.path, "b", 8902)).previous, []);
  assertEquals((await boot(folder.path, "c", "../x:8901")).previous, []);
  assertEquals((await boot(folder.path, "d", 8901)).previous, ["a"]);
  assertEquals(await entries(folder.path), [
    "boot-..%2Fx%3A8901.json",
    "boot-8901.json",
    "boot-8902.json",
  ]);
});

Deno.test("rememberBoot() remembers the newest hundred", async () => {
  await using folder = await makeFolder();
  for (let n = 0; n < 101; n++) await boot(folder.path, `b${n}`);
  const all = Array.from({ length: 101 }, (_, n) => `b${n}`);
  assertEquals((await boot(folder.path, "last")).previous, all.slice(1));
});

Deno.test("rememberBoot() takes a broken file for none, and mends it", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/boot-8901.json`;
  const texts = [
    "",
    "{",
    "null",
    "[]",
    '{"boot":7,"over":[]}',
    '{"boot":"a"}',
    '{"boot":"a","over":[null]}',
    `{"boot":"${"a".repeat(101)}","over":[]}`,
    `{"boot":"a","over":[]}${" ".repeat(65 * 1024)}`,
  ];
  for (const text of texts) {
    await Deno.writeTextFile(path, text);
    assertEquals((await boot(folder.path, "b")).previous, [], text.slice(0, 50));
    assertEquals((await boot(folder.path, "c")).previous, ["b"], text.slice(0, 50));
  }
});

Deno.test("rememberBoot() is not held up by what a crash left half written", async () => {
  await using folder = await makeFolder();
  await boot(folder.path, "a");
  await Deno.writeTextFile(`${folder.path}/boot-8901.json.new`, '{"boot":"b');
  assertEquals((await boot(folder.path, "c")).previous, ["a"]);
  assertEquals(await entries(folder.path), ["boot-8901.json"]);
});

Deno.test("rememberBoot() writes through no link that somebody put beside its file", async () => {
  await using folder = await makeFolder();
  const dir = `${folder.path}/state`;
  await boot(dir, "a");
  await Deno.writeTextFile(`${folder.path}/victim`, "precious");
  await Deno.symlink(`${folder.path}/victim`, `${dir}/boot-8901.json.new`);
  assertEquals((await boot(dir, "b")).previous, ["a"]);
  assertEquals(await Deno.readTextFile(`${folder.path}/victim`), "precious");
  assertEquals((await Deno.lstat(`${dir}/boot-8901.json`)).isFile, true);
});

Deno.test("rememberBoot() says what to do where the folder or file cannot be used", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  await assertRejects(() => boot(`${folder.path}/file`, "a"), Error, "set state_dir to another");
  await Deno.mkdir(`${folder.path}/boot-1.json`);
  await assertRejects(() => boot(folder.path, "a", 1), Error, `in ${folder.path}: let Chloe write`);
});

Deno.test("Boots.taken() rejects where it cannot write, and can again later", async () => {
  await using folder = await makeFolder();
  const dir = `${folder.path}/state`;
  await boot(dir, "a");
  await boot(dir, "b");
  const boots = await boot(dir, "c");
  await Deno.rename(dir, `${dir}.gone`);
  await assertRejects(() => boots.taken("a"), Deno.errors.NotFound);
  await Deno.rename(`${dir}.gone`, dir);
  await boots.taken("b");
  assertEquals((await boot(dir, "d")).previous, ["c"]);
});

Deno.test("defaultStateDir() prefers systemd's folder, then root's or the user's", () => {
  const env = { STATE_DIRECTORY: "/var/lib/a:/b", XDG_STATE_HOME: "/xdg", HOME: "/home/ann" };
  const { STATE_DIRECTORY: _, ...user } = env;
  assertEquals(defaultStateDir(env, true), "/var/lib/a");
  assertEquals(defaultStateDir(env, false), "/var/lib/a");
  assertEquals(defaultStateDir(user, true), "/var/lib/chloe");
  assertEquals(defaultStateDir(user, false), "/xdg/chloe");
  const ofHome = "/home/ann/.local/state/chloe";
  assertEquals(defaultStateDir({ ...user, XDG_STATE_HOME: "relative" }, false), ofHome);
  assertEquals(defaultStateDir({ HOME: "/home/ann" }, false), ofHome);
  assertThrows(() => defaultStateDir({}, false), Error, "set state_dir");
});

/** Runs of which the app is to be told, and what happens with them. */
function fakeBoots(previous: readonly string[]) {
  const log: string[] = [];
  const boots: Boots = {
    previous,
    taken(boot) {
      log.push(`taken ${boot}`);
      return Promise.resolve();
    },
  };
  return { boots, log };
}

Deno.test("announceBoots() asks again after longer and longer pauses", async () => {
  const { boots, log } = fakeBoots(["a", "b"]);
  const pauses: number[] = [];
  let fails = 8;
  await announceBoots({
    boots,
    restarted(boot) {
      log.push(boot);
      return Promise.resolve(boot === "b" || fails-- === 0);
    },
    signal: new AbortController().signal,
    wait(ms) {
      pauses.push(ms / 1000);
      return Promise.resolve();
    },
  });
  assertEquals(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
  assertEquals(log, [...Array(9).fill("a"), "taken a", "b", "taken b"]);
});

Deno.test("announceBoots() goes on where a boot cannot be crossed off", async () => {
  const told: string[] = [];
  await announceBoots({
    boots: { previous: ["a", "b"], taken: () => Promise.reject(new Error("disk full")) },
    restarted(boot) {
      told.push(boot);
      return Promise.resolve(true);
    },
    signal: new AbortController().signal,
  });
  assertEquals(told, ["a", "b"]);
});

Deno.test("announceBoots() stops in a pause, and where it asks, as the server ends", async () => {
  for (const during of ["pause", "question"]) {
    const { boots, log } = fakeBoots(["a", "b"]);
    const controller = new AbortController();
    await announceBoots({
      boots,
      restarted(boot) {
        log.push(boot);
        if (during === "question") controller.abort();
        // When the pause has begun: it is of real time here, and its timer must not be left behind.
        else setImmediate(() => controller.abort());
        return Promise.resolve(false);
      },
      signal: controller.signal,
    });
    assertEquals(log, ["a"], during);
  }
});
