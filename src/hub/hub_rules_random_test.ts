/**
 * Pages on bad lines that subscribe, leave, come back and recover at random, in channels of every rule, against
 * a ledger of what was published and what each page should make of what it is told.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { FakeTransport } from "../../tests/support/fake_transport.ts";
import { HubRig, rulesOf } from "../../tests/support/hub_rig.ts";
import { Random } from "../../tests/support/random.ts";
import type { Member, Position, Presence, Subscribed } from "../protocol/frames.ts";
import { nativeCodec } from "../protocol/native.ts";
import { type CommandContext, takeLine } from "./commands.ts";
import { subscribeAll } from "./admission.ts";
import type { ChannelRule } from "./rules.ts";
import type { Session } from "./session.ts";

const RULES: Readonly<Record<string, Partial<ChannelRule>>> = {
  plain: {},
  long: { history: { size: 60, ttlMs: 1e6 } },
  short: { history: { size: 4, ttlMs: 3000 } },
  room: { history: { size: 30, ttlMs: 30_000 }, presence: { names: 4 } },
  names: { presence: { names: 100 } },
  crowd: { presence: { names: 1 }, slow: "drop_oldest" },
  drops: { history: { size: 30, ttlMs: 1e6 }, slow: "drop_oldest" },
  counter: { slow: "keep_latest" },
  gauge: { slow: "keep_latest", history: { size: 3, ttlMs: 1e6 } },
};
const CHANNELS = Object.keys(RULES);
const PAGES = 8;

/** What a page knows of a channel that it is in. */
interface Stay {
  /** The number in the ledger from which on it should know of all. */
  readonly start: number;
  readonly seen: number[];
  missed: number;
  presence: { count: number; members: Map<string, string> | null } | null;
}

/** A subscribe that was taken, before its answer was read. */
interface Asked {
  readonly channel: string;
  /** Where in the ledger the page stood that it said it came from. */
  readonly since: number | undefined;
  /** Where the ledger ended as it was taken. */
  readonly now: number;
}

class Page {
  session: Session;
  transport: FakeTransport | null = null;
  readonly stays = new Map<string, Stay>();
  readonly positions = new Map<string, Position>();
  readonly asked = new Map<number, Asked | string>();
  #id = 0;
  #read = 0;
  #taken = 0;

  constructor(readonly world: World) {
    this.session = this.#open(null);
  }

