import { assert, assertEquals, assertThrows } from "@std/assert";
import type { FakeTransport } from "../../tests/support/fake_transport.ts";
import { HubRig, type RigOptions, rulesOf } from "../../tests/support/hub_rig.ts";
import { ProtocolError } from "../protocol/codes.ts";
import {
  type CommandContext,
  type Outcome,
  type Permission,
  takeLine,
  type Uplink,
  utf8LengthExceeds,
} from "./commands.ts";
import type { Session } from "./session.ts";

/** An app whose answers are the test's. */
class FakeUplink implements Uplink {
  readonly taken: { session: string; data: string; done: (outcome: Outcome) => void }[] = [];

  message(source: Session, data: string, done: (outcome: Outcome) => void): void {
    this.taken.push({ session: source.id, data, done });
  }

  readonly asked: { channel: string; info?: string; done: (permission: Permission) => void }[] = [];

  subscribe(
    _source: Session,
    asked: { readonly channel: string; readonly info?: string },
    done: (permission: Permission) => void,
  ): void {
    this.asked.push({ ...asked, done });
  }
}

/** One session that gives commands. */
class Desk {
  readonly rig: HubRig;
  readonly uplink = new FakeUplink();
  readonly context: CommandContext;
  readonly session: Session;
  readonly transport: FakeTransport;
  #seen = 0;

  constructor(
    { maxBytes = 1000, messageBytes = 500, app = true, ...options }:
      & RigOptions
      & { maxBytes?: number; messageBytes?: number; app?: boolean } = {},
  ) {
    this.rig = new HubRig(options);
    this.context = {
      hub: this.rig.hub,
      uplink: app ? this.uplink : null,
      tokens: null,
      maxBytes,
      messageBytes,
      draining: false,
    };
    ({ session: this.session, transport: this.transport } = this.rig.open());
  }

  /** Takes lines in one turn. @returns What the session is answered. */
  // deno-lint-ignore no-explicit-any
  take(...lines: string[]): any[] {
    for (const line of lines) takeLine(this.context, this.session, line);
    return this.answers();
  }

