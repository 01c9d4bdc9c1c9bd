/**
 * Many clients in one process: a program of its own, which writes what happens to them as JSON lines. They
 * stay until its stdin ends.
 *
 *     deno run -A storm_clients.ts '{"url": "http://127.0.0.1:8901", "clients": 500, "channel": "news"}'
 *
 * @module
 */
import { Chloe } from "../../client/mod.ts";
import { Random } from "../support/random.ts";
import { many } from "./sessions.ts";

/** What the program is told. */
export interface CrowdOptions {
  readonly url: string;
  readonly clients: number;
  /** The channel that each of them is in. */
  readonly channel: string;
  /** Where their random numbers begin. */
  readonly seed: number;
  /** Between which numbers these are: what shortens every wait of a backoff, and no other time. */
  readonly random: readonly [number, number];
}

/** What happened to a client; `at` is in milliseconds since 1970. */
export type CrowdLine =
  & { readonly client: number; readonly at: number }
  & (
    | { readonly is: "attempt"; readonly by: string }
    | { readonly is: "connected"; readonly by: string; readonly session: string }
    | { readonly is: "lost"; readonly why: string }
    | { readonly is: "message"; readonly data: unknown }
    | { readonly is: "gap" }
    | { readonly is: "closed"; readonly why: string }
  );

type Event = CrowdLine extends infer Line
  ? Line extends CrowdLine ? Omit<Line, "client" | "at"> : never
  : never;

/** Lines are written so often, as one: a thousand clients are not to wait for the pipe each. */
const WRITE_EVERY_MS = 20;

const lines: string[] = [];

function tell(client: number, event: Event): void {
  lines.push(JSON.stringify({ client, at: Date.now(), ...event }) + "\n");
}

function writeLines(): void {
  let bytes = new TextEncoder().encode(lines.splice(0).join(""));
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

/** The path of a request that opens a transport; `null` for any other. */
function opening(url: string, { body }: RequestInit): string | null {
  return String(body).startsWith('{"connect":') ? new URL(url).pathname : null;
}

/** Makes one. */
function newClient(client: number, { url, seed, random }: CrowdOptions): Chloe {
  const numbers = new Random(seed + client);
  const [least, most] = random;
  const chloe = new Chloe(url, {
    environment: {
      WebSocket: class extends WebSocket {
        constructor(url: string) {
          tell(client, { is: "attempt", by: "/chloe/ws" });
          super(url);
        }
      },
      fetch(url, init) {
        const path = opening(url, init);
        if (path !== null) tell(client, { is: "attempt", by: path });
        return fetch(url, init);
      },
      random: () => least + (most - least) * numbers.next(),
    },
  });
  chloe.on("state", (state, why) => {
    if (state === "connected") {
      tell(client, { is: "connected", by: chloe.transport!, session: chloe.session! });
    } else if (state === "waiting") {
      tell(client, { is: "lost", why: why!.reason });
    } else if (state === "closed") {
      tell(client, { is: "closed", why: why!.reason });
    }
  });
  chloe.on("gap", () => tell(client, { is: "gap" }));
  return chloe;
}

if (import.meta.main) {
  const options: CrowdOptions = JSON.parse(Deno.args[0]!);
  const writer = setInterval(writeLines, WRITE_EVERY_MS);
  const clients: Chloe[] = [];
  let isOver = false;
  const joining = many(options.clients, async (client) => {
    if (isOver) return;
    const chloe = newClient(client, options);
    clients.push(chloe);
    const subscribed = chloe.subscribe(options.channel, (data) => {
      tell(client, { is: "message", data });
    });
    await Promise.all([chloe.connect(), subscribed]);
  }).catch((error) => {
    if (!isOver) throw error; // else it is that of a client which was closed before it was connected
  });
  for await (const _ of Deno.stdin.readable); // nothing comes but its end
  isOver = true;
  for (const client of clients) client.close();
  await joining;
  clearInterval(writer);
  writeLines();
}
