/**
 * Who may publish to a channel.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { ServerFrame } from "../../src/protocol/frames.ts";
import type { Reply } from "../support/session_client.ts";
import { conformance, makeToken, subscribe, take } from "./_walk.ts";

/** `ok`, or why not. */
function codeOf(reply: Reply): string {
  return "error" in reply ? reply.error.code : "ok";
}

conformance(
  "clients: what one tab publishes reaches all of both browsers, itself too",
  async (walk) => {
    const { tabs, ada, bob } = await walk.browsers({ subscribe: { "talk:1": {} } });
    assertEquals(codeOf(await ada[0].publish("talk:1", { hello: "Bob" })), "ok");
    assertEquals(codeOf(await bob[1].publish("/talk:1", "Ada!")), "ok");
    for (const tab of tabs) assertEquals(await take(tab, 2), [{ hello: "Bob" }, "Ada!"]);
  },
);

conformance(
  "clients: who is not in the channel may not, where not everybody may enter",
  async (walk) => {
    const { ada: [ada], bob: [bob] } = await walk.browsers();
    const token = await makeToken({ channel: "private:1" });
    await subscribe(bob, "private:1", { token });
    assertEquals(codeOf(await ada.publish("private:1", 1)), "not_subscribed");
    assertEquals(codeOf(await ada.publish("closed:1", 1)), "not_subscribed");
    await subscribe(ada, "private:1", { token });
    assertEquals(codeOf(await ada.publish("private:1", 2)), "ok");
    await ada.unsubscribe("private:1");
    assertEquals(codeOf(await ada.publish("private:1", 3)), "not_subscribed");
    assertEquals(codeOf(await bob.publish("private:1", 4)), "ok");
    assertEquals(await take(bob, 2), [2, 4]);
  },
);

conformance("clients: who published is told where it is told who is there", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers({ subscribe: { "talk:1": {} } });
  const token = await makeToken({ channel: "private:1" });
  for (const tab of [ada, bob]) await subscribe(tab, "private:1", { token });
  const isData = (frame: ServerFrame) => "data" in frame;
  await ada.publish("talk:1", 1);
  assertEquals(await bob.next(isData), { channel: "talk:1", data: 1 });
  await ada.publish("private:1", 2);
  const by = { session: ada.session, user: "ada" };
  assertEquals(await bob.next(isData), { channel: "private:1", data: 2, by });
  await walk.server.send({ channel: "private:1", data: 3 });
  assertEquals(await bob.next(isData), { channel: "private:1", data: 3 });
});

conformance("app: browsers may not publish, in the channel or out of it", async (walk) => {
  const { tabs: [first, second] } = await walk.browsers({ subscribe: { "room:1": {} } });
  const targets = ["room:1", "room:staff:1", "rooms", "/all", " "];
  const codes = [];
  for (const channel of targets) codes.push(codeOf(await first!.publish(channel, 1)));
  assertEquals(codes, ["forbidden", "forbidden", "forbidden", "forbidden", "bad_channel"]);
  await walk.server.send({ channel: "room:1", data: "the app may" });
  assertEquals(await second!.nextData(), "the app may");
});

conformance(
  "clients: a message that is too large is refused, and nobody hears it",
  async (walk) => {
    const tab = await walk.tab(null, { subscribe: { "talk:1": {} } });
    assertEquals(codeOf(await tab.publish("talk:1", "x".repeat(2000))), "too_large");
    assertEquals(codeOf(await tab.publish("talk:1", "small")), "ok");
    assertEquals(await tab.nextData(), "small");
  },
  { config: { limits: { message_bytes: "1KiB" } } },
);
