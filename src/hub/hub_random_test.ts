/**
 * Many sessions, channels and turns at random, against a ledger of what each session should have seen.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { FakeTransport } from "../../tests/support/fake_transport.ts";
import { HubRig, push } from "../../tests/support/hub_rig.ts";
import { Random } from "../../tests/support/random.ts";
import { nativeCodec } from "../protocol/native.ts";
import type { Session } from "./session.ts";

const CHANNELS = ["a", "b", "c", "d", "e"];
const USERS = ["ann", "bob", null];
const MAX_SESSIONS = 30;
const STEPS = 3000;

/** A browser with an unreliable network, and what it should see. */
class Page {
  readonly channels = new Set<string>();
  /** What was accepted for it, in order. */
  readonly expected: string[] = [];
  readonly seen: string[] = [];
  transport: FakeTransport | null = null;
  #read = 0;

  constructor(readonly session: Session) {}

  /** The network brings up to `count` more frames; those that it has already, it skips. */
  read(count: number): void {
    const { transport } = this;
    if (transport === null) return;
    for (const frame of transport.frames.slice(this.#read, this.#read + count)) {
      this.#read++;
      if (transport.from + this.#read > this.seen.length) this.seen.push(frame);
    }
  }

  /** It says what it has, as with every resume, and gets a new transport. */
  attach(rig: HubRig, options: { oneShot: boolean; capacity: number }): void {
    assert(this.session.acknowledge(this.seen.length));
    this.transport = rig.attach(this.session, options);
    this.#read = 0;
    assert(this.transport.from <= this.seen.length, "a hole in what it is given");
  }

  lose(): void {
    if (this.transport === null) return;
    this.session.detach(this.transport);
    this.transport = null;
  }
}

class World {
  readonly pages: Page[] = [];
  readonly rig: HubRig;
  #n = 0;

  constructor(readonly random: Random, unacknowledgedBytes: number) {
    this.rig = new HubRig({ bounds: { unacknowledgedBytes, unwrittenBytes: 1e9 } });
  }

  open(): void {
    const user = this.random.pick(USERS);
    const page = new Page(this.rig.hub.openSession(nativeCodec, { user }));
    this.pages.push(page);
    page.attach(this.rig, this.#way());
  }

  end(page: Page): void {
    page.session.end(null);
    this.pages.splice(this.pages.indexOf(page), 1);
  }

  publish(): void {
    const { hub } = this.rig;
    const data = this.#n++;
    const except = this.random.chance(0.2) ? this.random.pick(this.pages).session.id : undefined;
    const what = this.random.next();
    let matched: number;
    let label: string | null;
    let readers: Page[];
    if (what < 0.6) {
      label = this.random.pick(CHANNELS);
      matched = this.rig.publish(label, data, except);
      readers = this.pages.filter((page) => page.channels.has(label!));
    } else if (what < 0.8) {
      label = "/all";
      matched = this.rig.publishToAll(data, except);
      readers = this.pages;
    } else if (what < 0.9) {
      const { session } = this.random.pick(this.pages);
      label = null;
      matched = hub.publish({ kind: "session", session: session.id }, `${data}`, except);
      readers = this.pages.filter((page) => page.session === session);
    } else {
      const user = this.random.pick(["ann", "bob"]);
      label = null;
      matched = hub.publish({ kind: "user", user }, `${data}`, except);
      readers = this.pages.filter((page) => page.session.user === user);
    }
    readers = readers.filter((page) => page.session.id !== except);
    assertEquals(matched, readers.length);
    for (const page of readers) page.expected.push(push(label, data));
  }

  command(page: Page): void {
    const channel = this.random.pick(CHANNELS);
    if (this.random.chance(0.5)) {
      assertEquals(this.rig.hub.subscribe(page.session, channel), null);
      page.channels.add(channel);
    } else {
      assertEquals(this.rig.hub.unsubscribe(page.session, channel), page.channels.delete(channel));
    }
    const reply = nativeCodec.ok(this.#n++, "{}");
    this.rig.hub.sendTo(page.session, reply);
    page.expected.push(reply);
  }

  move(page: Page): void {
    const what = this.random.next();
    if (what < 0.3) page.read(1 + this.random.below(5));
    else if (what < 0.5) page.read(1e9);
    else if (what < 0.6) page.transport?.drain(this.random.below(2000));
    else if (what < 0.65) page.session.acknowledge(page.seen.length);
    else if (what < 0.8) page.lose();
    else if (page.seen.length < page.session.outbox.base) this.end(page); // let go: cannot go on
    else page.attach(this.rig, this.#way());
  }

  /** Everybody gets a good network, and reads all. */
  finish(): void {
    this.rig.endTurn();
    for (const page of [...this.pages]) {
      if (page.seen.length < page.session.outbox.base) {
        this.end(page);
        continue;
      }
      page.attach(this.rig, { oneShot: false, capacity: Infinity });
      page.read(1e9);
    }
  }

  #way() {
    return {
      oneShot: this.random.chance(0.3),
      capacity: this.random.chance(0.3) ? 1 + this.random.below(500) : Infinity,
    };
  }
}

for (let seed = 1; seed <= 30; seed++) {
  // Small bounds let frames go, so that some sessions cannot be brought back.
  const unacknowledgedBytes = seed % 3 === 0 ? 2000 : 1e9;
  Deno.test(`Hub shows each session all that was accepted for it, in order, seed ${seed}`, () => {
    const random = new Random(seed);
    const world = new World(random, unacknowledgedBytes);
    for (let step = 0; step < STEPS; step++) {
      const what = random.next();
      if (world.pages.length === 0 || (what < 0.02 && world.pages.length < MAX_SESSIONS)) {
        world.open();
      } else if (what < 0.025) world.end(random.pick(world.pages));
      else if (what < 0.5) world.publish();
      else if (what < 0.65) world.command(random.pick(world.pages));
      else if (what < 0.85) world.move(random.pick(world.pages));
      else if (what < 0.95) world.rig.endTurn();
      else world.rig.retry();
    }
    world.finish();
    assert(world.pages.length > 0);
    for (const page of world.pages) {
      assertEquals(page.seen, page.expected);
      assert(page.session.acknowledge(page.seen.length));
      const { unacknowledgedBytes, unwrittenBytes } = page.session.outbox;
      assertEquals([unacknowledgedBytes, unwrittenBytes], [0, 0]);
    }
    for (const page of [...world.pages]) world.end(page);
    const { sessions, channels, users, wheel } = world.rig.hub;
    assertEquals([sessions.size, channels.size, users.size, wheel.size], [0, 0, 0, 0]);
    assertEquals(world.rig.hub.queued.bytes, 0);
  });
}

Deno.test("Hub has nothing left of 10,000 sessions that came and went", () => {
  const SESSIONS = 10_000;
  const random = new Random(2011);
  const rig = new HubRig();
  const { hub } = rig;
  const sessions = Array.from({ length: SESSIONS }, (_, n) => {
    const channels = [`room-${n % 500}`, `own-${n}`, "news"];
    return rig.open(channels, { user: `user-${n % 3000}`, oneShot: n % 4 === 0 });
  });
  assertEquals([hub.sessions.size, hub.channels.size], [SESSIONS, SESSIONS + 501]);

  const waves = 3;
  for (let wave = 0; wave < waves; wave++) {
    assertEquals(rig.publishToAll(`wave ${wave}`), SESSIONS);
    assertEquals(rig.publish("news", wave), SESSIONS);
    for (let n = 0; n < SESSIONS; n++) {
      const { session, transport } = sessions[n]!;
      if (random.chance(0.3)) rig.publish(`own-${n}`, wave);
      if (random.chance(0.3)) session.detach(transport);
      if (random.chance(0.5)) sessions[n]!.transport = rig.attach(session);
      if (random.chance(0.2)) hub.unsubscribe(session, "news");
      if (random.chance(0.2)) hub.subscribe(session, "news");
      hub.sendTo(session, nativeCodec.ok(wave + 1, "{}"));
      if (random.chance(0.3)) session.acknowledge(session.outbox.handed);
      if (random.chance(0.01)) rig.endTurn();
    }
    for (const { session } of sessions) hub.subscribe(session, "news");
    rig.endTurn();
    rig.retry();
  }

  // A third says goodbye, a third vanishes, a third falls silent with its transport open.
  sessions.forEach(({ session, transport }, n) => {
    if (n % 3 === 0) session.end(null);
    else if (n % 3 === 1) session.detach(transport);
  });
  rig.pass(120_000);

  assertEquals([hub.sessions.size, hub.channels.size, hub.users.size], [0, 0, 0]);
  assertEquals([hub.wheel.size, rig.scheduled, rig.publishToAll(1)], [0, 0, 0]);
  assertEquals(sessions.filter(({ session }) => session.outbox.unwrittenBytes > 0).length, 0);
  assertEquals(hub.counters.sessionsEnded, SESSIONS);
});
