import { assert, assertEquals, assertRejects } from "@std/assert";
import { PidFile, readPidFile } from "./pid_file.ts";

async function makeFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("PidFile.claim() makes the folder and names this process", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/run/chloe.pid`;
  assertEquals(await readPidFile(path), { state: "none" });
  using file = await PidFile.claim(path);
  assert(file !== null);
  assertEquals(await readPidFile(path), { state: "running", pid: Deno.pid, url: null });
  file.publish("http://127.0.0.1:8901");
  assertEquals(await readPidFile(path), {
    state: "running",
    pid: Deno.pid,
    url: "http://127.0.0.1:8901",
  });
});

Deno.test("PidFile.claim() gives up where another holds the file", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/chloe.pid`;
  using first = await PidFile.claim(path);
  assert(first !== null);
  assertEquals(await PidFile.claim(path), null);
});

Deno.test("PidFile.claim() waits for those who only look at the file, however slow they are", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/chloe.pid`;
  await Deno.writeTextFile(path, "1\n");
  const readers = [await Deno.open(path), await Deno.open(path)];
  for (const reader of readers) assertEquals(await reader.tryLock(false), true);
  let pauses = 0;
  const pause = () => {
    if (++pauses === 20) { for (const reader of readers) reader.close(); }
    return Promise.resolve();
  };
  using file = await PidFile.claim(path, { pause });
  assertEquals([file !== null, pauses], [true, 20]);
  assertEquals(await readPidFile(path), { state: "running", pid: Deno.pid, url: null });
});

Deno.test("PidFile removes the file when it is disposed of", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/chloe.pid`;
  (await PidFile.claim(path))![Symbol.dispose]();
  assertEquals(await readPidFile(path), { state: "none" });
  using again = await PidFile.claim(path);
  assert(again !== null);
});

Deno.test("readPidFile() takes a file that nobody holds for stale, whatever it says", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/chloe.pid`;
  const texts = { "": null, "0\n": null, "-1\n": null, "x": null, "77\n": 77 };
  for (const [text, pid] of Object.entries(texts)) {
    await Deno.writeTextFile(path, text);
    assertEquals(await readPidFile(path), { state: "stale", pid });
  }
  using file = await PidFile.claim(path);
  assert(file !== null);
});

Deno.test("readPidFile() throws where there is no file to be", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  await assertRejects(() => readPidFile(`${folder.path}/file/chloe.pid`));
});
