import { assert, assertEquals, assertLess } from "@std/assert";
import { CHLOE_BIN, runChloe, startChloe } from "./support/chloe_process.ts";

const MAX_BYTES = 110_000_000;
const MAX_START_MS = 500;
const CLIENT_FILES = ["chloe.js", "chloe.min.js", "chloe.mjs", "chloe.d.ts"];

/** A test of what only a binary has. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: CHLOE_BIN === undefined, fn });
}

test("the binary is no larger than it may be", async () => {
  assertLess((await Deno.stat(CHLOE_BIN!)).size, MAX_BYTES);
});

test("the binary starts in time", async () => {
  await runChloe(["--version"]); // from now on the file is in memory
  // The machine may be busy with other things: the best of them is what the binary can do.
  let best = Infinity;
  for (let i = 0; i < 50 && best >= MAX_START_MS; i++) {
    const start = performance.now();
    await runChloe(["--version"]);
    best = Math.min(best, performance.now() - start);
  }
  assertLess(best, MAX_START_MS);
});

test("the binary holds the client files, and needs nothing around it", async () => {
  await using chloe = await startChloe({ env: { HOME: "/nonexistent", XDG_CACHE_HOME: "" } });
  for (const name of CLIENT_FILES) {
    const response = await fetch(`${chloe.url}/${name}`);
    assertEquals(response.status, 200, name);
    assert((await response.text()).length > 1000, name);
  }
});

test("the archive holds the binary, and its sum is right", async () => {
  const folder = CHLOE_BIN!.replace(/\/chloe$/, "");
  const [sum, name] = (await Deno.readTextFile(`${folder}.tar.gz.sha256`)).trim().split(/\s+/);
  assertEquals(name, `${folder.split("/").at(-1)}.tar.gz`);
  const archive = await Deno.readFile(`${folder}.tar.gz`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", archive)).toHex();
  assertEquals(digest, sum);
  const { stdout } = await new Deno.Command("tar", { args: ["-tzf", `${folder}.tar.gz`] }).output();
  const files = new TextDecoder().decode(stdout).split("\n");
  assert(files.includes(`${folder.split("/").at(-1)}/chloe`), files.join());
});
