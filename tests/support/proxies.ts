/**
 * A proxy between pages and Chloe that breaks things as proxies do: each fault can be switched while it runs.
 *
 * It carries one request a connection, so that a fault is met by the next request.
 *
 * @module
 */
import { ByteReader } from "./byte_reader.ts";
import { writeAll } from "./http.ts";
import type { Address } from "./server.ts";

/** What a proxy does to what goes through it. */
export interface Faults {
  /** Where it is `down` every connection ends as soon as it is made. */
  network: "up" | "down";
  /** Of WebSockets: `strip` makes plain GETs of them, `swallow` takes them and never says a word. */
  upgrades: "pass" | "strip" | "swallow";
  /**
   * `buffer` hands on no answer before its end, as virus scanners do; `portal` answers everything with a page
   * of its own, as hotels do.
   */
  answers: "pass" | "buffer" | "portal";
  /** Ends connections on which nothing was said for so many milliseconds. */
  idleMs: number;
}

const NO_FAULTS: Faults = { network: "up", upgrades: "pass", answers: "pass", idleMs: Infinity };

/** A proxy that a test started. */
export interface TestProxy extends Address, AsyncDisposable {
  readonly url: string;
  /** Each request that came while the network was up, in order: `GET /chloe/ws`. */
  readonly requests: readonly string[];
  /** Changes what becomes of the requests to come; what is not named stays as it is. */
  set(faults: Partial<Faults>): void;
  /** Takes all faults away. */
  mend(): void;
  /** Ends every connection without a word. */
  cut(): void;
}

const PORTAL = "<!doctype html><title>Welcome</title><p>Please pay for the network.";

/** Any page may read it: the client has to see for itself that it is not Chloe who answers. */
const PORTAL_ANSWER = [
  "HTTP/1.1 200 OK",
  "content-type: text/html",
  "access-control-allow-origin: *",
  `content-length: ${PORTAL.length}`,
  "connection: close",
  "",
  PORTAL,
].join("\r\n");

/** Starts a proxy in front of a server, which may come and go. */
export function startProxy(server: Address, faults: Partial<Faults> = {}): TestProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const requests: string[] = [];
  const visits = new Map<Visit, Promise<void>>();
  let current: Faults = { ...NO_FAULTS, ...faults };

  const accepting = (async () => {
    for await (const client of listener) {
      if (current.network === "down") {
        client.close();
        continue;
      }
      const visit = new Visit(client);
      const carried = carry(visit, server, () => current, requests)
        .catch(() => {}) // one side is gone: so is the other, now
        .finally(() => {
          visit.end();
          visits.delete(visit);
        });
      visits.set(visit, carried);
    }
  })();

  const cut = () => {
    for (const visit of visits.keys()) visit.end();
  };
  return {
    hostname: "127.0.0.1",
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    set(changed) {
      current = { ...current, ...changed };
    },
    mend() {
      current = NO_FAULTS;
    },
    cut,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      cut();
      await Promise.all(visits.values());
    },
  };
}

/** The connections of one request: they end together. */
class Visit {
  readonly #conns: Deno.Conn[] = [];
  readonly client: Deno.Conn;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(client: Deno.Conn) {
    this.client = client;
    this.#conns.push(client);
  }

  async connect(server: Address): Promise<Deno.Conn> {
    const conn = await Deno.connect({ hostname: server.hostname, port: server.port });
    this.#conns.push(conn);
    if (this.#ended) this.#close();
    return conn;
  }

  /** It goes on for `ms` more, or for ever. */
  stay(ms: number): void {
    clearTimeout(this.#timer);
    if (ms !== Infinity && !this.#ended) this.#timer = setTimeout(() => this.end(), ms);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#close();
  }

  #close(): void {
    for (const conn of this.#conns.splice(0)) conn.close();
  }
}

/** Carries one request and its answer. @throws Error where a side is gone. */
async function carry(
  visit: Visit,
  server: Address,
  faults: () => Faults,
  requests: string[],
): Promise<void> {
  const { client } = visit;
  const asked = new ByteReader(client);
  const head = await asked.until("\r\n\r\n");
  if (head === null) return;
  requests.push(head.slice(0, head.indexOf(" HTTP/")));
  const { upgrades, answers } = faults();
  const wantsUpgrade = /^upgrade: *websocket/im.test(head);
  if (wantsUpgrade && upgrades === "swallow") return await ignore(asked);
  if (answers === "portal") {
    await writeAll(client, encode(PORTAL_ANSWER));
    return await ignore(asked);
  }

  const isUpgrade = wantsUpgrade && upgrades === "pass";
  const upstream = await visit.connect(server);
  await writeAll(upstream, encode(`${isUpgrade ? head : withoutUpgrade(head)}\r\n\r\n`));
  const heard = () => visit.stay(faults().idleMs);
  heard();
  const there = pipe(asked, upstream, { heard, buffer: false });
  const back = pipe(new ByteReader(upstream), client, {
    heard,
    buffer: answers === "buffer" && !isUpgrade,
  });
  // Whichever side ends first, the other has nobody to speak with.
  await Promise.allSettled([there.finally(() => visit.end()), back.finally(() => visit.end())]);
}

async function ignore(reader: ByteReader): Promise<void> {
  while (await reader.some() !== null);
}

async function pipe(from: ByteReader, to: Deno.Conn, { heard, buffer }: {
  heard: () => void;
  /** Whether nothing is handed on before the end. */
  buffer: boolean;
}): Promise<void> {
  const held: Uint8Array[] = [];
  for (let bytes = await from.some(); bytes !== null; bytes = await from.some()) {
    heard();
    if (buffer) held.push(bytes);
    else await writeAll(to, bytes);
  }
  for (const bytes of held) await writeAll(to, bytes);
}

/** A request's head that asks for nothing but its answer, and for no other request's. */
function withoutUpgrade(head: string): string {
  const [first, ...lines] = head.split("\r\n");
  const kept = lines.filter((line) => !/^(upgrade|connection|keep-alive) *:/i.test(line));
  return [first, ...kept, "connection: close"].join("\r\n");
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
