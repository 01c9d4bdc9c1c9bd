/**
 * How many may be in a channel, and in how many channels one may be.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { ConnectRefused, SessionClient } from "../support/session_client.ts";
import { eventually } from "../support/within.ts";
import { begun, conformance, conformanceAtOnce, makeToken, subscribe, verdict } from "./_walk.ts";

conformance(
  "max_subscribers: one too many is told to come later, and may when another has gone",
  async (walk) => {
    const { ada, bob, tabs } = await walk.browsers({ subscribe: { "pair:1": {} } });
    const verdicts = tabs.map(({ connected }) => verdict(connected!.subscribed["pair:1"]!));
    assertEquals(verdicts, ["ok", "ok", "channel_full, retry", "channel_full, retry"]);
    assertEquals(verdict(await subscribe(ada[0], "pair:1")), "ok", "who is in is not one too many");
    assertEquals(
      verdict(await subscribe(bob[0], "pair:2")),
      "ok",
      "the bound is each channel's own",
    );
    await ada[0].unsubscribe("pair:1");
    assertEquals(verdict(await subscribe(bob[0], "pair:1")), "ok");
    assertEquals(verdict(await subscribe(ada[0], "pair:1")), "channel_full, retry");
    const full = await walk.tab(null, { token: await makeToken({ channels: ["pair:1"] }) });
    assertEquals(verdict(full.connected!.subscribed["pair:1"]!), "channel_full, retry");
    await ada[1].unsubscribe("pair:1");
    const token = await makeToken({ channels: ["pair:1", "pair:2"] });
    const { connected } = await walk.tab(null, { token });
    assertEquals(Object.values(connected!.subscribed).map(verdict), ["ok", "ok"]);
    assertEquals(await walk.server.send({ channel: "pair:1", data: 1 }), 2);
  },
);

conformance(
  "one session is in 500 channels at most, and its 501st and 10,000th are refused",
  async (walk) => {
    const tab = await walk.tab();
    const verdicts: Record<string, number> = {};
    // Over HTTP what goes up at once is one body, which has a bound of its own.
    for (let at = 0; at < 10_000; at += 1000) {
      const ids = Array.from({ length: 1000 }, (_, n) => {
        return tab.command({ subscribe: { channel: `room:${at + n}` } });
      });
      for (const id of ids) {
        const text = verdict(begun(await tab.reply(id)));
        verdicts[text] = (verdicts[text] ?? 0) + 1;
      }
      tab.acknowledge();
    }
    assertEquals(verdicts, { ok: 500, too_many_subscriptions: 9500 });
    assertEquals(await walk.server.send({ channel: "room:499", data: 1 }), 1);
    assertEquals(await walk.server.send({ channel: "room:500", data: 1 }), 0);
    assertEquals(
      verdict(await subscribe(tab, "room:1")),
      "ok",
      "that it is in already is no new one",
    );
    assertEquals(verdict(await subscribe(tab, "asked:1")), "too_many_subscriptions");
    assertEquals(walk.app.received.length, 0, "nobody is asked in vain");
    await tab.unsubscribe("room:0");
    assertEquals(verdict(await subscribe(tab, "room:500")), "ok");
  },
  { config: { limits: { commands_per_second: 0 } } },
);

conformance("no connect names more channels than one may be in", async (walk) => {
  const subscribe = (count: number) => {
    return {
      subscribe: Object.fromEntries(Array.from({ length: count }, (_, n) => [`room:${n}`, {}])),
    };
  };
  const client = new SessionClient(walk.server);
  const { text } = await assertRejects(
    () => client.connect(walk.transport, subscribe(4)),
    ConnectRefused,
  );
  const spoken = walk.transport === "websocket" ? client.log[0] : JSON.parse(text);
  assertEquals(spoken.error.code, "too_many_subscriptions");
  const { connected } = await walk.tab(null, subscribe(3));
  assertEquals(Object.values(connected!.subscribed).map(verdict), ["ok", "ok", "ok"]);
  const token = await makeToken({ channels: ["closed:1", "closed:2", "closed:3", "closed:4"] });
  const { connected: granted } = await walk.tab(null, { token, ...subscribe(1) });
  assertEquals(Object.values(granted!.subscribed).map(verdict).toSorted(), [
    "ok",
    "ok",
    "ok",
    "too_many_subscriptions",
    "too_many_subscriptions",
  ]);
}, { config: { limits: { subscriptions: 3 } } });

conformanceAtOnce("a place in a channel is free again when its session is over", async (walk) => {
  const gone = [await walk.tab(), await walk.tab()];
  for (const tab of gone) await subscribe(tab, "pair:1");
  const waiting = await walk.tab();
  for (const tab of gone) tab.dropTransport();
  await eventually(async () => {
    return verdict(await subscribe(waiting, "pair:1")) === "ok" || undefined;
  }, "the end of a session");
}, { config: { session: { grace: "1s" } } });