  #open(formerId: string | null): Session {
    return this.world.rig.hub.openSession(nativeCodec, { formerId });
  }

  /** Begins anew, as `connect` does: where it was, and from where it stood. */
  renew(): void {
    this.session = this.#open(this.session.id);
    this.#id = this.#read = this.#taken = 0;
    this.asked.clear();
    const channels = [...this.stays.keys()];
    this.stays.clear();
    const asked = Object.fromEntries(
      channels.map((name) => [name, this.positions.get(name) ?? {}]),
    );
    const { context } = this.world;
    const before = channels.map((name) => this.#noteAsked(name, this.positions.get(name)));
    subscribeAll(context, this.session, asked, { resumed: false }, (members) => {
      const answers = JSON.parse(`{${members.join()}}`);
      for (const each of before) this.#begin(each, answers[each.channel]);
    });
    this.attach();
  }

  attach(): void {
    if (!this.session.acknowledge(this.#taken) || this.#taken < this.session.outbox.base) {
      return this.renew();
    }
    this.transport = this.world.rig.attach(this.session, this.world.way());
    this.#read = 0;
    assert(this.transport.from <= this.#taken, "a hole in what it is given");
  }

  lose(): void {
    if (this.transport !== null) this.session.detach(this.transport);
    this.transport = null;
  }

  command(channel: string): void {
    const id = ++this.#id;
    const since = this.world.random.chance(0.7) ? this.positions.get(channel) : undefined;
    if (this.world.random.chance(0.6)) {
      if (!this.session.groups.has(channel)) this.asked.set(id, this.#noteAsked(channel, since));
      const info = this.world.random.below(5);
      this.#take({ id, subscribe: { channel, info, ...(since !== undefined && { since }) } });
    } else {
      if (this.session.groups.has(channel)) this.asked.set(id, channel);
      this.#take({ id, unsubscribe: { channel } });
    }
  }

  #take(line: object): void {
    takeLine(this.world.context, this.session, JSON.stringify(line));
  }

  #noteAsked(channel: string, since: Position | undefined): Asked {
    const { ledger } = this.world;
    return {
      channel,
      since: since === undefined ? undefined : this.world.numberAt(channel, since),
      now: ledger.get(channel)!.length,
    };
  }

  /** The network brings up to `count` more frames. */
  read(count = Infinity): void {
    const { transport } = this;
    if (transport === null) return;
    for (const frame of transport.frames.slice(this.#read, this.#read + count)) {
      this.#read++;
      if (transport.from + this.#read <= this.#taken) continue;
      this.#taken++;
      this.#hear(JSON.parse(frame));
    }
  }

  // deno-lint-ignore no-explicit-any
  #hear({ id, ok, error, channel, data, offset, gap, join, leave, presence }: any): void {
    if (id !== undefined) {
      const asked = this.asked.get(id);
      this.asked.delete(id);
      if (typeof asked === "string") this.stays.delete(asked);
      else if (asked !== undefined) this.#begin(asked, ok ?? { error });
      return;
    }
    const stay = this.stays.get(channel);
    assert(stay !== undefined, `told of ${channel}, which it is not in`);
    if (gap) stay.missed += gap.missed;
    else if (join ?? leave) {
      assert(stay.presence?.members, `names for who knows a number of ${channel} alone`);
      for (const member of join ?? []) stay.presence.members.set(member.session, infoOf(member));
      for (const { session } of leave ?? []) stay.presence.members.delete(session);
      stay.presence.count = stay.presence.members.size;
    } else if (presence) stay.presence = viewOf(presence);
    else this.#see(channel, stay, { n: data, offset });
  }

  #see(
    channel: string,
    stay: Stay,
    { n, offset }: { n: number; offset: number | undefined },
  ): void {
    assert(n >= stay.start && n > (stay.seen.at(-1) ?? -1), `${channel}: twice, or out of order`);
    stay.seen.push(n);
    const position = this.positions.get(channel);
    assertEquals(offset !== undefined, position !== undefined);
    if (position !== undefined) this.positions.set(channel, { ...position, offset: offset! });
  }

  #begin({ channel, since, now }: Asked, answer: Subscribed): void {
    assertEquals(answer.error, undefined);
    assertEquals(answer.recovered !== undefined, since !== undefined);
    if (answer.recovered) this.world.recoveries++;
    const stay: Stay = {
      start: answer.recovered ? since! : now,
      seen: [],
      missed: 0,
      presence: answer.presence === undefined ? null : viewOf(answer.presence),
    };
    this.stays.set(channel, stay);
    const { epoch, offset } = answer;
    assertEquals(epoch !== undefined, RULES[channel]!.history !== undefined);
    if (epoch !== undefined) this.positions.set(channel, { epoch, offset: offset! });
    for (const { data, offset } of answer.messages ?? []) {
      this.#see(channel, stay, { n: data as number, offset });
    }
    if (epoch !== undefined) this.positions.set(channel, { epoch, offset: offset! });
  }

  /** Whether a message with this exception is for its session. */
  isFor(except: string | undefined): boolean {
    return except === undefined || (except !== this.session.id && except !== this.session.formerId);
  }

  check(): void {
    const { hub } = this.world.rig;
    assertEquals([...this.stays.keys()].sort(), [...this.session.groups.keys()].sort());
    for (const [channel, { start, seen, missed, presence }] of this.stays) {
      const ledger = this.world.ledger.get(channel)!.slice(start);
      const all = ledger.filter(({ except }) => this.isFor(except)).map(({ n }) => n);
      if ((RULES[channel]!.slow ?? "close") === "close") assertEquals([seen, missed], [all, 0]);
      else {
        assertEquals(seen.length + missed, all.length, `${channel}: miscounted`);
        assert(seen.every((n) => all.includes(n)));
        if (RULES[channel]!.slow === "keep_latest") assertEquals(seen.at(-1), all.at(-1));
      }
      const position = this.positions.get(channel);
      if (position !== undefined) assertEquals(position.epoch, hub.positionOf(channel)?.epoch);
      const really = hub.presenceOf(channel);
      assertEquals(presence?.count, really?.count);
      if (presence?.members && really?.members) {
        assertEquals(
          [...presence.members].sort(),
          really.members.map(({ session, info }) => [session, info ?? ""]).sort(),
        );
      }
    }
  }
}

function infoOf({ info }: Member): string {
  return info === undefined ? "" : JSON.stringify(info);
}

function viewOf({ count, members }: Presence): NonNullable<Stay["presence"]> {
  const byName = members?.map((member) => [member.session, infoOf(member)] as const);
  return { count, members: byName === undefined ? null : new Map(byName) };
}

