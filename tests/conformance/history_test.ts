/**
 * What channels remember, and who gets it.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Position, Push, Subscribed } from "../../src/protocol/frames.ts";
import { json } from "../support/misbehaving_app.ts";
import { ConnectRefused, type SessionClient } from "../support/session_client.ts";
import { eventually } from "../support/within.ts";
import { begun, conformance, nextOf, subscribe, take, verdict, type Walk } from "./_walk.ts";

/** Publishes numbers to a channel, one request each. */
async function send({ server }: Walk, channel: string, from: number, to: number): Promise<void> {
  for (let data = from; data <= to; data++) await server.send({ channel, data });
}

/** What was recovered: `null`, or `data@offset` of each message. */
function recovered({ recovered, messages }: Subscribed): readonly string[] | null {
  assert(recovered !== undefined, "a position was given");
  return recovered ? messages!.map(({ data, offset }) => `${data}@${offset}`) : null;
}

/** Where a subscription stands. */
function positionOf({ epoch, offset }: Subscribed): Position {
  return { epoch: epoch!, offset: offset! };
}

conformance(
  "a subscription begins with a position, and each message bears its own",
  async (walk) => {
    const { tabs, ada } = await walk.browsers({ subscribe: { "feed:1": {} } });
    const begins = tabs.map(({ connected }) => positionOf(connected!.subscribed["feed:1"]!));
    assertEquals(new Set(begins.map(({ epoch }) => epoch)).size, 1);
    assertEquals(begins.map(({ offset }) => offset), [0, 0, 0, 0]);
    await send(walk, "feed:1", 1, 2);
    for (const tab of tabs) {
      for (const offset of [1, 2]) {
        const push = await tab.next((frame) => "data" in frame) as Push;
        assertEquals([push.data, push.offset], [offset, offset]);
      }
    }
    const { epoch, offset, ...more } = await subscribe(ada[0], "feed:1");
    assertEquals([epoch, offset, more], [begins[0]!.epoch, 2, {}]);
    assertEquals(await subscribe(ada[0], "room:1"), {}, "none where nothing is kept");
  },
);

conformance("since: all that followed is brought, or nothing", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers();
  const { epoch } = await subscribe(ada, "feed:1");
  await send(walk, "feed:1", 1, 7); // of which five are kept
  const since = async (offset: number, of = epoch!) => {
    await bob.unsubscribe("feed:1");
    return recovered(await subscribe(bob, "feed:1", { since: { epoch: of, offset } }));
  };
  assertEquals(await since(2), ["3@3", "4@4", "5@5", "6@6", "7@7"]);
  assertEquals(await since(5), ["6@6", "7@7"]);
  assertEquals(await since(7), []);
  assertEquals(await since(1), null, "the second is gone");
  assertEquals(await since(0), null);
  assertEquals(await since(8), null, "the future");
  assertEquals(await since(Number.MAX_SAFE_INTEGER), null);
  assertEquals(await since(5, "elsewhere"), null, "another server's");
  assertEquals(await since(0, ""), null);
  await send(walk, "feed:1", 8, 8);
  assertEquals(await take(bob, 1), [8], "what follows is pushed, once");
});

conformance("since: where nothing is kept nothing can be brought", async (walk) => {
  const tab = await walk.tab();
  const since = { epoch: "a", offset: 0 };
  assertEquals(await subscribe(tab, "room:1", { since }), { recovered: false });
});

conformance("since: a position that is none is refused, and said to be", async (walk) => {
  const tab = await walk.tab();
  const { epoch } = await subscribe(tab, "feed:1");
  const wrong: unknown[] = [
    { epoch, offset: -1 },
    { epoch, offset: 1.5 },
    { epoch, offset: "1" },
    { epoch, offset: 2 ** 53 },
    { epoch: 1, offset: 1 },
    { epoch },
    { offset: 1 },
    "1",
    null,
  ];
  for (const since of wrong) {
    const command = { subscribe: { channel: "feed:1", since: since as Position } };
    const reply = begun(await tab.reply(tab.command(command)));
    assertEquals(verdict(reply), "bad_command", JSON.stringify(since));
    assert(reply.error!.message.includes("since"), reply.error!.message);
  }
  for (const position of wrong.slice(0, 5)) {
    const connect = { subscribe: { "feed:1": position as Position } };
    await assertRejects(() => walk.tab(null, connect), ConnectRefused);
  }
});

