import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { HubRig, push, rulesOf } from "../../tests/support/hub_rig.ts";
import { CLOSES } from "../protocol/codes.ts";
import { legacyCodec } from "../protocol/legacy.ts";
import { nativeCodec } from "../protocol/native.ts";
import { plainCodec } from "../protocol/plain.ts";

// Whom a message is for

Deno.test("Hub.publish() reaches a channel's subscribers and nobody else", () => {
  const rig = new HubRig();
  const { transport: inside } = rig.open(["news"]);
  const { transport: outside } = rig.open(["chat"]);
  assertEquals(rig.publish("news", 1), 1);
  rig.endTurn();
  assertEquals(inside.frames, [push("news", 1)]);
  assertEquals(outside.frames, []);
});

Deno.test("Hub.publish() to a channel without subscribers is for nobody", () => {
  const rig = new HubRig();
  assertEquals(rig.publish("news", 1), 0);
  assertEquals(rig.publishToAll(1), 0);
  assertEquals([rig.scheduled, rig.hub.channels.size], [0, 0]);
});

Deno.test("Hub.publish() to all reaches every session", () => {
  const rig = new HubRig();
  const { transport: a } = rig.open(["news"]);
  const { transport: b } = rig.open();
  assertEquals(rig.publishToAll("hi"), 2);
  rig.endTurn();
  assertEquals([a.frames, b.frames], [[push("/all", "hi")], [push("/all", "hi")]]);
});

Deno.test("Hub.publish() to a session reaches it alone, and names no channel", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open();
  const { transport: other } = rig.open();
  const target = { kind: "session", session: session.id } as const;
  assertEquals(rig.hub.publish(target, "1"), 1);
  assertEquals(rig.hub.publish({ kind: "session", session: "nobody" }, "1"), 0);
  rig.endTurn();
  assertEquals([transport.frames, other.frames], [[push(null, 1)], []]);
});

Deno.test("Hub.publish() to a user reaches all of their sessions", () => {
  const rig = new HubRig();
  const { session, transport: phone } = rig.open([], { user: "ann" });
  const { transport: desk } = rig.open([], { user: "ann" });
  const { transport: other } = rig.open([], { user: "bob" });
  const target = { kind: "user", user: "ann" } as const;
  assertEquals(rig.hub.publish(target, "1"), 2);
  assertEquals(rig.hub.publish(target, "2", session.id), 1);
  assertEquals(rig.hub.publish({ kind: "user", user: "zoe" }, "3"), 0);
  rig.endTurn();
  assertEquals([phone.data, desk.data, other.data], [[1], [1, 2], []]);
});

Deno.test("Hub.publish() skips the excepted session", () => {
  const rig = new HubRig();
  const { session, transport: excepted } = rig.open(["news"]);
  const { transport: other } = rig.open(["news"]);
  assertEquals(rig.publish("news", 1), 2);
  assertEquals(rig.publish("news", 2, session.id), 1);
  assertEquals(rig.publish("news", 3), 2);
  assertEquals(rig.publishToAll(4, session.id), 1);
  rig.endTurn();
  assertEquals([excepted.data, other.data], [[1, 3], [1, 2, 3, 4]]);
});

Deno.test("Hub.publish() excepts a session that is not there, or not in, from nothing", () => {
  const rig = new HubRig();
  const { session } = rig.open();
  const { transport } = rig.open(["news"]);
  assertEquals(rig.publish("news", 1, "nobody"), 1);
  assertEquals(rig.publish("news", 2, session.id), 1);
  const target = { kind: "session", session: session.id } as const;
  assertEquals(rig.hub.publish(target, "3", session.id), 0);
  rig.endTurn();
  assertEquals(transport.data, [1, 2]);
});

Deno.test("Hub.publish() counts who it was queued for where slow readers end by it", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 100 } });
  const { session: excepted } = rig.open(["news"]);
  const { session: slow } = rig.open(["news"], { capacity: 0 });
  const { session: slower } = rig.open(["news"], { capacity: 0 });
  assertEquals(rig.publish("news", "x".repeat(900)), 3);
  assertEquals(rig.publish("news", "y", excepted.id), 0);
  assertEquals([slow.ended, slower.ended, excepted.ended], [true, true, false]);
});

Deno.test("Hub.publish() says none where the last reader but the excepted one just ended", () => {
  const rig = new HubRig({ bounds: { unwrittenBytes: 100 } });
  const { session: excepted } = rig.open(["news"], { capacity: 0 });
  rig.publish("news", "x".repeat(900)); // ends it, once the batch does
  assertEquals(rig.publish("news", "y", excepted.id), 0);
  assertEquals([excepted.ended, rig.hub.channels.size], [true, 0]);
});

// Order, each within one turn