class World {
  readonly rig: HubRig;
  readonly context: CommandContext;
  readonly ledger = new Map(
    CHANNELS.map((name) => [name, [] as { n: number; except: string | undefined }[]]),
  );
  readonly pages: Page[] = [];
  recoveries = 0;
  /** From now on all lines are good. */
  isOver = false;
  /** The number in the ledger of what follows a position. */
  readonly #numbers = new Map<string, number>();

  constructor(readonly random: Random) {
    const isTight = random.chance(0.5);
    this.rig = new HubRig({
      bounds: {
        unwrittenBytes: isTight ? 1500 : 20_000,
        unacknowledgedBytes: isTight ? 3000 : 1e9,
        graceMs: 5000,
        pingMs: 1e9,
      },
      // Five channels, for which there is less room than they could take.
      historyBytes: random.chance(0.5) ? 28_000 : 1e9,
      rules: rulesOf((name) => RULES[name] ?? {}),
    });
    this.context = {
      hub: this.rig.hub,
      uplink: null,
      tokens: null,
      maxBytes: 65_536,
      messageBytes: 65_536,
      draining: false,
    };
    for (let n = 0; n < PAGES; n++) this.pages.push(new Page(this));
  }

  way() {
    if (this.isOver) return {};
    return {
      oneShot: this.random.chance(0.3),
      capacity: this.random.chance(0.4) ? 1 + this.random.below(500) : Infinity,
    };
  }

  numberAt(channel: string, { epoch, offset }: Position): number {
    const key = `${channel} ${epoch} `;
    return this.#numbers.get(key + offset) ?? 0;
  }

  /** Notes which number in the ledger comes next. */
  noteNumbers(): void {
    for (const channel of CHANNELS) {
      const position = this.rig.hub.positionOf(channel) ??
        this.rig.hub.histories.get(channel)?.position;
      if (position === undefined || position === null) continue;
      const key = `${channel} ${position.epoch} ${position.offset}`;
      if (!this.#numbers.has(key)) this.#numbers.set(key, this.ledger.get(channel)!.length);
    }
  }

  publish(): void {
    const channel = this.random.pick(CHANNELS);
    const ledger = this.ledger.get(channel)!;
    const n = ledger.length;
    const { session } = this.random.pick(this.pages);
    const except = this.random.chance(0.15) ? session.id : undefined;
    // Whoever goes by the session's former id means it as well.
    const named = except !== undefined && this.random.chance(0.3)
      ? session.formerId ?? except
      : except;
    const isNamed = named === except || !session.released;
    ledger.push({ n, except: isNamed ? except : named! });
    this.rig.publish(channel, n, named);
  }
}

for (let seed = 1; seed <= 30; seed++) {
  Deno.test(`Pages know all that was published and who is there, or that they do not, seed ${seed}`, () => {
    const random = new Random(seed);
    const world = new World(random);
    const { rig, pages } = world;
    for (let step = 0; step < 3000; step++) {
      const page = random.pick(pages);
      const what = random.next();
      if (page.session.released) page.renew();
      else if (what < 0.4) world.publish();
      else if (what < 0.6) page.command(random.pick(CHANNELS));
      else if (what < 0.7) page.read(1 + random.below(20));
      else if (what < 0.74) page.transport?.drain(random.below(2000));
      else if (what < 0.78) page.lose();
      else if (what < 0.83) page.attach();
      else if (what < 0.84) page.session.end(null);
      else if (what < 0.95) rig.endTurn();
      else if (what < 0.99) rig.retry();
      else rig.pass(1000 * random.below(4));
      world.noteNumbers();
    }
    world.isOver = true;
    rig.endTurn();
    for (let round = 0; round < 3; round++) {
      for (const page of pages) {
        if (page.session.released) page.renew();
        else page.attach();
      }
      rig.retry();
      rig.endTurn();
      rig.pass(10_000); // who does not come back is gone, and every number told
      for (const page of pages) page.read();
    }
    for (const page of pages) page.check();
    assert(world.recoveries > 3);

    rig.hub.endAll();
    rig.pass(1);
    rig.retry();
    rig.pass(1e6 + 64_000);
    const { sessions, channels, wheel, histories } = rig.hub;
    assertEquals([sessions.size, channels.size, wheel.size, rig.scheduled], [0, 0, 0, 0]);
    assertEquals(rig.hub.queued.bytes, 0);
    const overhead = [...histories.names()].map((name) => 1400 + 2 * name.length);
    assertEquals(histories.bytes, overhead.reduce((sum, bytes) => sum + bytes, 0));
  });
}
