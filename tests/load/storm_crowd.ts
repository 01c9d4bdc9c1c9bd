import { within } from "../support/within.ts";
import type { CrowdLine, CrowdOptions } from "./storm_clients.ts";

const PROGRAM = new URL("storm_clients.ts", import.meta.url).pathname;

/** What happened to one client so far. Times are in milliseconds since 1970. */
export interface Member {
  /** When it tried to open a transport. */
  readonly attempts: { readonly at: number; readonly by: string }[];
  readonly connections: { readonly at: number; readonly by: string; readonly session: string }[];
  /** When a connection, or a round of attempts, came to nothing. */
  readonly losses: { readonly at: number; readonly why: string }[];
  readonly messages: { readonly at: number; readonly data: unknown }[];
  /** When it was told that messages are gone. */
  readonly gaps: number[];
  /** Why it came to its end, by Chloe's will. */
  readonly ends: string[];
}

/** Many clients, in processes of their own. */
export interface Crowd extends AsyncDisposable {
  readonly members: readonly Member[];
}

/** Starts them; they connect by themselves. Disposing closes them. */
export function startCrowd(
  { processes, clients, seed, ...options }: CrowdOptions & {
    /** How many processes they are spread over, evenly. */
    readonly processes: number;
  },
): Crowd {
  const each = Math.ceil(clients / processes);
  const members: Member[] = [];
  const children: (() => Promise<void>)[] = [];
  for (let first = 0; first < clients; first += each) {
    const own = Array.from({ length: Math.min(each, clients - first) }, newMember);
    members.push(...own);
    children.push(startClients({ ...options, clients: own.length, seed: seed + first }, own));
  }
  return {
    members,
    [Symbol.asyncDispose]: async () => void await Promise.all(children.map((stop) => stop())),
  };
}

function newMember(): Member {
  return { attempts: [], connections: [], losses: [], messages: [], gaps: [], ends: [] };
}

/** Starts a process of clients and keeps a record of what it says. Returns what stops it. */
function startClients(options: CrowdOptions, members: readonly Member[]): () => Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", PROGRAM, JSON.stringify(options)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const read = async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) record(JSON.parse(line), members);
    }
  };
  const ended = Promise.all([read(), child.status]);
  return async () => {
    await child.stdin.close();
    await within(ended, "the end of the clients");
  };
}

function record(line: CrowdLine, members: readonly Member[]): void {
  const { attempts, connections, losses, messages, gaps, ends } = members[line.client]!;
  if (line.is === "attempt") attempts.push(line);
  else if (line.is === "connected") connections.push(line);
  else if (line.is === "lost") losses.push(line);
  else if (line.is === "message") messages.push(line);
  else if (line.is === "gap") gaps.push(line.at);
  else ends.push(line.why);
}
