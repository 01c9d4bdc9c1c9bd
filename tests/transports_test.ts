/**
 * The contract of every transport: one body, run over each way in which a page can listen.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { openPage, type Page, type Way, WAYS } from "./support/pages.ts";
import { type ConfigFile, startTestServer, type TestServer } from "./support/server.ts";
import { eventually } from "./support/within.ts";

/** Runs `body` over every way; the pages that it opens are cut when it is over. */
function contract(
  claim: string,
  body: (
    t: { way: Way; server: TestServer; open(channel: string): Promise<Page> },
  ) => Promise<void>,
  config: ConfigFile = {},
): void {
  for (const way of WAYS) {
    Deno.test(`${way.name}: ${claim}`, async () => {
      await using server = await startTestServer(config);
      const pages: Page[] = [];
      try {
        await body({
          way,
          server,
          async open(channel) {
            const page = await openPage(way, server, channel);
            pages.push(page);
            return page;
          },
        });
      } finally {
        for (const page of pages) page.cut();
      }
    });
  }
}

contract("brings what is published to its channel", async ({ server, open }) => {
  const page = await open("news");
  assertEquals(await server.send({ channel: "news", data: "Trotter" }), 1);
  assertEquals(await page.next(), "Trotter");
});

contract("takes a channel with a leading slash for the same", async ({ server, open }) => {
  const page = await open("/pumpkin");
  assertEquals(await server.send({ channel: "pumpkin", data: "one" }), 1);
  assertEquals(await server.send({ channel: "/pumpkin", data: "two" }), 1);
  assertEquals([await page.next(), await page.next()], ["one", "two"]);
});

contract("brings what is sent to everyone", async ({ server, open }) => {
  const pages = [await open("one"), await open("two")];
  assertEquals(await server.send({ data: "hello" }), 2);
  for (const page of pages) assertEquals(await page.next(), "hello");
});

contract("brings nothing of channels that it is not in", async ({ server, open }) => {
  const [one, two] = [await open("one"), await open("two")];
  await server.send({ channel: "two", data: "for two" });
  await server.send({ channel: "one", data: "for one" });
  assertEquals(await one.next(), "for one");
  assertEquals(await two.next(), "for two");
});

const DATA: readonly unknown[] = [
  "",
  " spaces ",
  "two\nlines",
  "\n\nempty\n\nlines\n\n",
  "data: x\n\nevent: y",
  "é€🎃 \u2028 \u2029 \u0000",
  "</script>'\"\\",
  "null",
  null,
  true,
  0,
  -1.5e-7,
  [],
  { a: [1, { b: "\n" }], "": null },
  "x".repeat(60_000),
];

contract("brings data as it was sent", async ({ way, server, open }) => {
  const page = await open("news");
  await server.send(...DATA.map((data) => ({ channel: "news", data })));
  for (const data of DATA) assertEquals(await page.next(), way.shows(data));
});

contract("brings 1,000 messages in order, none missing, none twice", async ({ server, open }) => {
  const page = await open("news");
  const numbers = [...Array(1000).keys()].map((n) => `${n}`);
  async function sendAll(): Promise<void> {
    // In requests of growing size, so that some find the page between two polls.
    for (let at = 0, size = 1; at < numbers.length; at += size, size += 2) {
      const part = numbers.slice(at, at + size);
      await server.send(...part.map((data) => ({ channel: "news", data })));
    }
  }
  const sent = sendAll();
  const seen: unknown[] = [];
  for (const _ of numbers) seen.push(await page.next());
  await sent;
  assertEquals(seen, numbers);
  await server.send({ channel: "news", data: "end" });
  assertEquals(await page.next(), "end");
});

contract("makes room as soon as its connection is cut", async ({ way, server }) => {
  for (let n = 0; n < 15; n++) {
    // Beyond the limit the next page is let in once an earlier one's end was noticed.
    const page = await eventually(async () => {
      const page = await way.open(server, `news-${n}`);
      return page === 503 ? undefined : page;
    }, "room for another page");
    if (typeof page === "number") throw new Error(`Cannot open: ${page}`);
    page.cut();
  }
}, { limits: { connections: 10 } });

contract("ends when the server goes away", async ({ server, open }) => {
  const page = await open("news");
  const { ended } = page;
  await server.shutdown();
  await ended;
});

Deno.test("every page leaves its channel some time after its connection is cut", async () => {
  await using server = await startTestServer({ session: { grace: "5s" } });
  for (const [n, way] of WAYS.entries()) {
    const page = await openPage(way, server, `channel-${n}`);
    page.cut();
  }
  for (const n of WAYS.keys()) {
    await eventually(
      async () => await server.send({ channel: `channel-${n}`, data: 1 }) === 0 || undefined,
      "the end of a session whose page is gone",
    );
  }
});
