/**
 * Who is in a channel, and who is told so.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Json, Presence } from "../../src/protocol/frames.ts";
import { json } from "../support/misbehaving_app.ts";
import type { SessionClient } from "../support/session_client.ts";
import {
  begun,
  conformance,
  conformanceAtOnce,
  makeToken,
  nextOf,
  seen,
  subscribe,
  verdict,
} from "./_walk.ts";

/** Asks who is in a channel. */
async function ask(client: SessionClient, channel: string): Promise<Presence | string> {
  const reply = await client.reply(client.command({ presence: { channel } }));
  return "ok" in reply ? reply.ok as unknown as Presence : verdict(begun(reply));
}

conformance("who comes is told who is there, and who is there that they came", async (walk) => {
  const { tabs, ada, bob } = await walk.browsers();
  const info: Record<string, Json> = {};
  for (const [n, tab] of tabs.entries()) {
    info[tab.session] = { tab: n };
    const { presence } = await subscribe(tab, "who:1", { info: info[tab.session] });
    assertEquals([presence?.count, presence?.members?.length], [n + 1, n + 1]);
    assertEquals(
      presence?.members?.map(({ session, info }) => [session, info]),
      tabs.slice(0, n + 1).map(({ session }, n) => [session, { tab: n }]),
    );
  }
  for (const tab of tabs.slice(1)) {
    const user = tab === ada[1] ? "ada" : "bob";
    const member = { session: tab.session, user, info: info[tab.session]! };
    assertEquals(await seen(ada[0], "join", tab), member);
  }
  const all = await ask(ada[0], "who:1") as Presence;
  assertEquals(all.members?.map(({ user }) => user), ["ada", "ada", "bob", "bob"]);
  assertEquals(await ask(bob[0], "/who:1"), all);
  assertEquals(await ask(bob[0], "who:2"), { count: 0, members: [] });
});

conformance(
  "who leaves, is thrown out or is sent away is told of; who is only away is not",
  async (walk) => {
    const { ada, bob } = await walk.browsers({ subscribe: { "who:1": {} } });
    const [watcher, leaves] = ada;
    const [thrown, ended] = bob;
    await leaves.unsubscribe("who:1");
    assertEquals(await seen(watcher, "leave", leaves), { session: leaves.session, user: "ada" });
    walk.app.behave(json({ unsubscribe: ["who:1"] }), json({ disconnect: {} }));
    await thrown.send("throw me out");
    assertEquals(await seen(watcher, "leave", thrown), { session: thrown.session, user: "bob" });
    const sent = ended.command({ send: { data: "send me away" } });
    assertEquals((await nextOf(ended, "bye")).bye.code, 3500, `${sent}`);
    assertEquals(await seen(watcher, "leave", ended), { session: ended.session, user: "bob" });

    await subscribe(leaves, "who:1");
    leaves.dropTransport();
    const { count } = await ask(watcher, "who:1") as Presence;
    assertEquals(count, 2, "a lost connection is no leaving");
    await leaves.resume(walk.transport);
    const left = watcher.log.filter((frame) => "leave" in frame);
    assertEquals(left.length, 3);
  },
);

conformanceAtOnce("who does not come back in time has left", async (walk) => {
  const { ada, bob } = await walk.browsers({ subscribe: { "who:1": {} } });
  for (const tab of bob) tab.dropTransport();
  for (const tab of bob) assertEquals((await seen(ada[0], "leave", tab)).user, "bob");
  assertEquals((await ask(ada[1], "who:1") as Presence).count, 2);
}, { config: { session: { grace: "1s" } } });

conformance("whoever comes with another info is told of anew, and nobody twice", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers({ subscribe: { "who:1": {} } });
  await subscribe(bob, "who:1");
  await bob.unsubscribe("who:1");
  await seen(ada, "leave", bob);
  assertEquals((await subscribe(bob, "who:1", { info: "busy" })).presence?.count, 4);
  await ada.next((frame) => "join" in frame && frame.join[0]?.info === "busy");
  assertEquals(ada.waiting.filter((frame) => "join" in frame && frame.join.length !== 1), []);
});

conformance(
  "info: up to 1 KiB of any JSON; more is refused, and its page is not in",
  async (walk) => {
    const tab = await walk.tab();
    const largest = "x".repeat(1022);
    assertEquals(verdict(await subscribe(tab, "who:1", { info: `${largest}x` })), "too_large");
    assertEquals(verdict(await subscribe(tab, "who:1", { info: "é".repeat(512) })), "too_large");
    assertEquals(await walk.server.send({ channel: "who:1", data: 1 }), 0);
    for (const info of [largest, null, 0, false, "", [], {}, { a: [1, "</script>", "\n\u2028"] }]) {
      await tab.unsubscribe("who:1");
      const { presence } = await subscribe(tab, "who:1", { info });
      assertEquals(presence?.members?.[0]?.info, info);
    }
    const subscribed = { "who:1": { info: `${largest}x` }, "who:2": { info: largest } };
    const { connected } = await walk.tab(null, { subscribe: subscribed });
    const verdicts = Object.values(connected!.subscribed).map(verdict);
    assertEquals(verdicts, ["too_large", "ok"]);
  },
);

conformance("only who is in may ask who is there, where not everybody may enter", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers();
  const token = await makeToken({ channel: "private:1" });
  await subscribe(bob, "private:1", { token });
  assertEquals(await ask(ada, "private:1"), "not_subscribed");
  assertEquals((await ask(bob, "private:1") as Presence).count, 1);
  assertEquals(await ask(ada, "room:1"), "unsupported");
  assertEquals(await ask(ada, " "), "bad_channel");
});

conformanceAtOnce(
  "in a big channel it is told how many there are, until it is small again",
  async (walk) => {
    const { ada, bob } = await walk.browsers();
    const [watcher] = ada;
    assertEquals((await subscribe(watcher, "crowd:1")).presence?.members?.length, 1);
    assertEquals((await subscribe(ada[1], "crowd:1")).presence?.members?.length, 2);
    await seen(watcher, "join", ada[1]);
    for (const [n, tab] of bob.entries()) {
      assertEquals((await subscribe(tab, "crowd:1")).presence, { count: 3 + n });
    }
    assertEquals(await ask(watcher, "crowd:1"), { count: 4 });
    const counts: Presence[] = [];
    const told = async () => counts.push((await nextOf(watcher, "presence")).presence);
    while (counts.at(-1)?.count !== 4) await told();
    assertEquals(counts.filter(({ members }) => members !== undefined), []);
    for (const tab of [ada[1], ...bob]) await tab.unsubscribe("crowd:1");
    while (counts.at(-1)?.count !== 1) await told();
    assertEquals(counts.at(-1)?.members, [{ session: watcher.session, user: "ada" }]);
    await subscribe(bob[1], "crowd:1");
    assertEquals((await seen(watcher, "join", bob[1])).user, "bob", "and then by name again");
  },
);