conformance("since: what is older than the rule says is gone", async (walk) => {
  const [ada, bob] = [await walk.tab(), await walk.tab()];
  const since = positionOf(await subscribe(ada, "brief:1"));
  await send(walk, "brief:1", 1, 3);
  await eventually(async () => {
    await bob.unsubscribe("brief:1");
    return recovered(await subscribe(bob, "brief:1", { since })) === null || undefined;
  }, "the end of what is kept");
  const now = await subscribe(bob, "brief:1");
  assertEquals(positionOf(now), { ...since, offset: 3 }, "the count goes on");
  assertEquals(recovered(await subscribe(bob, "brief:1", { since: positionOf(now) })), []);
});

conformance("a new session takes up all of its channels where the page stood", async (walk) => {
  const [ada, bob] = [await walk.tab("ada"), await walk.tab("bob")];
  const positions: Record<string, Position> = {};
  for (const name of ["feed:1", "feed:2", "feed:3"]) {
    positions[name] = positionOf(await subscribe(ada, name));
  }
  ada.dropTransport();
  await send(walk, "feed:1", 1, 3);
  await send(walk, "feed:2", 1, 6);
  const { subscribed } = await bob.connect(walk.transport, {
    subscribe: { ...positions, "room:1": { epoch: "a", offset: 1 } },
  });
  assertEquals(recovered(subscribed["feed:1"]!), ["1@1", "2@2", "3@3"]);
  assertEquals(recovered(subscribed["feed:2"]!), null, "one of six is gone");
  assertEquals(recovered(subscribed["feed:3"]!), []);
  assertEquals(recovered(subscribed["room:1"]!), null);
  await send(walk, "feed:1", 4, 4);
  assertEquals(await take(bob, 1), [4]);
});

conformance(
  "a session that goes on is told nothing twice, whatever positions come with it",
  async (walk) => {
    const tab = await walk.tab();
    const at = positionOf(await subscribe(tab, "feed:1"));
    tab.dropTransport();
    await send(walk, "feed:1", 1, 3);
    const connected = await tab.resume(walk.transport, { subscribe: { "feed:1": at } });
    assertEquals([connected.resumed, connected.subscribed], [true, { "feed:1": {} }]);
    assertEquals(await take(tab, 3), [1, 2, 3]);
    await send(walk, "feed:1", 4, 4);
    assertEquals([await take(tab, 1), tab.waiting.length], [[4], 0]);
  },
);

conformance("since: what is too much to be sent at once is not sent at all", async (walk) => {
  const [ada, bob] = [await walk.tab(), await walk.tab()];
  const since = positionOf(await subscribe(ada, "feed:1"));
  const large = "x".repeat(60_000);
  for (let n = 0; n < 3; n++) await walk.server.send({ channel: "feed:1", data: large });
  assertEquals(recovered(await subscribe(bob, "feed:1", { since })), null);
  await bob.unsubscribe("feed:1");
  const last = await subscribe(bob, "feed:1", { since: { ...since, offset: 2 } });
  assertEquals(recovered(last), [`${large}@3`]);
});

conformance(
  "what all channels keep is bounded: the one that was quiet longest forgets first",
  async (walk) => {
    const [ada, bob] = [await walk.tab(), await walk.tab()];
    const positions: Record<string, Position> = {};
    for (const name of ["feed:1", "feed:2"]) {
      positions[name] = positionOf(
        await subscribe(ada, name),
      );
    }
    for (const channel of ["feed:1", "feed:2"]) {
      await walk.server.send({ channel, data: "x".repeat(40_000) });
    }
    assertEquals(recovered(await subscribe(bob, "feed:1", { since: positions["feed:1"]! })), null);
    const { length } = recovered(await subscribe(bob, "feed:2", { since: positions["feed:2"]! }))!;
    assertEquals(length, 1);
  },
  { config: { history: { max_bytes: "64KiB" } } },
);

