import { assertEquals } from "@std/assert";
import { freePort } from "../support/app_process.ts";
import { type ChloeProcess, startChloe } from "../support/chloe_process.ts";
import { eventually, within } from "../support/within.ts";
import { openSession } from "./sessions.ts";

/** A `restarted` event, as far as it is of interest here. */
interface Told {
  readonly boot: string;
  readonly previous: string;
}

/** An app that can be down: nothing listens on its port then. */
class FlightyApp implements AsyncDisposable {
  /** The sessions that it let in, with the run of Chloe that they are of, in order. */
  readonly sessions: { readonly boot: string; readonly session: string }[] = [];
  readonly restarted: Told[] = [];
  readonly #port = freePort();
  #server: Deno.HttpServer | null = null;
  #watchers: (() => void)[] = [];

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  up(): void {
    const listen = { hostname: "127.0.0.1", port: this.#port, onListen() {} };
    this.#server = Deno.serve(listen, async (request) => {
      const { type, boot, session, previous_boot: previous } = await request.json();
      if (type === "connect") this.sessions.push({ boot, session });
      if (type === "restarted") this.restarted.push({ boot, previous });
      for (const watch of this.#watchers.splice(0)) watch();
      return new Response(null, { status: 204 });
    });
  }

  async down(): Promise<void> {
    await this.#server?.shutdown();
    this.#server = null;
  }

  /** Resolves when it has taken `count` of these events. */
  async tellings(count: number): Promise<readonly Told[]> {
    while (this.restarted.length < count) {
      const change = new Promise<void>((resolve) => this.#watchers.push(resolve));
      await within(change, `${count} restarted events; came: ${JSON.stringify(this.restarted)}`);
    }
    return this.restarted;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }
}

/** What stays when Chloe crashes, and the app that it talks to. */
class Rig implements AsyncDisposable {
  readonly app = new FlightyApp();
  #dir = "";
  #chloe: ChloeProcess | null = null;

  static async start(): Promise<Rig> {
    const rig = new Rig();
    rig.#dir = await Deno.makeTempDir({ prefix: "chloe-state-" });
    rig.app.up();
    return rig;
  }

  /** Starts Chloe. */
  async boot(): Promise<ChloeProcess> {
    return this.#chloe = await startChloe({
      config: `
        state_dir = "${this.#dir}"
        app.url = "${this.app.url}"
        app.events = ["message", "connect", "disconnect", "restarted"]
        app.retry_for = "500ms"
      `,
    });
  }

  /** Begins sessions, and ends Chloe as the kernel does when memory is short. @returns The name of its run. */
  async crash(chloe: ChloeProcess, sessions: number): Promise<string> {
    const address = { hostname: "127.0.0.1", port: chloe.port };
    const sockets = [];
    for (let i = 0; i < sessions; i++) sockets.push(await openSession(address, ["news"]));
    const { boot } = this.app.sessions.at(-1)!;
    chloe.signal("SIGKILL");
    await within(chloe.ended, "the end of Chloe");
    for (const socket of sockets) socket.drop();
    return boot;
  }

  /** The runs that the app has yet to be told of, by the file that outlives a crash. */
  async untold(): Promise<readonly string[]> {
    return JSON.parse(await Deno.readTextFile(`${this.#dir}/boot-127.0.0.1-0.json`)).over;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chloe?.stop();
    await this.app.down();
    await Deno.remove(this.#dir, { recursive: true });
  }
}

Deno.test("After kill -9 with sessions, and an app that is down for a while, one restarted event names the boot before", async () => {
  await using rig = await Rig.start();
  const { app } = rig;
  const first = await rig.crash(await rig.boot(), 5);
  assertEquals(app.sessions.map(({ boot }) => boot), Array(5).fill(first));

  await app.down();
  const second = await rig.boot();
  await second.lineLike(/does not take events/);
  assertEquals(await rig.untold(), [first]);
  app.up();
  const [told] = await app.tellings(1);
  assertEquals(told!.previous, first);
  // Noted before the next crash: else it would be told once more, which is allowed but not looked for here.
  await eventually(async () => (await rig.untold()).length === 0 || undefined, "that to be noted");
  assertEquals(await rig.crash(second, 1), told!.boot);

  const third = await rig.boot();
  const [, again] = await app.tellings(2);
  assertEquals(again!.previous, told!.boot);
  await third.stop();
  assertEquals(app.restarted.length, 2);
});

Deno.test("Two crashes while the app is down: it is told of both runs, the older one first", async () => {
  await using rig = await Rig.start();
  const { app } = rig;
  const first = await rig.crash(await rig.boot(), 3);

  await app.down();
  const silent = await rig.boot();
  await silent.lineLike(/does not take events/);
  silent.signal("SIGKILL");
  await within(silent.ended, "the end of Chloe");
  const untold = await rig.untold();
  assertEquals(untold, [first]);

  const last = await rig.boot();
  assertEquals((await rig.untold())[0], first);
  const [, second] = await rig.untold();
  app.up();
  const told = await app.tellings(2);
  assertEquals(told.map(({ previous }) => previous), [first, second]);
  assertEquals(new Set(told.map(({ boot }) => boot)).size, 1);
  await last.stop();
  assertEquals(app.restarted.length, 2);
  assertEquals(await rig.untold(), []);
});

Deno.test("A Chloe that was stopped is told of like one that crashed", async () => {
  await using rig = await Rig.start();
  const first = await rig.boot();
  (await openSession({ hostname: "127.0.0.1", port: first.port }, ["news"])).drop();
  await first.stop();
  await rig.boot();
  const [told] = await rig.app.tellings(1);
  assertEquals(told!.previous, rig.app.sessions[0]!.boot);
});
