import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeWorld, settle } from "./_testing.ts";
import { ChloeError } from "./errors.ts";

function connected() {
  const world = new FakeWorld();
  const chloe = world.chloe();
  chloe.connect();
  world.socket.accept();
  return { world, chloe, socket: world.socket };
}

Deno.test("a channel subscribes, publishes, asks who is there, and unsubscribes", async () => {
  const { chloe, socket } = connected();
  const news = chloe.channel("/news");
  assertEquals(news.name, "/news");
  const log: unknown[] = [];
  const subscribed = news.subscribe((data) => log.push(data));
  const published = news.publish({ n: 1 });
  const present = news.presence();
  assertEquals(socket.sent, [
    { id: 1, subscribe: { channel: "news" } },
    { id: 2, publish: { channel: "/news", data: { n: 1 } } },
    { id: 3, presence: { channel: "/news" } },
  ]);
  socket.say({ id: 1, ok: {} }, {
    id: 2,
    error: { code: "forbidden", message: "no", retry: false },
  }, {
    id: 3,
    ok: { count: 2 },
  });
  await subscribed;
  assertEquals((await assertRejects(() => published, ChloeError)).code, "forbidden");
  assertEquals(await present, { count: 2 });
  socket.say({ channel: "news", data: "x" });
  assertEquals(log, ["x"]);
  socket.sent = [];
  chloe.channel("news").unsubscribe();
  assertEquals(socket.sent, [{ id: 4, unsubscribe: { channel: "news" } }]);
});

Deno.test("a loop over a channel gets its messages, and leaves the channel at its end", async () => {
  const { chloe, socket } = connected();
  const log: unknown[] = [];
  const loop = (async () => {
    for await (const { data } of chloe.channel("news")) {
      log.push(data);
      if (log.length === 3) break;
    }
  })();
  await settle();
  assertEquals(socket.take(), { id: 1, subscribe: { channel: "news" } });
  socket.say({ id: 1, ok: {} }, { channel: "news", data: 1 }, { channel: "news", data: 2 });
  await settle();
  socket.say({ channel: "news", data: 3 }, { channel: "news", data: 4 });
  await loop;
  assertEquals(log, [1, 2, 3]);
  assertEquals(socket.take(), { id: 2, unsubscribe: { channel: "news" } });
});

Deno.test("a loop takes 10,000 messages that came in one frame", async () => {
  const { chloe, socket } = connected();
  let count = 0;
  const loop = (async () => {
    for await (const { data } of chloe.channel("news")) {
      assertEquals(data, count);
      if (++count === 10_000) return;
    }
  })();
  await settle();
  socket.say({ id: 1, ok: {} });
  socket.say(...Array.from({ length: 10_000 }, (_, data) => ({ channel: "news", data })));
  await loop;
  assertEquals(count, 10_000);
});

Deno.test("a loop that is slower than its messages ends with queue_full", async () => {
  const { chloe, socket } = connected();
  const loop = chloe.channel("news")[Symbol.asyncIterator]();
  const first = loop.next();
  await settle();
  socket.say({ id: 1, ok: {} }, { channel: "news", data: 0 });
  await first;
  for (let part = 0; part < 21; part++) {
    socket.say(...Array.from({ length: 1000 }, () => ({ channel: "news", data: 1 })));
  }
  assertEquals((await assertRejects(() => loop.next(), ChloeError)).code, "queue_full");
  assert((await loop.next()).done);
});

Deno.test("a loop over a channel that is refused, or taken away, throws; others just end", async () => {
  const ends: [
    string,
    (given: ReturnType<typeof connected>) => void,
    string | undefined,
  ][] = [
    ["refused", ({ socket }) => {
      socket.say({ id: 1, error: { code: "forbidden", message: "no", retry: false } });
    }, "forbidden"],
    ["revoked", ({ socket }) => {
      socket.say({ id: 1, ok: {} }, {
        channel: "news",
        unsubscribed: { code: "revoked", message: "out" },
      });
    }, "revoked"],
    ["unsubscribed", ({ chloe }) => chloe.unsubscribe("news"), undefined],
    ["closed", ({ chloe }) => chloe.close(), undefined],
  ];
  for (const [name, end, code] of ends) {
    const given = connected();
    given.chloe.on("error", () => {});
    const loop = (async () => {
      for await (const _ of given.chloe.channel("news"));
      return undefined;
    })().catch((error) => error.code);
    await settle();
    end(given);
    assertEquals([name, await loop], [name, code]);
  }
});