/** Two sessions in `feed:1`, and messages of which every other one is not for the first. */
async function exceptFirst(walk: Walk): Promise<readonly [SessionClient, SessionClient, Position]> {
  const { ada: [ada], bob: [bob] } = await walk.browsers();
  const at = positionOf(await subscribe(ada, "feed:1"));
  await subscribe(bob, "feed:1");
  await exceptedNumbers(walk, ada.session);
  return [ada, bob, at];
}

async function exceptedNumbers({ server }: Walk, except: string): Promise<void> {
  for (let data = 1; data <= 4; data++) {
    const message = { channel: "feed:1", data };
    await server.send(data % 2 === 1 ? message : { ...message, except });
  }
}

conformance("except: it holds for what is recovered, too, and for nobody else", async (walk) => {
  const [ada, bob, since] = await exceptFirst(walk);
  assertEquals(await take(ada, 2), [1, 3]);
  assertEquals(await take(bob, 4), [1, 2, 3, 4]);
  for (const tab of [ada, bob]) await tab.unsubscribe("feed:1");
  const again = await subscribe(ada, "feed:1", { since });
  assertEquals([recovered(again), again.offset], [["1@1", "3@3"], 4]);
  assertEquals(recovered(await subscribe(bob, "feed:1", { since })), ["1@1", "2@2", "3@3", "4@4"]);
});

conformance("except: it holds for the session that follows one that is over", async (walk) => {
  const [ada, bob, since] = await exceptFirst(walk);
  const { session, secret } = ada;
  walk.app.behave(json({ disconnect: { reason: "enough" } }));
  ada.command({ send: { data: "the last word" } });
  await nextOf(ada, "bye");
  const subscribe = { "feed:1": since };
  const heir = await walk.tab("ada", { resume: secret, received: ada.received, subscribe });
  assertEquals([heir.connected!.resumed, heir.session === session], [false, false]);
  assertEquals(recovered(heir.connected!.subscribed["feed:1"]!), ["1@1", "3@3"]);

  // The app may hear of it later than the page: it still names the session that is over.
  await walk.server.send({ channel: "feed:1", data: "not for Ada", except: session });
  await walk.server.send({ channel: "feed:1", data: "for both" });
  assertEquals(await heir.nextData(), "for both");

  const forged = `${secret.slice(0, -1)}${secret.endsWith("A") ? "B" : "A"}`;
  const liar = await walk.tab("ada", { resume: forged, subscribe });
  assertEquals(recovered(liar.connected!.subscribed["feed:1"]!), null, "six are five and one gone");
  const since1 = { ...since, offset: 1 };
  const other = await walk.tab("ada", { resume: forged, subscribe: { "feed:1": since1 } });
  assertEquals(recovered(other.connected!.subscribed["feed:1"]!)?.length, 5);
  assertEquals((await take(bob, 6)).length, 6);
});

conformance(
  "except: it holds for the session that follows one of which too much was let go",
  async (walk) => {
    const ada = await walk.tab("ada", { subscribe: { "all:1": {} } });
    const since = positionOf(await subscribe(ada, "feed:1"));
    const { session: former } = ada;
    ada.deafen();
    for (let n = 0; n < 8; n++) {
      await walk.server.send({
        channel: "all:1",
        data: "x".repeat(1000),
      });
    }
    await exceptedNumbers(walk, ada.session);
    const connected = await ada.resume(walk.transport, { subscribe: { "feed:1": since } });
    assertEquals(connected.resumed, false);
    assertEquals(recovered(connected.subscribed["feed:1"]!), ["1@1", "3@3"]);
    // The app may name the former session still, which is there for its grace time.
    await walk.server.send({ channel: "feed:1", data: "not for Ada", except: former });
    await walk.server.send({ channel: "feed:1", data: "for her, too" });
    assertEquals(await ada.nextData(), "for her, too");
  },
  { config: { limits: { unacknowledged_bytes: "1KiB" } } },
);
