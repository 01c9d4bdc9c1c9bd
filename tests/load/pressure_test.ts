/**
 * What presses on a server while others only want their messages: they get all of them, memory stays within
 * the bound that docs/limits.md states, and whatever was refused, dropped or closed is counted.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ask, writeAll } from "../support/http.ts";
import type { Address } from "../support/server.ts";
import { OPCODES, RawWebSocket } from "../support/websocket.ts";
import { eventually, within } from "../support/within.ts";
import type { LeanSocket } from "./lean_socket.ts";
import { residentBytes, startProcess } from "./process.ts";
import { linesOf, many, openSession, publish, publishAll } from "./sessions.ts";

const MIB = 1024 * 1024;

/** What the program, its code and V8's idle garbage may grow by that is nobody's queue. */
const ALLOWANCE_BYTES = 100 * MIB;

/** What Deno may hold for a socket that takes nothing: 64 KiB, and what it is handed at once. */
const AHEAD_BYTES = 96 * 1024;

/** Reads as fast as it can, and acknowledges. @returns The numbers of the messages, up to `last`. */
async function readTo(socket: LeanSocket, last: number): Promise<number[]> {
  const seen: number[] = [];
  for await (const line of linesOf(socket)) {
    const n = Number(/"data":"(\d+)/.exec(line)?.[1]);
    if (Number.isNaN(n)) continue;
    seen.push(n);
    socket.send(JSON.stringify({ received: seen.length }));
    if (n === last) break;
  }
  return seen;
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, n) => n);

interface Stats {
  readonly sessions: number;
  readonly hub: {
    readonly connections: number;
    readonly slowReaders: number;
    readonly faults: number;
    readonly limitsHit: Readonly<Record<string, number>>;
    readonly closes: Readonly<Record<string, number>>;
  };
}

async function readStats(address: Address): Promise<Stats> {
  return JSON.parse((await ask(address, "/api/stats")).text);
}

/** Notes the most that is resident, each time that it is asked to look. */
class Peak {
  bytes = 0;

  constructor(readonly pid: number) {}

  async look(): Promise<void> {
    this.bytes = Math.max(this.bytes, await residentBytes(this.pid));
  }
}

Deno.test("one reader in ten stalls: it is closed and counted, the others get everything", async () => {
  const READERS = 100;
  const STALLED = 10;
  const MESSAGES = 1500; // 12 MB: more than the kernel's buffers take of a reader that reads nothing
  await using chloe = await startProcess();
  const sockets = await many(READERS, () => openSession(chloe, ["news"]));
  const before = await residentBytes(chloe.pid);
  const peak = new Peak(chloe.pid);
  const reading = Promise.all(
    sockets.slice(STALLED).map((socket) => readTo(socket, MESSAGES - 1)),
  );
  for (let n = 0; n < MESSAGES; n++) {
    await publish(chloe, { channel: "news", data: `${n} ${"x".repeat(8000)}` });
    if (n % 50 === 0) await peak.look();
  }
  for (const seen of await within(reading, "the last message")) {
    assertEquals(seen, upTo(MESSAGES - 1));
  }
  const { hub } = await eventually(async () => {
    const stats = await readStats(chloe);
    return stats.sessions === READERS - STALLED ? stats : undefined;
  }, "the end of the stalled sessions");
  assertEquals([hub.slowReaders, hub.limitsHit.unwrittenBytesClosed, hub.closes[3008]], [
    ...[STALLED, STALLED, STALLED],
  ]);
  // What waits is shared: one reader's bounds hold for all of them.
  const bound = 9 * 256 * 1024 + READERS * AHEAD_BYTES + ALLOWANCE_BYTES;
  assert(peak.bytes - before <= bound, `${before} bytes were resident before, ${peak.bytes} then`);
  for (const socket of sockets) socket.drop();
});

