import { assertEquals } from "@std/assert";
import { within } from "../support/within.ts";
import type { LeanSocket } from "./lean_socket.ts";
import { startProcess } from "./process.ts";
import { linesOf, many, openSession } from "./sessions.ts";

const SESSIONS = 5000;
const MESSAGES = 100;
const END = "end";

Deno.test("5,000 sessions get 100 messages sent without a pause: all, in order, once", async () => {
  await using chloe = await startProcess();
  const sockets = await many(SESSIONS, () => openSession(chloe, ["x"]));
  const sequences = Promise.all(sockets.map(sequenceSeen));

  const matched = [];
  for (let n = 0; n < MESSAGES; n++) matched.push(await send(chloe.url, n));
  await send(chloe.url, END);

  const expected = [...Array(MESSAGES).keys(), END].map(line).join("\n");
  const wrong = (await within(sequences, "the end of every sequence"))
    .filter((sequence) => sequence !== expected);
  assertEquals(wrong.slice(0, 3), [], `${wrong.length} sessions saw something else`);
  assertEquals(matched, Array(MESSAGES).fill(SESSIONS));
  for (const socket of sockets) socket.drop();
});

/** Sends on a connection that is kept. @returns How many sessions the message was queued for. */
async function send(url: string, data: number | string): Promise<number> {
  const response = await fetch(`${url}/send`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: line(data),
  });
  return ((await response.json()) as { matched: number }).matched;
}

/** All that a session sees up to the mark of the end, or until it is cut off. */
async function sequenceSeen(socket: LeanSocket): Promise<string> {
  const lines: string[] = [];
  for await (const seen of linesOf(socket)) {
    lines.push(seen);
    if (seen === line(END)) break;
  }
  return lines.join("\n");
}

/** A message as it is sent, and as it comes. */
function line(data: number | string): string {
  return JSON.stringify({ channel: "x", data });
}
