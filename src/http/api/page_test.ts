import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../tests/support/random.ts";
import { pageOf, pageOfFitting, readCursor, writeCursor } from "./page.ts";

function walk(names: () => Iterable<string>, limit: number): string[] {
  const seen: string[] = [];
  for (let after: string | null = null;;) {
    const page = pageOf(names(), { after, limit });
    seen.push(...page.names);
    if (page.next === null) return seen;
    after = page.next;
  }
}

Deno.test("pageOf() gives each name once, in order, whatever the order they come in", () => {
  const sorted = Array.from({ length: 257 }, (_, n) => `n${String(n).padStart(4, "0")}`);
  const random = new Random(1);
  const orders = [
    sorted,
    sorted.toReversed(),
    sorted.toSorted(() => random.next() - 0.5),
  ];
  for (const names of orders) {
    for (const limit of [1, 2, 7, 256, 257, 258, 1000]) {
      assertEquals(walk(() => names, limit), sorted);
    }
  }
  assertEquals(pageOf([], { after: null, limit: 10 }), { names: [], next: null });
});

for (let seed = 1; seed <= 5; seed++) {
  Deno.test(`pageOf() misses nothing that stays while others come and go, seed ${seed}`, () => {
    const random = new Random(seed);
    const name = () => random.below(100_000).toString(36);
    const staying = new Set(Array.from({ length: 200 }, () => `s${name()}`));
    const passing = new Set<string>();
    const seen = walk(() => {
      for (let n = 0; n < 50; n++) passing.add(name());
      for (const each of passing) if (random.chance(0.3)) passing.delete(each);
      return [...passing, ...staying];
    }, 10);
    assertEquals(new Set(seen).size, seen.length);
    assertEquals(seen, seen.toSorted((a, b) => a < b ? -1 : 1));
    const found = new Set(seen);
    assertEquals([...staying].filter((each) => !found.has(each)), []);
  });
}

Deno.test("pageOfFitting() gives what fits once, in order, and tests no more than it may", () => {
  const names = Array.from({ length: 5000 }, (_, n) => `n${String(n).padStart(4, "0")}`);
  const others = Array.from({ length: 5000 }, (_, n) => `m${n}`);
  for (const [limit, last] of [[10, "7"], [3, "77"], [1000, "777"], [10, "none"]] as const) {
    const seen: string[] = [];
    for (let after: string | null = null;;) {
      let tested = 0;
      const page = pageOfFitting([...others, ...names], {
        after,
        limit,
        prefix: "n",
        fits: (name) => {
          assert(name.startsWith("n") && ++tested <= 2000);
          return name.endsWith(last);
        },
      });
      assert(page.names.length <= limit);
      seen.push(...page.names);
      if (page.next === null) break;
      after = page.next;
    }
    assertEquals(seen, names.filter((name) => name.endsWith(last)));
  }
});

Deno.test("readCursor() reads what writeCursor() wrote, whatever the name, and nothing else", () => {
  for (const name of ["a", "", "grüße/€:😀", "half \ud800 pair", '"', "\u0000"]) {
    assertEquals(readCursor("channels", writeCursor("channels", name)), name);
    assertEquals(readCursor("sessions", writeCursor("channels", name)), null);
  }
  const good = writeCursor("sessions", "abc");
  for (
    const bad of ["", "x", "%", good.slice(1), `${good}=`, `${good}!`, ` ${good}`, "c2Vzc2lvbnMgMQ"]
  ) {
    assertEquals(readCursor("sessions", bad), null, bad);
  }
});
