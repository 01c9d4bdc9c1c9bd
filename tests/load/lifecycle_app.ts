import type { Random } from "../support/random.ts";

/** An event as the app gets it. */
interface AppEvent {
  readonly type: string;
  readonly boot: string;
  readonly session?: string;
  readonly user?: string | null;
  readonly seq?: number;
  readonly channel?: string;
  readonly ask?: boolean;
  readonly previous_boot?: string;
  readonly data?: Wish;
}

/** What a page asks its app for. */
export interface Wish {
  readonly join?: string;
  readonly leave?: string;
  readonly end?: true;
}

/** What comes one after the other: a session's events, or a channel's. */
class Lane {
  /** The id, the body and the number of the event that came last, and how it was answered. */
  id = "";
  body = "";
  seq = 0;
  isUnderWay = false;
  isTaken = true;
  attempts = 0;
}

/** What the app knows of a session. */
export class SessionStory {
  readonly user: string;
  readonly channels = new Set<string>();
  /** What it was told, in short. */
  readonly told: string[] = [];
  disconnects = 0;
  /** Numbers that the app did not take. */
  holes = 0;

  constructor(user: string) {
    this.user = user;
  }
}

/** How the app answers: at once; now and then slowly, or that it cannot now; always that it cannot now. */
export type Mood = "steady" | "unsteady" | "down";

/** How the app is. */
export interface AppOptions {
  readonly random: Random;
  /** Channels that it is asked about. */
  readonly asked: readonly string[];
  /** Whether events may be lost, so that what follows need not fit what came before. */
  readonly lossy?: boolean;
}

/** An event is not refused more often than this in a row: the relay would give it up. */
const MAX_REFUSALS = 3;
const MAX_SLOW_MS = 150;

/**
 * An app that notes who is there by what it is told, and holds each event against what came before it.
 */
export class LifecycleApp implements AsyncDisposable {
  readonly url: string;
  /** What should never be: each is a failure of Chloe. */
  readonly faults: string[] = [];
  readonly sessions = new Map<string, SessionStory>();
  readonly occupied = new Map<string, boolean>();
  /** How often each type was taken. */
  readonly taken = new Map<string, number>();
  mood: Mood = "unsteady";
  readonly #options: AppOptions;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #lanes = new Map<string, Lane>();
  #boot: string | null = null;

  constructor(options: AppOptions) {
    this.#options = options;
    const listen = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(listen, (request) => this.#answer(request));
    this.url = `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** How many events were taken. */
  get takenInAll(): number {
    return [...this.taken.values()].reduce((sum, n) => sum + n, 0);
  }

  /** Who is in a channel, as far as the app was told. */
  membersOf(channel: string): string[] {
    return [...this.sessions].filter(([, { channels }]) => channels.has(channel))
      .map(([id]) => id).sort();
  }

  async #answer(request: Request): Promise<Response> {
    const id = request.headers.get("webhook-id") ?? "";
    const body = await request.text();
    const event: AppEvent = JSON.parse(body);
    const lane = this.#laneOf(event);
    this.#check(event, lane, { id, body });
    lane.isUnderWay = true;
    lane.isTaken = false;
    try {
      const { random } = this.#options;
      const choice = this.mood === "unsteady" ? random.next() : 1;
      if (this.mood === "down" || choice < 0.08 && lane.attempts <= MAX_REFUSALS) {
        return new Response(null, { status: 503 });
      }
      if (choice < 0.2) {
        await new Promise((resolve) => setTimeout(resolve, 1 + random.below(MAX_SLOW_MS)));
      }
      lane.isTaken = true;
      this.taken.set(event.type, (this.taken.get(event.type) ?? 0) + 1);
      return this.#take(event);
    } finally {
      lane.isUnderWay = false;
    }
  }

  #laneOf({ session, channel, type }: AppEvent): Lane {
    const name = session ?? `${channel === undefined ? type : "channel"}/${channel}`;
    let lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, lane = new Lane());
    return lane;
  }

  /** Holds an attempt against the one before it. */
  #check(event: AppEvent, lane: Lane, { id, body }: { id: string; body: string }): void {
    const fault = (what: string) => this.faults.push(`${what}: ${body}; before: ${lane.body}`);
    this.#boot ??= event.boot;
    if (event.boot !== this.#boot) fault("another boot");
    if (id === "") fault("no id");
    if (lane.isUnderWay) fault("while the one before was under way");
    if (id === lane.id) {
      lane.attempts++;
      if (lane.isTaken) fault("again, though it was taken");
      if (body !== lane.body) fault("again, and not the same");
      return;
    }
    const { lossy = false } = this.#options;
    if (!lane.isTaken && !lossy) fault("before the one before was taken");
    if (event.session !== undefined) {
      const expected = lane.seq + 1;
      if (event.seq! < expected || event.seq! > expected && !lossy) fault(`not ${expected}`);
      const story = this.sessions.get(event.session);
      if (story !== undefined) {
        story.holes += event.seq! - expected + (lane.isTaken ? 0 : 1);
        if (event.user !== story.user) fault(`not of ${story.user}`);
        if (story.disconnects > 0) fault("after the session's end");
      }
      lane.seq = event.seq!;
    }
    lane.id = id;
    lane.body = body;
    lane.attempts = 1;
  }

  #take(event: AppEvent): Response {
    const { type, session, channel } = event;
    const { lossy = false, random, asked } = this.#options;
    const fault = (what: string) => this.faults.push(`${what}: ${JSON.stringify(event)}`);
    if (session === undefined) {
      const isOccupied = type === "channel_occupied";
      if (!isOccupied && type !== "channel_vacated") fault("of no session");
      if ((this.occupied.get(channel!) ?? false) === isOccupied && !lossy) fault("twice");
      this.occupied.set(channel!, isOccupied);
      return yes();
    }

    if (type === "connect") {
      if (event.seq !== 1 || this.sessions.has(session)) fault("not the first");
      if (random.chance(0.03)) return new Response(null, { status: 403 });
      const story = new SessionStory(`user ${random.below(50)}`);
      this.sessions.set(session, story);
      return Response.json({
        user: story.user,
        ...(random.chance(0.2) && { channels: [`lobby:${random.below(3)}`] }),
      });
    }

    const story = this.sessions.get(session);
    if (story === undefined) {
      fault("of an unknown session");
      return yes();
    }
    // What is asked crosses what is told: it may be said twice, but the last word has to be true.
    const isStrict = !lossy && !asked.includes(channel!);
    story.told.push(`${event.seq} ${type} ${channel ?? ""}${event.ask ? "?" : ""}`);
    switch (type) {
      case "subscribe":
        if (event.ask && random.chance(0.1)) return new Response(null, { status: 403 });
        if (isStrict && story.channels.has(channel!)) fault("in already");
        story.channels.add(channel!);
        return yes();
      case "unsubscribe":
        if (!story.channels.delete(channel!) && isStrict) fault("not in");
        return yes();
      case "disconnect":
        story.disconnects++;
        story.channels.clear();
        return yes();
      case "message":
        return Response.json(actions(event.data ?? {}));
      default:
        fault("of an unknown type");
        return yes();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function yes(): Response {
  return new Response(null, { status: 204 });
}

function actions({ join, leave, end }: Wish): Record<string, unknown> {
  return {
    reply: "done",
    ...(join !== undefined && { subscribe: [join] }),
    ...(leave !== undefined && { unsubscribe: [leave] }),
    ...(end && { disconnect: { reason: "asked" } }),
  };
}