  /** What came since the last call. */
  // deno-lint-ignore no-explicit-any
  answers(): any[] {
    this.rig.endTurn();
    const frames = this.transport.frames.slice(this.#seen);
    this.#seen = this.transport.frames.length;
    return frames.map((frame) => JSON.parse(frame));
  }

  /** The codes of the answers by their ids, `ok` where it was done. */
  codes(...lines: string[]): [id: number | undefined, code: string][] {
    return this.take(...lines).map(({ id, ok, error }) => [id, ok ? "ok" : error.code]);
  }
}

const send = (id: number, data: unknown = "x") => JSON.stringify({ id, send: { data } });
const subscribe = (id: number, channel: string) => JSON.stringify({ id, subscribe: { channel } });

Deno.test("takeLine() subscribes and unsubscribes, and says so", () => {
  const desk = new Desk();
  assertEquals(desk.take(subscribe(1, "/news")), [{ id: 1, ok: {} }]);
  assertEquals(desk.rig.publish("news", 1), 1);
  assertEquals(desk.answers(), [{ channel: "news", data: 1 }]);
  assertEquals(desk.take('{"id":2,"unsubscribe":{"channel":"news"}}'), [{ id: 2, ok: {} }]);
  assertEquals(desk.rig.publish("news", 1), 0);
});

Deno.test("takeLine() says that nothing was recovered where a position was given", () => {
  const line = '{"id":1,"subscribe":{"channel":"news","since":{"epoch":"a1","offset":7}}}';
  assertEquals(new Desk().take(line), [{ id: 1, ok: { recovered: false } }]);
});

for (
  const [what, channel, code] of [
    ["the channel of all", "/all", "bad_channel"],
    ["no name", " ", "bad_channel"],
    ["a closed channel", "secret", "forbidden"],
  ] as const
) {
  Deno.test(`takeLine() refuses to subscribe to ${what}`, () => {
    const desk = new Desk({
      rules: rulesOf((name) => name === "secret" ? { authorize: "closed" } : {}),
    });
    assertEquals(desk.codes(subscribe(1, channel)), [[1, code]]);
    assertEquals(desk.rig.hub.counters.framesRefused, 1);
  });
}

Deno.test("takeLine() refuses to unsubscribe from what was not subscribed", () => {
  const lines = ["news", "/all", ""].map((channel, i) =>
    JSON.stringify({ id: i + 1, unsubscribe: { channel } })
  );
  assertEquals(new Desk().codes(...lines), [
    [1, "not_subscribed"],
    [2, "not_subscribed"],
    [3, "bad_channel"],
  ]);
});

Deno.test("takeLine() publishes where the channel's rule lets clients, behind earlier frames", () => {
  const desk = new Desk({ rules: rulesOf((name) => ({ clientsPublish: name !== "news" })) });
  const publish = (id: number, channel: string, data: unknown) =>
    JSON.stringify({ id, publish: { channel, data } });
  assertEquals(
    desk.take(
      subscribe(1, "chat"),
      publish(2, "chat", { a: [1] }),
      publish(3, "news", 1),
      publish(4, "/all", "hi"),
      publish(5, " ", 1),
    ).map((frame) => frame.error?.code ?? frame),
    [
      { id: 1, ok: {} },
      { channel: "chat", data: { a: [1] } },
      { id: 2, ok: {} },
      "forbidden",
      // Everyone is the app's to speak to.
      "bad_channel",
      "bad_channel",
    ],
  );
});

Deno.test("takeLine() hands data to the app, and its answer back", () => {
  const desk = new Desk();
  assertEquals(desk.take(send(1, { a: 1 }), send(2), send(3)), []);
  assertEquals(desk.uplink.taken.map(({ data }) => data), ['{"a":1}', '"x"', '"x"']);
  const [first, second, third] = desk.uplink.taken;
  first!.done({ ok: true });
  second!.done({ ok: true, data: '{"b":2}' });
  third!.done({ ok: false, code: "app_unreachable" });
  const answers = desk.answers();
  assertEquals(answers.slice(0, 2), [{ id: 1, ok: {} }, { id: 2, ok: { data: { b: 2 } } }]);
  assertEquals([answers[2].id, answers[2].error.code, answers[2].error.retry], [
    3,
    "app_unreachable",
    true,
  ]);
});

Deno.test("takeLine() answers nothing to a session that is over when the app answers", () => {
  const desk = new Desk();
  desk.take(send(1));
  desk.session.end(null);
  desk.uplink.taken[0]!.done({ ok: true });
  assertEquals(desk.answers(), []);
});

Deno.test("takeLine() answers a command without an id only where it fails", () => {
  const desk = new Desk();
  const answers = desk.take('{"subscribe":{"channel":"news"}}', '{"subscribe":{"channel":""}}');
  assertEquals(answers.length, 1);
  assertEquals([answers[0].id, answers[0].error.code], [undefined, "bad_channel"]);
  assertEquals(desk.rig.publish("news", 1), 1);
});

Deno.test("takeLine() says that there is no app, or that it takes no more", () => {
  assertEquals(new Desk({ app: false }).codes(send(1)), [[1, "no_app"]]);
  const desk = new Desk();
  desk.context.draining = true;
  assertEquals(desk.codes(send(1)), [[1, "shutting_down"]]);
});

// Ids

Deno.test("takeLine() does a command once, however often it comes", () => {
  const desk = new Desk();
  desk.take(send(1), send(2), send(1), send(2), send(3));
  assertEquals(desk.uplink.taken.length, 3);
  assertEquals(desk.session.lastId, 3);
});

Deno.test("takeLine() refuses an id that leaves a gap, and takes the right one after it", () => {
  const desk = new Desk();
  assertEquals(desk.codes(send(2), send(7)), [[2, "out_of_order"], [7, "out_of_order"]]);
  assertEquals(desk.uplink.taken.length, 0);
  desk.take(send(1));
  assertEquals([desk.uplink.taken.length, desk.session.lastId], [1, 1]);
});

Deno.test("takeLine() counts a command that it cannot read, and answers it once", () => {
  const desk = new Desk();
  const bad = '{"id":1,"fly":{}}';
  assertEquals(desk.codes(bad, bad), [[1, "bad_command"]]);
  desk.take(send(2));
  assertEquals(desk.uplink.taken.length, 1);
});

Deno.test("takeLine() answers a command that it cannot read in its turn, not before", () => {
  const desk = new Desk();
  assertEquals(desk.codes('{"id":2,"fly":{}}'), [[2, "out_of_order"]]);
  assertEquals(desk.session.lastId, 0);
});

Deno.test("takeLine() counts a command that is refused", () => {
  const desk = new Desk();
  assertEquals(desk.codes(subscribe(1, ""), subscribe(2, "news")), [[1, "bad_channel"], [2, "ok"]]);
});

// Bounds

Deno.test("takeLine() refuses a line that is too long, and goes on", () => {
  const desk = new Desk({ maxBytes: 100 });
  const long = `{"id":1,"send":{"data":1},"padding":"${"x".repeat(100)}"}`;
  assertEquals(desk.codes(long, subscribe(2, "x")), [[1, "too_large"], [2, "ok"]]);
  assertEquals(desk.uplink.taken.length, 0);
});

Deno.test("takeLine() refuses data that is too long", () => {
  const desk = new Desk({ maxBytes: 1000, messageBytes: 12 });
  const lines = [send(1, "x".repeat(10)), send(2, "x".repeat(11)), send(3, "€€€€")];
  assertEquals(desk.codes(...lines), [[2, "too_large"], [3, "too_large"]]);
  const publish = JSON.stringify({ id: 4, publish: { channel: "c", data: "x".repeat(11) } });
  assertEquals(desk.codes(publish), [[4, "too_large"]]);
});

Deno.test("takeLine() survives data that is nested as deep as a line allows", () => {
  const desk = new Desk({ maxBytes: 65_536, messageBytes: 65_536 });
  const data = "[".repeat(32_000) + "]".repeat(32_000);
  const answers = desk.take(`{"id":1,"send":{"data":${data}}}`);
  if (answers.length === 0) assertEquals(desk.uplink.taken[0]!.data, data);
  else assertEquals(answers[0].error.code, "too_large");
  const publish = desk.take(
    `{"id":2,"publish":{"channel":"x","data":${data}}}`,
    subscribe(3, "x"),
  );
  assertEquals(publish.at(-1), { id: 3, ok: {} });
});

for (
  const [text, bytes, exceeds] of [
    ["", 0, false],
    ["a", 0, true],
    ["abc", 3, false],
    ["abcd", 3, true],
    ["€", 3, false],
    ["€", 2, true],
    ["€€", 5, true],
    ["🎃", 4, false],
    ["🎃", 3, true],
    ["aé", 3, false],
    ["éé", 3, true],
  ] as const
) {
  Deno.test(`utf8LengthExceeds() says ${exceeds} of ${JSON.stringify(text)} and ${bytes}`, () => {
    assertEquals(utf8LengthExceeds(text, bytes), exceeds);
  });
}

// What is no command

Deno.test("takeLine() takes an acknowledgement and a pong without a word", () => {
  const desk = new Desk();
  desk.take(subscribe(1, "x"));
  assertEquals(desk.take("{}", '{"received":1}'), []);
  assertEquals(desk.session.outbox.unacknowledgedBytes, 0);
});

Deno.test("takeLine() ends a connection that received more than was sent", () => {
  const desk = new Desk();
  const error = assertThrows(() => desk.take('{"received":1}'), ProtocolError);
  assertEquals([error.code, error.close.code], ["bad_frame", 3503]);
});

Deno.test("takeLine() refuses a second connect and a resume, and goes on", () => {
  const desk = new Desk();
  assertEquals(desk.codes('{"connect":{}}', '{"resume":"x"}', "nonsense", subscribe(1, "x")), [
    [undefined, "already_connected"],
    [undefined, "already_connected"],
    [undefined, "bad_frame"],
    [1, "ok"],
  ]);
});

Deno.test("takeLine() says that no channel keeps presence", () => {
  const line = '{"id":1,"presence":{"channel":"x"}}';
  assertEquals(new Desk().codes(line), [[1, "unsupported"]]);
});

Deno.test("takeLine() keeps every reply in the order of its commands", () => {
  const desk = new Desk();
  const lines = Array.from({ length: 100 }, (_, i) => subscribe(i + 1, `channel-${i % 7}`));
  assertEquals(desk.take(...lines).map(({ id }) => id), lines.map((_, i) => i + 1));
  assert(desk.transport.writes.length === 1);
});