Deno.test("what waits in all stays below queued_bytes, however much may wait for one", async () => {
  const STALLED = 24;
  const MESSAGES = 600;
  const QUEUED = 16 * MIB;
  await using chloe = await startProcess({
    config: '[limits]\nqueued_bytes = "16MiB"\nunwritten_bytes = "1GiB"\n',
  });
  const quick = await openSession(chloe, ["quick"]);
  const reading = readTo(quick, 2 * MESSAGES - 1);
  /** Publishes to who reads, and a message to each who does not. @returns The most that was resident. */
  const flood = async (from: number): Promise<number> => {
    const peak = new Peak(chloe.pid);
    for (let n = from; n < from + MESSAGES; n++) {
      const data = `${n} ${"x".repeat(50_000)}`;
      for (let at = 0; at < STALLED; at += 12) {
        const some = Array.from({ length: 12 }, (_, i) => ({ channel: `stalled-${at + i}`, data }));
        await publishAll(chloe, some);
      }
      await publish(chloe, { channel: "quick", data });
      await peak.look();
    }
    return peak.bytes;
  };
  const before = await flood(0);
  const stalled = await many(STALLED, (n) => openSession(chloe, [`stalled-${n}`]));
  const then = await flood(MESSAGES);
  assertEquals(await within(reading, "the last message of who reads"), upTo(2 * MESSAGES - 1));
  const { hub } = await readStats(chloe);
  const { queuedBytesClosed, unwrittenBytesClosed, queuedBytesRefused } = hub.limitsHit;
  assert(queuedBytesClosed! > 0);
  assertEquals([unwrittenBytesClosed, queuedBytesRefused], [0, 0]);
  assertEquals([hub.slowReaders, hub.closes[3008]], [queuedBytesClosed, queuedBytesClosed]);
  // V8 collects late. Without a bound it would be 600 MB.
  const bound = 2 * QUEUED + STALLED * AHEAD_BYTES + 2.5 * ALLOWANCE_BYTES;
  assert(then - before <= bound, `${before} bytes were resident before, ${then} then`);
  for (const socket of [quick, ...stalled]) socket.drop();
});

Deno.test("clients that send 63 MiB at once are closed with 1009, and memory comes back", async () => {
  const SENDERS = 3;
  const ROUNDS = 10;
  const FRAME = 63 * MIB;
  await using chloe = await startProcess();
  const readers = await many(20, () => openSession(chloe, ["news"]));
  const last = SENDERS * ROUNDS - 1;
  const reading = Promise.all(readers.map((socket) => readTo(socket, last)));
  const before = await residentBytes(chloe.pid);
  const peak = new Peak(chloe.pid);
  let published = 0;
  const sendHuge = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      using socket = await RawWebSocket.open(chloe, "/chloe/ws");
      await socket.send('{"connect":{}}');
      await socket.next();
      await writeHuge(socket.conn, FRAME, () => peak.look());
      assertEquals((await socket.closed()).code, 1009);
      assertEquals(await publish(chloe, { channel: "news", data: `${published++}` }), 20);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sendHuge));
  for (const seen of await within(reading, "the last message")) assertEquals(seen, upTo(last));
  const { hub } = await readStats(chloe);
  assertEquals([hub.limitsHit.maxBytesClosed, hub.closes[1009]], [last + 1, last + 1]);
  assertEquals(hub.faults, 0);
  // Each frame is there twice for a moment: as bytes, and as text. What is let go is collected late. All
  // that was sent is 1.9 GB.
  const bound = SENDERS * 2 * FRAME + 8 * FRAME + ALLOWANCE_BYTES;
  assert(peak.bytes - before <= bound, `${before} bytes were resident before, ${peak.bytes} then`);
  for (const socket of readers) socket.drop();
});

Deno.test("who sends 64 MiB or more at once is cut off by its first bytes, and counted", async () => {
  await using chloe = await startProcess();
  for (const [n, bytes] of [64 * MIB, 2 ** 40].entries()) {
    using socket = await RawWebSocket.open(chloe, "/chloe/ws");
    await socket.send('{"connect":{}}');
    await socket.next();
    await writeAll(socket.conn, headOf(bytes));
    await socket.closed();
    await eventually(async () => {
      const { hub } = await readStats(chloe);
      return hub.limitsHit.maxBytesClosed === n + 1 && hub.connections === 0 || undefined;
    }, "the end of the connection, counted");
  }
});

/** The head of a masked frame, whose mask leaves the payload as it is. */
function headOf(bytes: number): Uint8Array {
  const head = new Uint8Array(14);
  head[0] = 128 | OPCODES.text;
  head[1] = 128 | 127;
  new DataView(head.buffer).setBigUint64(2, BigInt(bytes));
  return head;
}

/** Writes a frame of so many letters, a MiB at a time. */
async function writeHuge(
  conn: Deno.Conn,
  bytes: number,
  written: () => Promise<void>,
): Promise<void> {
  await writeAll(conn, headOf(bytes));
  const chunk = new Uint8Array(MIB).fill("x".charCodeAt(0));
  for (let at = 0; at < bytes; at += MIB) {
    await writeAll(conn, chunk);
    if (at % (8 * MIB) === 0) await written();
  }
}

