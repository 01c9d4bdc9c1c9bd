import { assert, assertEquals } from "@std/assert";
import { FakeWorld, settle } from "./_testing.ts";
import { Random } from "../tests/support/random.ts";

/** Whatever is wrong, no client may try more often than this within any minute. */
const MOST_TRIES_A_MINUTE = 40;

/** What a network can do to whoever tries, by name. */
const TROUBLES: Readonly<Record<string, (world: FakeWorld) => Promise<void>>> = {
  "refuses everything": async (world) => {
    for (const socket of world.sockets.splice(0)) socket.drop();
    for (const request of world.requests.splice(0)) await request.fail();
  },
  "is a captive portal": async (world) => {
    for (const socket of world.sockets.splice(0)) socket.drop();
    for (const request of world.requests.splice(0)) {
      await request.answerText("<html>Pay here</html>");
    }
  },
  "answers with nothing": async (world) => {
    for (const socket of world.sockets.splice(0)) socket.drop();
    for (const request of world.requests.splice(0)) await request.answerText("");
  },
  "says connected and then nonsense": (world) => {
    for (const socket of world.sockets.splice(0)) {
      socket.accept();
      socket.onmessage?.({ data: "<html>" });
    }
    return settle();
  },
  "says goodbye at once": (world) => {
    for (const socket of world.sockets.splice(0)) {
      socket.accept();
      socket.say({ bye: { code: 3001, reason: "shutdown", reconnect: true, after: [0, 0] } });
    }
    return settle();
  },
  "lets nothing through": settle,
};

for (const [name, trouble] of Object.entries(TROUBLES)) {
  Deno.test(`a network that ${name} is not tried in a busy loop`, async () => {
    const world = new FakeWorld();
    const random = new Random(1);
    Object.assign(world.environment, { random: () => random.next() });
    const chloe = world.chloe();
    chloe.connect();
    let tries = 0;
    for (let minute = 0; minute < 5; minute++) {
      tries = 0;
      for (let step = 0; step < 600; step++) {
        await settle();
        tries += world.sockets.length + world.requests.length;
        await trouble(world);
        if (name === "lets nothing through") {
          world.sockets.length = world.requests.length = 0;
        }
        world.advance(100);
      }
      assert(tries > 0 && tries <= MOST_TRIES_A_MINUTE, `${tries} tries in minute ${minute + 1}`);
    }
    assert(chloe.state === "waiting" || chloe.state === "connecting");
    chloe.close();
    assertEquals([world.timers, world.watchers], [0, 0]);
  });
}

Deno.test("after an outage that the session did not outlive, gaps are told and commands are settled", async () => {
  const world = new FakeWorld();
  const chloe = world.chloe();
  const log: unknown[] = [];
  chloe.on("gap", (channel, missed) => log.push(["gap", channel, missed]));
  chloe.subscribe("news", (data) => log.push(data));
  chloe.connect();
  world.socket.accept({ subscribed: { news: {} } });
  world.socket.say({ channel: "news", data: "before" });
  const lost = chloe.send("lost").catch(({ code }) => code);
  world.socket.drop();
  const kept = chloe.send("kept");
  for (let second = 0; second < 30; second++) {
    for (const socket of world.sockets.splice(0)) socket.drop();
    await settle();
    for (const request of world.requests.splice(0)) await request.fail();
    world.advance(1000);
  }
  for (let second = 0; second < 20 && chloe.state !== "connected"; second++) {
    if (world.sockets.length > 0) {
      world.socket.accept({ session: "s2", resume: "s2.secret", subscribed: { news: {} } });
    }
    world.advance(1000);
  }
  assertEquals(chloe.state, "connected");
  assertEquals(world.socket.take(), { id: 1, send: { data: "kept" } });
  world.socket.say({ channel: "news", data: "after" }, { id: 1, ok: { data: "done" } });
  assertEquals(log, ["before", ["gap", "/all", null], ["gap", "news", null], "after"]);
  assertEquals([await lost, await kept], ["unknown_outcome", "done"]);
});
