/**
 * Waves of sockets that come and go, server and clients in one process: a program of its own, so that it can
 * be run with V8's `gc()` at hand. Prints what is left after each wave, as a JSON line.
 *
 *     deno run -A --v8-flags=--expose-gc come_and_go.ts <waves> <sockets>
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { startTestServer, type TestServer } from "../support/server.ts";
import { eventually } from "../support/within.ts";
import { openFiles, residentBytes } from "./process.ts";
import { linesOf, many, openSession } from "./sessions.ts";

/** What this process holds. */
export interface Held {
  readonly files: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
}

/** Half of the sockets close as browsers do, half are reset with a message unread. */
async function comeAndGo(chloe: TestServer, sockets: number): Promise<void> {
  const message = { channel: "wave", data: "hello" };
  const open = await many(sockets, () => openSession(chloe, ["wave"]));
  assertEquals(await chloe.send(message), sockets);
  await many(sockets, async (i) => {
    const socket = open[i]!;
    if (i % 2 === 0) {
      assertEquals((await linesOf(socket).next()).value, JSON.stringify(message));
      await socket.close();
      assertEquals(socket.closeCode, 1000);
    } else {
      assert(await socket.taste());
      socket.drop();
    }
  });
}

async function held(): Promise<Held> {
  const { gc } = globalThis as unknown as { gc(): void };
  gc();
  return {
    files: await openFiles(Deno.pid),
    heapBytes: Deno.memoryUsage().heapUsed,
    residentBytes: await residentBytes(Deno.pid),
  };
}

if (import.meta.main) {
  const [waves, sockets] = Deno.args.map(Number) as [number, number];
  // Room for one wave: one that left its connections counted would shut the next one out.
  await using chloe = await startTestServer({
    limits: { connections: sockets + 100 },
    session: { grace: "100ms" },
  });
  for (let wave = 1; wave <= waves; wave++) {
    await comeAndGo(chloe, sockets);
    await eventually(async () => {
      return await chloe.send({ data: "to all" }) === 0 ? true : undefined;
    }, "the end of every session");
    // deno-lint-ignore no-console -- it is what this program is for
    console.log(JSON.stringify(await held()));
  }
}
