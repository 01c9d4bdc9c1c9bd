/**
 * What becomes of readers that do not keep up, rule by rule.
 *
 * @module
 */
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { ServerFrame } from "../../src/protocol/frames.ts";
import { openStalled, type StalledReader } from "../support/stalled_reader.ts";
import { conformance, type Walk } from "./_walk.ts";

const PADDING = "x".repeat(60_000);
/** 18 MB: more than the kernel's buffers hold. */
const COUNT = 300;
const AT_ONCE = 15;

/** Publishes numbers, of which nobody reads one; stops where nobody is in the channel any more. */
async function flood({ server }: Walk, channel: string): Promise<number> {
  for (let sent = 0; sent < COUNT; sent += AT_ONCE) {
    const messages = Array.from({ length: AT_ONCE }, (_, n) => {
      return { channel, data: `${sent + n}:${PADDING}` };
    });
    if (await server.send(...messages) === 0) return sent;
  }
  return COUNT;
}

/** What a reader got: numbers, and between them how many it was told that it missed. */
interface Got {
  readonly numbers: readonly number[];
  readonly missed: number;
  readonly last: readonly ("number" | "gap")[];
}

/** Reads on until a number came, or to the end; nothing may be missing but what it is told of. */
async function readOn(reader: StalledReader, until: number | null): Promise<Got> {
  const numbers: number[] = [];
  const kinds: ("number" | "gap")[] = [];
  let missed = 0;
  let next = 0;
  for await (const frame of reader.frames()) {
    if ("gap" in frame) {
      assertGreater(frame.gap.missed, 0);
      missed += frame.gap.missed;
      next += frame.gap.missed;
      kinds.push("gap");
    }
    if (!("data" in frame)) continue;
    const number = parseInt(frame.data as string);
    assertEquals(number, next++, "it is told of every hole, and where that is");
    numbers.push(number);
    kinds.push("number");
    if (number === until) break;
  }
  return { numbers, missed, last: kinds.slice(-3) };
}

conformance("close: a reader that stalls is sent away", async (walk) => {
  using reader = await openStalled(walk.transport, walk.server, "all:1");
  assertLess(await flood(walk, "all:1"), COUNT, "it is out of the channel");
  const { missed, numbers } = await readOn(reader, null);
  assertEquals(missed, 0);
  assertLess(numbers.length, COUNT);
}, { config: { limits: { unwritten_bytes: "128KiB" } } });

conformance(
  "drop_oldest: a reader that stalls gets the newest, and is told of what it missed",
  async (walk) => {
    using reader = await openStalled(walk.transport, walk.server, "log:1");
    assertEquals(await flood(walk, "log:1"), COUNT);
    const { numbers, missed, last } = await readOn(reader, COUNT - 1);
    assertGreater(missed, 0);
    assertEquals(numbers.length + missed, COUNT);
    assertEquals(last.slice(-2), ["number", "number"], "some that are newest wait for it");
    await walk.server.send({ channel: "log:1", data: "it goes on" });
    assertEquals(await nextData(reader), "it goes on");
  },
);

conformance("keep_latest: a reader that stalls gets the newest alone", async (walk) => {
  using reader = await openStalled(walk.transport, walk.server, "meter:1");
  assertEquals(await flood(walk, "meter:1"), COUNT);
  const { numbers, missed, last } = await readOn(reader, COUNT - 1);
  assertEquals(numbers.length + missed, COUNT);
  assertEquals(last.slice(-2), ["gap", "number"]);
  await walk.server.send({ channel: "meter:1", data: "it goes on" });
  assertEquals(await nextData(reader), "it goes on");
});

conformance("what one rule drops takes nothing from the channels of another", async (walk) => {
  const channels = ["meter:1", "log:1", "room:1"];
  using reader = await openStalled(walk.transport, walk.server, ...channels);
  await walk.server.send({ channel: "room:1", data: "first" });
  for (const channel of ["meter:1", "log:1"]) assertEquals(await flood(walk, channel), COUNT);
  await walk.server.send({ channel: "room:1", data: "last" });
  const rooms: unknown[] = [];
  for await (const frame of reader.frames()) {
    assert(!("bye" in frame));
    if ("data" in frame && frame.channel === "room:1") rooms.push(frame.data);
    if (rooms.at(-1) === "last") break;
  }
  assertEquals(rooms, ["first", "last"]);
});

async function nextData(reader: StalledReader): Promise<unknown> {
  for await (const frame of reader.frames()) {
    if ("data" in frame) return (frame as ServerFrame & { data: unknown }).data;
  }
  throw new Error("The reader was sent away");
}
