import { assert, assertEquals } from "@std/assert";
import { Random } from "../tests/support/random.ts";
import { BACK_WITHIN_MS, LARGEST_SHARE, largestShare } from "../tests/load/storm_tally.ts";
import { FakeWorld, settle } from "./_testing.ts";
import type { Chloe } from "./chloe.ts";

const CLIENTS = 2000;
const DOWN_MS = 5000;

/** How long the clients were connected before: long enough for their backoff to begin anew. */
const BEFORE_MS = 10_000;

/** The server looks at who knocks this often, so this is how exact every time here is. */
const STEP_MS = 10;

/** No client may take longer; what is beyond would be a client that does not come back. */
const PATIENCE_MS = 2 * (DOWN_MS + BACK_WITHIN_MS);

const BYE = { bye: { code: 3001, reason: "shutdown", reconnect: true, after: [500, 5000] } };

/** What a storm came to. Times are in milliseconds since the loss. */
interface Storm {
  /** When each attempt to open a transport was made. */
  readonly attempts: number[];
  /** When the last client was connected again. */
  readonly lastBack: number;
  /** What each client heard in its channel after the loss. */
  readonly heard: readonly unknown[][];
  readonly states: ReadonlySet<string>;
}

/** How the server is lost. */
interface Loss {
  readonly name: string;
  readonly farewell?: unknown;
  /** Whether it still knows the sessions afterwards. */
  readonly resumes: boolean;
}

const LOSSES: readonly Loss[] = [
  { name: "a server that says bye and is started again", farewell: BYE, resumes: false },
  { name: "a server that is killed and started again", resumes: false },
  { name: "a network that is cut and mended", resumes: true },
];

/** Lives through one: a server that 2,000 clients are connected to is gone for a while. */
async function storm({ farewell, resumes }: Loss, seed: number): Promise<Storm> {
  const world = new FakeWorld();
  const random = new Random(seed);
  Object.assign(world.environment, { random: () => random.next() });
  const heard: unknown[][] = [];
  const clients: Chloe[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    const chloe = world.chloe();
    const list: unknown[] = [];
    chloe.subscribe("news", (data) => list.push(data));
    chloe.connect();
    world.socket.accept({ session: `s${i}` });
    clients.push(chloe);
    heard.push(list);
  }
  world.advance(BEFORE_MS);

  for (const socket of world.sockets.splice(0)) {
    if (farewell) socket.say(farewell);
    socket.drop();
  }
  const attempts: number[] = [];
  let back = 0;
  let now = 0;
  for (; back < CLIENTS && now < PATIENCE_MS; now += STEP_MS) {
    for (const socket of world.sockets.splice(0)) {
      attempts.push(now);
      if (now < DOWN_MS) {
        socket.drop();
        continue;
      }
      const { subscribe } = socket.accept({
        ...(resumes ? { resumed: true } : { session: `later-${back}` }),
      });
      assertEquals(subscribe, { news: {} });
      socket.say({ channel: "news", data: "back" });
      back++;
    }
    await settle();
    // Who knocks when the server is there is let in by the first transport, so no other one is needed then.
    // One that fails is followed by the next at once.
    for (let request = world.requests.shift(); request; request = world.requests.shift()) {
      attempts.push(now);
      assert(now < DOWN_MS, "a client passed by the WebSocket of a server that was there");
      await request.fail();
    }
    world.advance(STEP_MS);
  }
  const states = new Set(clients.map(({ state }) => state));
  for (const chloe of clients) chloe.close();
  return { attempts, lastBack: now, heard, states };
}

for (const loss of LOSSES) {
  Deno.test(`2,000 clients lose ${loss.name}: all are back in 25 s, and no second is crowded`, async () => {
    const { attempts, lastBack, heard, states } = await storm(loss, 1);
    assertEquals([...states], ["connected"]);
    assertEquals(heard, Array.from({ length: CLIENTS }, () => ["back"]));
    assert(lastBack <= DOWN_MS + BACK_WITHIN_MS, `the last was back after ${lastBack} ms`);
    const share = largestShare(attempts);
    assert(share <= LARGEST_SHARE, `one second held ${share} of ${attempts.length} attempts`);
  });
}
