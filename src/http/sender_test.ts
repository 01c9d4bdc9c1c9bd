import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Target } from "../hub/hub_options.ts";
import { IdempotencyStore, REMEMBER_MS } from "./idempotency.ts";
import type { Delivery } from "./send_schema.ts";
import { MessageSender, type SendResult, type Sent } from "./sender.ts";

type Published = [target: Target, data: string, except: string | undefined];

function setUp({ maxIds = 100 } = {}) {
  const published: Published[] = [];
  const clock = { now: 1000 };
  const store = new IdempotencyStore({ maxIds, now: () => clock.now });
  const sender = new MessageSender({
    publisher: {
      publish(target, data, except) {
        published.push([target, data, except]);
        return published.length;
      },
    },
    messageBytes: 1000,
    store,
  });
  return { sender, published, clock, store };
}

function message(data: string, members: Partial<Delivery> = {}): Delivery {
  return { targets: [{ kind: "all" }], data, ...members };
}

function sentOf(result: SendResult): readonly Sent[] {
  assert(result.ok);
  return result.sent;
}

function request(id: string, body: string, untilMs = 0) {
  return { id, body: new TextEncoder().encode(body), untilMs };
}

Deno.test("MessageSender.send() publishes to every target and adds up whom it matched", () => {
  const { sender, published } = setUp();
  const targets: Target[] = [{ kind: "channel", channel: "x" }, { kind: "user", user: "ann" }];
  const [sent] = sentOf(sender.send([message("1", { targets, except: "s1" })]));
  assertEquals(published, [[targets[0]!, "1", "s1"], [targets[1]!, "1", "s1"]]);
  assertEquals(sent!.matched, 1 + 2);
});

Deno.test("MessageSender.send() gives each message an id of its own", () => {
  const { sender } = setUp();
  const [one, two] = sentOf(sender.send([message("1"), message("1")]));
  assertMatch(one!.id, /^msg_/);
  assertNotEquals(one!.id, two!.id);
  assertNotEquals(sentOf(setUp().sender.send([message("1")]))[0]!.id, one!.id);
  const [named] = sentOf(sender.send([message("1", { id: "order-42" })]));
  assertEquals(named!.id, "order-42");
});

Deno.test("MessageSender.send() sends once what comes again with the same id", () => {
  const { sender, published, clock } = setUp();
  const first = sender.send([message("1", { id: "a" })]);
  assertEquals(sender.send([message("1", { id: "a" })]), first);
  assertEquals(published.length, 1);
  clock.now += REMEMBER_MS;
  sender.send([message("1", { id: "a" })]);
  assertEquals(published.length, 2);
});

Deno.test("MessageSender.send() refuses an id that was used for another message", () => {
  const { sender, published } = setUp();
  sender.send([message("1", { id: "a" })]);
  const others: Partial<Delivery>[] = [
    { data: "2" },
    { targets: [{ kind: "channel", channel: "x" }] },
    { except: "s1" },
  ];
  for (const other of others) {
    const result = sender.send([message("3"), message("1", { id: "a", ...other })]);
    assert(!result.ok && result.status === 409 && result.message.startsWith("id: "));
  }
  const within = sender.send([message("1", { id: "b" }), message("2", { id: "b" })]);
  assert(!within.ok && within.status === 409);
  assertEquals(published.length, 1);
  // A refused request uses up no id.
  assertEquals(sender.send([message("2", { id: "b" })]).ok, true);
});

Deno.test("MessageSender.send() sends what is new in a list beside what is not", () => {
  const { sender, published } = setUp();
  const [a] = sentOf(sender.send([message("1", { id: "a" })]));
  const both = sentOf(sender.send([message("1", { id: "a" }), message("2", { id: "b" })]));
  assertEquals(both[0], a);
  assertEquals(published.map(([, data]) => data), ["1", "2"]);
  const twice = sentOf(sender.send([message("3", { id: "c" }), message("3", { id: "c" })]));
  assertEquals(twice[0], twice[1]);
  assertEquals(published.length, 3);
});

Deno.test("MessageSender.send() does a whole request once by its own id", () => {
  const { sender, published, clock } = setUp();
  const untilMs = clock.now + 2 * REMEMBER_MS;
  const first = sender.send([message("1"), message("2")], request("r", "[1,2]", untilMs));
  clock.now += 2 * REMEMBER_MS - 1;
  assertEquals(sender.send([message("1"), message("2")], request("r", "[1,2]")), first);
  assertEquals(published.length, 2);
  const other = sender.send([message("1")], request("r", "[1]"));
  assert(!other.ok && other.status === 409 && other.message.startsWith("webhook-id: "));
  // A message's id and a request's id are different things.
  assertEquals(sentOf(sender.send([message("1")], request("r2", "1")))[0]!.id, "r2");
  assertEquals(sender.send([message("5", { id: "r2" })]).ok, true);
  assertEquals(published.length, 4);
});

Deno.test("MessageSender.send() refuses, and sends nothing, where it cannot remember the ids", () => {
  const { sender, published, clock, store } = setUp({ maxIds: 2 });
  sender.send([message("1", { id: "a" })]);
  const result = sender.send([message("2", { id: "b" }), message("3", { id: "c" })]);
  assert(!result.ok && result.status === 503);
  assertEquals([published.length, store.size], [1, 1]);
  // What needs no memory is still sent, and what is remembered still answered.
  assertEquals(sender.send([message("4"), message("1", { id: "a" })]).ok, true);
  assertEquals(sender.send([message("2", { id: "b" })], request("r", "2")).ok, false);
  clock.now += REMEMBER_MS;
  assertEquals(sender.send([message("2", { id: "b" }), message("3", { id: "c" })]).ok, true);
});

Deno.test("MessageSender.sendUnchecked() says what is wrong, or sends", () => {
  const { sender, published } = setUp();
  assertMatch(sender.sendUnchecked({ channel: "x" })!, /^data: /);
  assertMatch(sender.sendUnchecked("x")!, /^body: /);
  assertEquals(sender.sendUnchecked({ channel: "/x", data: { n: 1 }, id: "a" }), null);
  assertEquals(sender.sendUnchecked({ channel: "/x", data: { n: 1 }, id: "a" }), null);
  assertMatch(sender.sendUnchecked({ data: 1, id: "a" })!, /^id: /);
  assertEquals(published, [[{ kind: "channel", channel: "x" }, '{"n":1}', undefined]]);
});