Deno.test("3,000 clients come, subscribe and leave: the others get everything, and nothing is left", async () => {
  const READERS = 50;
  const PASSERS = 3000;
  await using chloe = await startProcess({ config: '[session]\ngrace = "100ms"\n' });
  const readers = await many(READERS, () => openSession(chloe, ["news"]));
  const last = PASSERS / 10 - 1;
  const reading = Promise.all(readers.map((socket) => readTo(socket, last)));
  const before = await residentBytes(chloe.pid);
  const peak = new Peak(chloe.pid);
  let published = 0;
  let publishing = Promise.resolve();
  await many(PASSERS, async (n) => {
    const socket = await openSession(chloe, ["news", `own-${n}`]);
    if (n % 10 === 0) {
      // One after the other: the numbers are in order.
      publishing = publishing.then(async () => {
        await publish(chloe, { channel: "news", data: `${published++}` });
        await peak.look();
      });
    }
    // Half say goodbye, half are just gone.
    if (n % 2 === 0) await socket.close();
    else socket.drop();
  });
  await publishing;
  for (const seen of await within(reading, "the last message")) assertEquals(seen, upTo(last));
  const { hub } = await eventually(async () => {
    const stats = await readStats(chloe);
    return stats.sessions === READERS && stats.hub.connections === READERS ? stats : undefined;
  }, "the end of all that came");
  assertEquals([hub.slowReaders, hub.faults], [0, 0]);
  assertEquals(Object.values(hub.limitsHit).filter((count) => count > 0), []);
  const bound = 200 * 64 * 1024 + ALLOWANCE_BYTES;
  assert(peak.bytes - before <= bound, `${before} bytes were resident before, ${peak.bytes} then`);
  for (const socket of readers) socket.drop();
});

Deno.test("a publisher floods: who reads another channel gets everything, and so does who keeps up", async () => {
  const FLOOD = 4000;
  await using chloe = await startProcess();
  const flooded = await many(10, () => openSession(chloe, ["flood"]));
  const readers = await many(20, () => openSession(chloe, ["news"]));
  const last = FLOOD / 20 - 1;
  const reading = Promise.all(readers.map((socket) => readTo(socket, last)));
  const draining = Promise.all(flooded.map((socket) => readTo(socket, FLOOD)));
  const before = await residentBytes(chloe.pid);
  const peak = new Peak(chloe.pid);
  let published = 0;
  let publishing = Promise.resolve();
  await many(FLOOD, async (n) => {
    await publish(chloe, { channel: "flood", data: `${n} ${"x".repeat(1000)}` });
    if (n % 20 !== 0) return;
    publishing = publishing.then(async () => {
      await publish(chloe, { channel: "news", data: `${published++}` });
      await peak.look();
    });
  });
  await publishing;
  await publish(chloe, { channel: "flood", data: `${FLOOD}` });
  for (const seen of await within(reading, "the last message")) assertEquals(seen, upTo(last));
  for (const seen of await within(draining, "the end of the flood")) {
    // Two hundred requests are under way at once, in any order.
    assertEquals(seen.toSorted((a, b) => a - b), upTo(FLOOD));
  }
  const { hub } = await readStats(chloe);
  assertEquals([hub.slowReaders, hub.faults, hub.limitsHit.queuedBytesRefused], [0, 0, 0]);
  const bound = 2 * ALLOWANCE_BYTES + 10 * AHEAD_BYTES;
  assert(peak.bytes - before <= bound, `${before} bytes were resident before, ${peak.bytes} then`);
  for (const socket of [...flooded, ...readers]) socket.drop();
});

Deno.test("a session that floods is refused and closed, and the others get everything", async () => {
  await using chloe = await startProcess({
    config:
      '[limits]\ncommands_per_second = 10\n[[channel]]\npattern = "**"\npublish = "clients"\n',
  });
  const MESSAGES = 200;
  const readers = await many(20, () => openSession(chloe, ["news"]));
  const reading = Promise.all(readers.map((socket) => readTo(socket, MESSAGES - 1)));
  const flooding = await openSession(chloe, ["noise"]);
  const heard = (async () => {
    for await (const _ of linesOf(flooding));
  })();
  let id = 0;
  for (let n = 0; n < MESSAGES; n++) {
    // 60,000 in all: five times what may come at once.
    const lines = Array.from({ length: 300 }, () => {
      return `{"id":${++id},"publish":{"channel":"noise","data":1}}`;
    });
    flooding.send(lines.join("\n"));
    await publish(chloe, { channel: "news", data: `${n}` });
  }
  await within(heard, "the end of who floods");
  for (const seen of await within(reading, "the last message")) {
    assertEquals(seen, upTo(MESSAGES - 1));
  }
  const { hub } = await readStats(chloe);
  assertEquals([hub.limitsHit.framesClosed, hub.closes[3009], hub.slowReaders], [1, 1, 0]);
  assert(hub.limitsHit.commandsRefused! > 10_000);
  for (const socket of [flooding, ...readers]) socket.drop();
});
