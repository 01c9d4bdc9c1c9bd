import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { ask } from "../support/http.ts";
import { Random } from "../support/random.ts";
import type { Outgoing } from "../support/server.ts";
import { within } from "../support/within.ts";
import { Moments } from "./moments.ts";
import { startProcess } from "./process.ts";
import { ChurningClient } from "./recovery_churn_client.ts";
import { Ledger, type Shelf, Tally } from "./recovery_churn_ledger.ts";
import { many, publishAll } from "./sessions.ts";

const SESSIONS = 200;
const MESSAGES = 5000;
/** The publisher's pace: 20 s in all, or more on a machine that does not keep up. */
const MS_PER_MESSAGE = 4;
/** Messages that one request to `/send` brings. */
const MAX_BURST = 50;
/** Channels that each page is in. */
const CHANNELS_EACH = 8;
/** How many messages of each are for all but one. */
const EXCEPT_SHARE = 0.25;

/** What pages miss in a long absence is more than the first keep; the last keep all that is published. */
const SHELVES: readonly Shelf[] = [
  ...shelves("tiny", 5),
  ...shelves("short", 40),
  ...shelves("long", MESSAGES),
];

const CONFIG = `
session.grace = "1s"
[[channel]]
pattern = "tiny:*"
history = { size = 5, ttl = "1h" }
[[channel]]
pattern = "short:*"
history = { size = 40, ttl = "1h" }
[[channel]]
pattern = "long:*"
history = { size = ${MESSAGES}, ttl = "1h" }
`;

const seed = Number(Deno.env.get("CHLOE_SEED") ?? Math.floor(Math.random() * 1e9));

function shelves(kind: string, size: number): Shelf[] {
  const numbers = kind === "tiny" ? [1, 2, 3, 4, 5, 6] : [1, 2, 3, 4, 5, 6, 7];
  return numbers.map((number) => ({ channel: `${kind}:${number}`, size }));
}

function sum(counts: ReadonlyMap<string, number>, kind: string): number {
  return [...counts].reduce((all, [name, n]) => name.startsWith(`${kind}:`) ? all + n : all, 0);
}

Deno.test(`200 sessions drop and come back for 20 s: each of 5,000 messages once, in order, or a hole that is one (CHLOE_SEED=${seed})`, async () => {
  await using chloe = await startProcess({ config: CONFIG });
  const random = new Random(seed);
  const moments = new Moments();
  const ledger = new Ledger(SHELVES);
  const tally = new Tally();
  const names = SHELVES.map(({ channel }) => channel);
  const pages = await many(SESSIONS, async (index) => {
    const random = new Random(seed + index + 1);
    const channels = new Set<string>();
    while (channels.size < CHANNELS_EACH) channels.add(random.pick(names));
    const page = new ChurningClient({
      ...{ address: chloe, random, moments, ledger, tally },
      channels: [...channels],
    });
    await page.begin();
    return page;
  });
  const running = Promise.all(pages.map((page) => page.run()));

  try {
    for (let n = 0; n < MESSAGES;) {
      const size = Math.min(1 + random.below(MAX_BURST), MESSAGES - n);
      const rest = delay(size * MS_PER_MESSAGE);
      const burst: Outgoing[] = [];
      for (const end = n + size; n < end; n++) {
        const channel = random.pick(names);
        const except = random.chance(EXCEPT_SHARE) ? random.pick(pages).session : null;
        ledger.add(channel, { n, except });
        burst.push({ channel, data: n, ...(except !== null && { except }) });
      }
      await publishAll(chloe, burst);
      for (let i = 0; i < size; i++) moments.tick();
      await rest;
    }
    moments.end();
    for (const page of pages) page.look();
    await within(Promise.all(pages.map(({ completed }) => completed)), "the last of each session");
  } finally {
    moments.end();
    for (const page of pages) page.stop();
    await within(running, "the end of every client");
    // Where there are faults they say more than what came of them.
    assertEquals(pages.flatMap(({ faults }) => faults), []);
  }

  const { resumes, recoveries, holes, whole, ownLeftOut, formerLeftOut } = tally;
  assert(resumes >= 200, `${resumes} resumes`);
  assert(recoveries >= 200, `${recoveries} recoveries in new sessions`);
  // Each was checked when it came: here only that both were there to be checked.
  for (const kind of ["tiny", "short", "long"]) assert(sum(whole, kind) > 0, `${kind}: none whole`);
  assert(sum(holes, "tiny") > 0, "no hole where little is kept");
  assertEquals(sum(holes, "long"), 0, "holes where all is kept");
  assert(ownLeftOut > 0 && formerLeftOut > 0, "nothing was left out because of who reads it");
  const { hub } = JSON.parse((await ask(chloe, "/api/stats")).text);
  assertEquals(hub.faults, 0, "faults");
});