Deno.test("Hub sends a new subscriber nothing that was published before it came", () => {
  const rig = new HubRig();
  const { transport: old } = rig.open(["news"]);
  const { session, transport } = rig.open();
  rig.publish("news", 1);
  rig.hub.subscribe(session, "news");
  rig.publish("news", 2);
  rig.endTurn();
  assertEquals([old.data, transport.data], [[1, 2], [2]]);
});

Deno.test("Hub sends a new session nothing that was published to all before it came", () => {
  const rig = new HubRig();
  const { transport: old } = rig.open();
  rig.publishToAll(1);
  const { transport } = rig.open();
  rig.publishToAll(2);
  rig.endTurn();
  assertEquals([old.data, transport.data], [[1, 2], [2]]);
});

Deno.test("Hub sends what was published before unsubscribe, ahead of its reply", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  rig.publish("news", 1);
  assertEquals(rig.hub.unsubscribe(session, "news"), true);
  rig.hub.sendTo(session, nativeCodec.ok(1, "{}"));
  rig.publish("news", 2);
  rig.endTurn();
  assertEquals(transport.frames, [push("news", 1), nativeCodec.ok(1, "{}")]);
});

Deno.test("Hub sends a reply behind what was published before it, and ahead of what came after", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  const { transport: other } = rig.open(["news"]);
  rig.publish("news", 1);
  rig.hub.sendTo(session, nativeCodec.ok(1, "{}"));
  rig.publish("news", 2);
  rig.endTurn();
  assertEquals(transport.frames, [push("news", 1), nativeCodec.ok(1, "{}"), push("news", 2)]);
  assertEquals(other.data, [1, 2]);
});

Deno.test("Hub sends a message to a session in its place between others", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  rig.publishToAll(1);
  rig.hub.publish({ kind: "session", session: session.id }, "2");
  rig.publish("news", 3);
  rig.endTurn();
  assertEquals(transport.data, [1, 2, 3]);
});

Deno.test("Hub sends what went to a channel, to all and to the channel in that order", () => {
  const rig = new HubRig();
  const { transport: both } = rig.open(["a", "b"]);
  const { transport: one } = rig.open(["a"]);
  rig.publish("a", 1);
  rig.publishToAll(2);
  rig.publish("a", 3);
  rig.publish("b", 4);
  rig.publish("a", 5);
  rig.endTurn();
  assertEquals([both.data, one.data], [[1, 2, 3, 4, 5], [1, 2, 3, 5]]);
});

Deno.test("Hub sends everything of a turn in which a session ends to those who stay", () => {
  const rig = new HubRig();
  const { session } = rig.open(["news"]);
  const { transport } = rig.open(["news"]);
  rig.publish("news", 1);
  session.end(CLOSES.byApp);
  rig.publish("news", 2);
  rig.endTurn();
  assertEquals(transport.data, [1, 2]);
});

Deno.test("Session.end() hands over what was sent before, then says goodbye", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  rig.publish("news", 1);
  rig.hub.sendTo(session, nativeCodec.ok(1, "{}"));
  session.end(CLOSES.byApp);
  rig.endTurn();
  assertEquals(transport.frames, [push("news", 1), nativeCodec.ok(1, "{}")]);
  assertEquals(transport.closed, {
    close: CLOSES.byApp,
    farewell: nativeCodec.bye(CLOSES.byApp),
  });
});

// One string for all

Deno.test("Hub gives one and the same entry to all subscribers of one codec", () => {
  const rig = new HubRig();
  const transports = Array.from({ length: 5 }, () => rig.open(["news"]).transport);
  rig.publish("news", 1);
  rig.publish("news", 2);
  rig.endTurn();
  for (const { entries } of transports) {
    assertEquals(entries.length, 1);
    assertStrictEquals(entries[0], transports[0]!.entries[0]);
  }
});

Deno.test("Hub brings what is published in one turn as one write", () => {
  const rig = new HubRig();
  const { transport } = rig.open(["a", "b"]);
  for (let n = 0; n < 100; n++) rig.publish(n % 10 === 0 ? "b" : "a", n);
  assertEquals(transport.writes, []);
  rig.endTurn();
  assertEquals(transport.writes.length, 1);
  assertEquals(transport.data, [...Array(100).keys()]);
  assertEquals(rig.scheduled, 0);
});

Deno.test("Hub ends a turn once, however much was published in it", () => {
  const rig = new HubRig();
  rig.open(["news"]);
  for (let n = 0; n < 10; n++) rig.publish("news", n);
  assertEquals(rig.scheduled, 1);
});

Deno.test("Hub ends a batch that grows long, and stays in order", () => {
  const rig = new HubRig();
  const { transport } = rig.open(["news"]);
  const data = Array.from({ length: 100 }, (_, n) => `${n}:${"x".repeat(1000)}`);
  for (const each of data) rig.publish("news", each);
  rig.endTurn();
  assertEquals(transport.data, data);
  assert(transport.entries.length > 1);
  assert(transport.entries.every((entry) => entry.bytes < 64 * 1024));
});

