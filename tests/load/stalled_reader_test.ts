import { assert, assertEquals, assertMatch } from "@std/assert";
import { ask, type Exchange, request } from "../support/http.ts";
import type { Address } from "../support/server.ts";
import { eventually, within } from "../support/within.ts";
import type { LeanSocket } from "./lean_socket.ts";
import { residentBytes, startProcess } from "./process.ts";
import { linesOf, many, openSession, publishAll } from "./sessions.ts";

/** Readers of each of two kinds that stall, and of each of two kinds that do not. */
const STALLED = 16;
const HEALTHY = 4;
/** Each reader is sent 15 MB: the kernel's buffers take some 4 MB, Chloe's bounds are 0.6 MB. */
const MESSAGES = 300;
const MESSAGE_BYTES = 50_000;
/** Messages that one request to `/send` brings, each for another reader; 1 MiB is the most that it takes. */
const AT_ONCE = 15;

/** What a stalled reader may cost: its session's bounds, what Deno is handed, and a message beyond each. */
const BOUND_BYTES = (256 + 256 + 64) * 1024 + 3 * MESSAGE_BYTES;
/** V8 collects late, and the allocator keeps what it has once had. Without bounds it would be 350 MB. */
const ALLOWED_BYTES = 2 * STALLED * BOUND_BYTES * 2 + 100 * 1024 * 1024;

/** A channel for each reader: what is published to one is nobody else's string. */
const CHANNELS = [
  ...[...Array(STALLED).keys()].flatMap((i) => [`stalled-${i}`, `stream-${i}`]),
  ...[...Array(HEALTHY).keys()].flatMap((i) => [`telling-${i}`, `silent-${i}`]),
];

Deno.test("readers that stall for good are sent away and cost no more than their bounds", async () => {
  await using chloe = await startProcess();
  const telling = await many(HEALTHY, (i) => openSession(chloe, [`telling-${i}`]));
  // These read and never say so: what is kept for them has a bound, and they are not sent away.
  const silent = await many(HEALTHY, (i) => openSession(chloe, [`silent-${i}`]));
  const reading = Promise.all([
    ...telling.map((socket) => countMessages(socket, { acknowledges: true })),
    ...silent.map((socket) => countMessages(socket, { acknowledges: false })),
  ]);
  const before = await flood(chloe, 0);
  const stalled = await many(STALLED, (i) => openSession(chloe, [`stalled-${i}`]));
  const streams = await many(STALLED, (i) => openStream(chloe, `stream-${i}`));
  const most = await flood(chloe, MESSAGES);

  assertEquals(
    await within(reading, "the last message of the healthy readers"),
    Array(2 * HEALTHY).fill(2 * MESSAGES),
  );
  const { hub } = await eventually(async () => {
    const stats = await readStats(chloe);
    return stats.sessions === 2 * HEALTHY ? stats : undefined;
  }, "the end of the stalled sessions");
  assertEquals([hub.slowReaders, hub.closes[3008]], [2 * STALLED, 2 * STALLED]);
  assert(
    most - before <= ALLOWED_BYTES,
    `${before} bytes were resident without, ${most} with them`,
  );

  // Whoever wakes up finds out why it was sent away.
  const last = await within(lastLine(stalled[0]!), "the end of a stalled socket");
  assertMatch(last ?? "", /^{"bye":{"code":3008,/);
  assertEquals(stalled[0]!.closeCode, 3008);
  for (const socket of [...stalled, ...telling, ...silent]) socket.drop();
  for (const stream of streams) stream.cut();
});

/**
 * Publishes messages to every channel, whoever is there.
 *
 * @param from The number of the first.
 * @returns The most that was resident meanwhile.
 */
async function flood(chloe: Address & { readonly pid: number }, from: number): Promise<number> {
  let most = 0;
  for (let n = from; n < from + MESSAGES; n++) {
    const data = `${n} ${"x".repeat(MESSAGE_BYTES)}`;
    for (let at = 0; at < CHANNELS.length; at += AT_ONCE) {
      const some = CHANNELS.slice(at, at + AT_ONCE);
      await publishAll(chloe, some.map((channel) => ({ channel, data })));
    }
    most = Math.max(most, await residentBytes(chloe.pid));
  }
  return most;
}

/** Opens an event stream with a subscription, and reads no further than `connected`. */
async function openStream(address: Address, channel: string): Promise<Exchange> {
  const body = JSON.stringify({ connect: { subscribe: { [channel]: {} } } });
  const stream = await request(address, "/chloe/events", { method: "POST", body });
  assertMatch(await stream.read() ?? "", /^data: {"connected":/);
  return stream;
}

/** Reads as fast as it can; how many messages came, in order. */
async function countMessages(
  socket: LeanSocket,
  { acknowledges }: { acknowledges: boolean },
): Promise<number> {
  let count = 0;
  for await (const line of linesOf(socket)) {
    const n = Number(/"data":"(\d+) /.exec(line)?.[1]);
    if (n !== count) break;
    count++;
    if (acknowledges) socket.send(JSON.stringify({ received: count }));
    if (count === 2 * MESSAGES) break;
  }
  return count;
}

async function lastLine(socket: LeanSocket): Promise<string | undefined> {
  let last: string | undefined;
  for await (const line of linesOf(socket)) last = line;
  return last;
}

interface Stats {
  readonly sessions: number;
  readonly hub: {
    readonly slowReaders: number;
    readonly closes: Readonly<Record<string, number>>;
  };
}

async function readStats(address: Address): Promise<Stats> {
  return JSON.parse((await ask(address, "/api/stats")).text);
}
