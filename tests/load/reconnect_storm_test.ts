import { assert, assertEquals } from "@std/assert";
import { eventually } from "../support/within.ts";
import { publishAll } from "./sessions.ts";
import { type Crowd, type Member, startCrowd } from "./storm_crowd.ts";
import { startStormServer, type Way } from "./storm_server.ts";

// Real clients of client/mod.ts, in two processes. How they spread out in time is tested with a fake clock in
// client/reconnect_storm_test.ts, and measured by `scripts/deno task storm`.
const CLIENTS = 400;
const PROCESSES = 2;
const CHANNEL = "storm";

/** Every wait of a backoff takes a tenth to a fifth of its window. */
const RANDOM = [0.1, 0.2] as const;

/** Then waits are 0.4, 0.8, 1.6 and 2 s at least, with at most three transports tried after each. */
const mostAttempts = (ms: number) => 3 * (4 + ms / 2000);

/** Longer than any of them is away. */
const GRACE = 'session.grace = "5m"\n';

const WAYS: readonly { readonly way: Way; readonly name: string }[] = [
  { way: "bye", name: "is stopped and started again" },
  { way: "kill", name: "is killed and started again" },
  { way: "cut", name: "lives on behind a network that is cut and mended" },
];

async function everyone({ members }: Crowd, what: string, has: (member: Member) => boolean) {
  await eventually(() => Promise.resolve(members.every(has) || undefined), `everyone to ${what}`);
}

for (const { way, name } of WAYS) {
  Deno.test(`400 clients of a server that ${name} come back, and each message comes once`, async () => {
    await using server = await startStormServer(way, GRACE);
    await using crowd = startCrowd({
      ...{ url: server.url, clients: CLIENTS, processes: PROCESSES, channel: CHANNEL },
      ...{ seed: 1, random: RANDOM },
    });
    const due: string[] = [];
    const send = async (count: number, when: string) => {
      const texts = Array.from({ length: count }, (_, n) => `${when} ${n}`);
      due.push(...texts);
      return await publishAll(server.app, texts.map((data) => ({ channel: CHANNEL, data })));
    };
    await everyone(crowd, "be connected", ({ connections }) => connections.length === 1);
    assertEquals(await send(1, "before"), [CLIENTS]);
    await everyone(crowd, "hear the first message", ({ messages }) => messages.length === 1);
    const before = crowd.members.map(({ attempts }) => attempts.length);

    await server.lose();
    if (way === "cut") await send(10, "at once");
    await everyone(crowd, "try in vain", ({ losses }) => losses.length >= 2);
    if (way === "cut") await send(10, "meanwhile");
    await server.bring();
    await everyone(crowd, "be back", ({ connections }) => connections.length >= 2);
    assertEquals(await send(3, "after"), [CLIENTS, CLIENTS, CLIENTS]);
    await everyone(crowd, "hear the last message", ({ messages }) => {
      return messages.at(-1)!.data === due.at(-1);
    });

    for (
      const [i, { attempts, connections, losses, messages, gaps, ends }] of crowd.members.entries()
    ) {
      assertEquals(messages.map(({ data }) => data), due);
      assertEquals([connections.length, ends], [2, []]);
      const [first, second] = connections as [typeof connections[0], typeof connections[0]];
      assertEquals(first.session === second.session, way === "cut");
      // What was said while a server was away that forgot everything may have been missed: in the channel, and
      // to everyone.
      assertEquals(gaps.length, way === "cut" ? 0 : 2);
      const most = mostAttempts(second.at - losses[0]!.at);
      const tries = attempts.length - before[i]!;
      assert(tries <= most, `${tries} attempts, not ${most}`);
    }
  });
}