Deno.test("Hub writes one message in each protocol, each as its subscriber spells the channel", () => {
  const rig = new HubRig();
  const { transport: native } = rig.open(["pumpkin"]);
  const legacy = rig.hub.openSession(legacyCodec);
  rig.hub.subscribe(legacy, "pumpkin", { label: "/pumpkin" });
  const legacyTransport = rig.attach(legacy);
  const plain = rig.hub.openSession(plainCodec);
  rig.hub.subscribe(plain, "pumpkin", { label: "" });
  const plainTransport = rig.attach(plain);
  assertEquals(rig.publish("pumpkin", "Trotter"), 3);
  rig.endTurn();
  assertEquals(native.frames, [push("pumpkin", "Trotter")]);
  assertEquals(JSON.parse(legacyTransport.frames[0]!).channel, "/pumpkin");
  assertEquals(plainTransport.entries[0]!.text, "data: Trotter\n\n");
});

// Subscriptions

Deno.test("Hub.subscribe() twice is once", () => {
  const rig = new HubRig();
  const { session, transport } = rig.open(["news"]);
  assertEquals(rig.hub.subscribe(session, "news"), null);
  assertEquals(rig.publish("news", 1), 1);
  rig.endTurn();
  assertEquals(transport.data, [1]);
  assertEquals(rig.hub.unsubscribe(session, "news"), true);
  assertEquals(rig.hub.unsubscribe(session, "news"), false);
  assertEquals(rig.publish("news", 2), 0);
});

Deno.test("Hub.subscribe() refuses the channel of all, and too many", () => {
  const rig = new HubRig({
    maxSubscriptions: 2,
    rules: rulesOf((name) => name === "secret" ? { authorize: "closed" } : {}),
  });
  const { session } = rig.open();
  assertEquals(rig.hub.subscribe(session, "/all"), "bad_channel");
  assertEquals(rig.hub.subscribe(session, "a"), null);
  assertEquals(rig.hub.subscribe(session, "secret"), null);
  assertEquals(rig.hub.subscribe(session, "c"), "too_many_subscriptions");
  assertEquals(rig.hub.subscribe(session, "a"), null);
  rig.hub.unsubscribe(session, "a");
  assertEquals(rig.hub.subscribe(session, "c"), null);
});

Deno.test("Hub forgets a channel with its last subscriber", () => {
  const rig = new HubRig();
  const { session: a } = rig.open(["news"]);
  const { session: b } = rig.open(["news"]);
  rig.hub.unsubscribe(a, "news");
  assertEquals([...rig.hub.channels.keys()], ["news"]);
  b.end(null);
  assertEquals(rig.hub.channels.size, 0);
});

Deno.test("Hub.findBySecret() finds a session by its own secret, for its own protocol", () => {
  const rig = new HubRig();
  const { session } = rig.open();
  const secret = rig.hub.secretOf(session);
  assertStrictEquals(rig.hub.findBySecret(secret, nativeCodec), session);
  assertEquals(rig.hub.findBySecret(secret, legacyCodec), null);
  assertEquals(rig.hub.findBySecret(session.id, nativeCodec), null);
  session.end(null);
  assertEquals(rig.hub.findBySecret(secret, nativeCodec), null);
});

Deno.test("Hub.endAll() hands over what was published, then tells everybody", () => {
  const rig = new HubRig();
  const { transport } = rig.open(["news"]);
  rig.open([], { user: "ann" });
  rig.publish("news", 1);
  rig.hub.endAll();
  assertEquals(transport.data, [1]);
  assertEquals(transport.closed?.close, CLOSES.shutdown);
  assertEquals([rig.hub.sessions.size, rig.hub.channels.size, rig.hub.users.size], [0, 0, 0]);
});

Deno.test("Hub.findBySecret() finds a session each time by its secret, and by nothing else", () => {
  const { hub } = new HubRig();
  const session = hub.openSession(nativeCodec);
  const other = hub.openSession(nativeCodec);
  const secret = hub.secretOf(session);
  const wrong = session.id + hub.secretOf(other).slice(session.id.length);
  for (let time = 0; time < 3; time++) {
    assertEquals([hub.findBySecret(wrong, nativeCodec), hub.findBySecret("", nativeCodec)], [
      null,
      null,
    ]);
    assertEquals(hub.findBySecret(secret, legacyCodec), null);
    assertStrictEquals(hub.findBySecret(secret, nativeCodec), session);
  }
  session.end(null);
  assertEquals(hub.findBySecret(secret, nativeCodec), null);
  assertEquals(hub.idOfSecret(secret), session.id);
});
