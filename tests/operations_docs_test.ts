/**
 * docs/operations.md against the source: whoever is told a code finds there what to do about it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { CLOSES, ERRORS } from "../src/protocol/codes.ts";

const ROOT = new URL("..", import.meta.url);
const text = await Deno.readTextFile(new URL("docs/operations.md", ROOT));

/** What stands in the first column of the tables. */
const first = [...text.matchAll(/^\| ([^|]*) \|/gm)].map(([, cell]) => cell!);
const codes = first.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code!));

async function* sources(folder: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else if (!name.endsWith("_test.ts")) yield await Deno.readTextFile(new URL(name, folder));
  }
}

Deno.test("docs/operations.md has every error code, with what to do", async () => {
  const said = new Set<string>(Object.keys(ERRORS));
  for await (const source of sources(new URL("src/", ROOT))) {
    for (const [, code] of source.matchAll(/errorResponse\(\s*\d+,\s*"(\w+)"/g)) said.add(code!);
  }
  assertEquals([...said].filter((code) => !codes.includes(code)), []);
});

Deno.test("docs/operations.md has every close code, with what to do", () => {
  const missing = Object.values(CLOSES).filter(({ code }) => !first.includes(String(code)));
  assertEquals(missing, []);
});

Deno.test("docs/operations.md leads to files that are there", async () => {
  for (const [, link] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
    await Deno.stat(new URL(link!, new URL("docs/", ROOT)));
  }
});
