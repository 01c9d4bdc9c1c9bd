import { assertEquals } from "@std/assert";
import type { ServerFrame } from "../../src/protocol/frames.ts";
import { Random } from "../support/random.ts";
import { within } from "../support/within.ts";
import { Moments } from "./moments.ts";
import { startProcess } from "./process.ts";
import { many, publishAll } from "./sessions.ts";
import { UnsteadyClient } from "./unsteady_client.ts";

const SESSIONS = 200;
const MESSAGES = 2000;
/** Messages that may be on their way to a session, on the average, before the next is sent. */
const WINDOW = 60;
/** Messages that one request to `/send` brings. */
const MAX_BURST = 20;
/** What each session asks for, in this order: 2,000 commands in all. */
const COMMANDS = [
  ...["send", "subscribe", "send", "nonsense", "unsubscribe"],
  ...["send", "send", "subscribe", "send", "send"],
];
/** The last command is sent when this many messages have come. */
const LAST_COMMAND_AT = MESSAGES * 0.8;

const seed = Number(Deno.env.get("CHLOE_SEED") ?? Math.floor(Math.random() * 1e9));

/** A session's page of the ledger. */
class Page {
  readonly client: UnsteadyClient;
  readonly finished: Promise<void>;
  /** The channel that it subscribes to, unsubscribes from, and subscribes to again. */
  readonly own: string;
  readonly #expected: number[] = [];
  readonly #seen: unknown[] = [];
  readonly #sent: number[] = [];
  readonly #answers: unknown[][] = COMMANDS.map(() => []);
  readonly #commandsAt: readonly number[];
  #commands = 0;
  #isComplete = false;
  #finish!: () => void;

  constructor(index: number, options: ConstructorParameters<typeof UnsteadyClient>[0]) {
    this.client = new UnsteadyClient({ ...options, onFrame: (frame) => this.#take(frame) });
    this.own = `own-${index}`;
    this.#commandsAt = COMMANDS.map(() => options.random.below(LAST_COMMAND_AT))
      .sort((a, b) => a - b);
    this.finished = new Promise((resolve) => this.#finish = resolve);
  }

  /** A message is on its way to this session. */
  expect(n: number): void {
    this.#expected.push(n);
  }

  /** No more messages are. */
  complete(): void {
    this.#isComplete = true;
    this.#look();
  }

  #take(frame: ServerFrame): void {
    if ("id" in frame && frame.id !== undefined) this.#answers[frame.id - 1]?.push(frame);
    else if ("data" in frame) this.#seen.push(frame.data);
    else this.client.faults.push(`unasked: ${JSON.stringify(frame)}`);
    while (this.#seen.length >= (this.#commandsAt[this.#commands] ?? Infinity)) this.#command();
    this.#look();
  }

  #command(): void {
    switch (COMMANDS[this.#commands++]) {
      case "send":
        this.#sent.push(this.#commands);
        return void this.client.command({ send: { data: this.#commands } });
      case "subscribe":
        return void this.client.command({ subscribe: { channel: this.own } });
      case "unsubscribe":
        return void this.client.command({ unsubscribe: { channel: this.own } });
      default:
        return void this.client.command({ dance: {} });
    }
  }

  #look(): void {
    if (!this.#isComplete || this.#seen.length < this.#expected.length) return;
    if (this.#answers.every((answers) => answers.length > 0)) this.#finish();
  }

  /** Compares what came with what should have. */
  check(taken: readonly unknown[]): void {
    assertEquals(difference(this.#seen, this.#expected), null, "messages");
    assertEquals(taken, this.#sent, "what the app got");
    const answers = COMMANDS.map((name, i) => [expectedAnswer(name, i + 1)]);
    assertEquals(this.#answers.map((each) => each.map(withoutWords)), answers, "answers");
  }
}

/** Where two lists part, with what stands around: the whole of them would hide it. */
function difference(seen: readonly unknown[], expected: readonly unknown[]) {
  const length = Math.max(seen.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (seen[i] === expected[i]) continue;
    const around = [Math.max(0, i - 5), i + 15] as const;
    return { at: i, seen: seen.slice(...around), expected: expected.slice(...around) };
  }
  return null;
}

function expectedAnswer(name: string, id: number): unknown {
  if (name === "nonsense") return { id, error: { code: "bad_command", retry: false } };
  return { id, ok: name === "send" ? { data: `done ${id}` } : {} };
}

/** An answer less the words for developers. */
function withoutWords(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer, (key, value) => key === "message" ? undefined : value));
}

/** Who is to get the next message: mostly everyone in the channel. */
function chooseReaders(random: Random, pages: readonly Page[]) {
  const one = random.pick(pages);
  const { session } = one.client;
  const choice = random.next();
  if (choice < 0.1) return { target: { session }, readers: [one] };
  if (choice < 0.2) {
    return {
      target: { channel: "ledger", except: session },
      readers: pages.filter((page) => page !== one),
    };
  }
  return { target: choice < 0.4 ? {} : { channel: "ledger" }, readers: pages };
}

/** An app that keeps, for each session, what it was sent, and answers each message. */
function startLedgerApp(): AsyncDisposable & { url: string; taken: Map<string, unknown[]> } {
  const taken = new Map<string, unknown[]>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { session, data } = await request.json();
    const before = taken.get(session);
    if (before === undefined) taken.set(session, [data]);
    else before.push(data);
    return Response.json({ reply: `done ${data}` });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    taken,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test(`200 unsteady sessions: 2,000 messages and 2,000 commands, each once and in order (CHLOE_SEED=${seed})`, async () => {
  await using app = startLedgerApp();
  await using chloe = await startProcess({
    config: `app.url = "${app.url}"\nsession.grace = "60s"\n`,
  });
  const random = new Random(seed);
  const moments = new Moments();
  const pages = await many(SESSIONS, async (index) => {
    const page = new Page(index, {
      address: chloe,
      random: new Random(seed + index + 1),
      moments,
      clients: SESSIONS,
      onFrame: () => {},
    });
    await page.client.begin("ledger");
    return page;
  });
  const running = Promise.all(pages.map((page) => page.client.run()));

  try {
    let queued = 0;
    for (let n = 0; n < MESSAGES;) {
      await within(moments.at(queued - WINDOW * SESSIONS), "sessions to keep up");
      const burst = [];
      for (const end = Math.min(n + 1 + random.below(MAX_BURST), MESSAGES); n < end; n++) {
        const { target, readers } = chooseReaders(random, pages);
        for (const reader of readers) reader.expect(n);
        queued += readers.length;
        burst.push({ ...target, data: n });
      }
      await publishAll(chloe, burst);
    }
    for (const page of pages) page.complete();
    moments.end();
    await within(Promise.all(pages.map((page) => page.finished)), "the last frame of each session");
  } finally {
    for (const { client } of pages) client.stop();
    moments.end();
    await within(running, "the end of every client");
    // Where there are faults they say more than what came of them.
    assertEquals(pages.flatMap(({ client }) => client.faults), []);
  }
  for (const page of pages) page.check(app.taken.get(page.client.session) ?? []);
  const matched = await publishAll(chloe, pages.map(({ own }) => ({ channel: own, data: "" })));
  assertEquals(matched, pages.map(() => 1), "subscriptions");
});
