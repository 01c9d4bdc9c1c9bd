import { assert, assertEquals } from "@std/assert";
import type { Held } from "./come_and_go.ts";

const WAVES = 5;
const SOCKETS = 2000;

/**
 * What the third to fifth wave may add to what the second left: the first two fill caches. 6,000 sessions that
 * each left 100 bytes of JavaScript behind, or 4 KB of anything, or every thousandth its file, would be noticed.
 * The program's own `fetch` keeps as many connections to Chloe as it happened to need at once: a file at each end.
 */
const FILES_ALLOWANCE = 4;
const HEAP_ALLOWANCE_BYTES = 600 * 1000;
const RESIDENT_ALLOWANCE_BYTES = 24 * 1000 * 1000;

const PROGRAM = new URL("come_and_go.ts", import.meta.url).pathname;

Deno.test("5 waves of 2,000 sockets leave no file, no session and no memory behind", async () => {
  const args = ["run", "-A", "--v8-flags=--expose-gc", PROGRAM, String(WAVES), String(SOCKETS)];
  const program = new Deno.Command(Deno.execPath(), { args, stderr: "inherit" });
  const { code, stdout } = await program.output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text);

  const held: Held[] = text.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(held.length, WAVES);
  const [, second, ...later] = held as [Held, Held, ...Held[]];
  const most = (name: keyof Held) => Math.max(...later.map((each) => each[name])) - second[name];
  assert(most("files") <= FILES_ALLOWANCE, text);
  assert(most("heapBytes") <= HEAP_ALLOWANCE_BYTES, text);
  assert(most("residentBytes") <= RESIDENT_ALLOWANCE_BYTES, text);
});
