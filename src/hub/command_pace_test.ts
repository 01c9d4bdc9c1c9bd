import { assertEquals, assertThrows } from "@std/assert";
import { HubRig } from "../../tests/support/hub_rig.ts";
import { CLOSES, ProtocolError } from "../protocol/codes.ts";
import { CommandPace } from "./command_pace.ts";
import { type CommandContext, takeLine } from "./commands.ts";

/** A session that gives commands, 2 a second and 5 at once. */
function deskOf() {
  const rig = new HubRig();
  const context: CommandContext = {
    hub: rig.hub,
    uplink: null,
    tokens: null,
    maxBytes: 1000,
    messageBytes: 500,
    pace: new CommandPace({ perSecond: 2, burst: 5 }),
    draining: false,
  };
  const { session, transport } = rig.open();
  let seen = 0;
  /** What a line is answered: the channel's subscription, or a code. */
  const take = (...lines: unknown[]): unknown[] => {
    for (const line of lines) takeLine(context, session, JSON.stringify(line));
    rig.endTurn();
    const frames = transport.frames.slice(seen);
    seen = transport.frames.length;
    return frames.map((frame) => {
      const { id, error } = JSON.parse(frame);
      return error === undefined ? id : `${id} ${error.code}${error.retry ? ", retry" : ""}`;
    });
  };
  return { rig, context, session, take };
}

const subscribe = (id: number) => ({ id, subscribe: { channel: `c${id}` } });
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

Deno.test("commands beyond the burst are refused, not done, and have used their ids", () => {
  const { rig, session, take } = deskOf();
  assertEquals(take(...numbers(1, 7).map(subscribe)), [
    ...numbers(1, 5),
    "6 too_fast, retry",
    "7 too_fast, retry",
  ]);
  assertEquals([...session.groups.keys()], numbers(1, 5).map((n) => `c${n}`));
  rig.pass(1000);
  assertEquals(take(subscribe(6)), [], "a repeat, which is not looked at");
  assertEquals(take(subscribe(8), subscribe(9), subscribe(10)), [8, 9, "10 too_fast, retry"]);
  const { limitsHit, framesRefused } = rig.hub.counters;
  assertEquals([limitsHit.commandsRefused, limitsHit.framesClosed, framesRefused], [3, 0, 3]);
});

Deno.test("a command that cannot be read counts as one, a pong and a receipt do not", () => {
  const { take } = deskOf();
  const pongs = Array.from({ length: 25 }, () => ({}));
  const receipts = Array.from({ length: 25 }, () => ({ received: 0 }));
  assertEquals(take(...pongs, ...receipts), []);
  assertEquals(take(...numbers(1, 6).map((id) => ({ id, dance: {} }))), [
    ...numbers(1, 5).map((id) => `${id} bad_command`),
    "6 too_fast, retry",
  ]);
});

for (
  const [what, line] of [
    ["pongs", () => ({})],
    ["receipts", () => ({ received: 0 })],
    ["repeats", () => subscribe(1)],
    ["refused commands", subscribe],
  ] as const
) {
  Deno.test(`who sends far too many ${what} is sent away, and may come back`, () => {
    const { rig, context, session } = deskOf();
    const send = (id: number) => takeLine(context, session, JSON.stringify(line(id)));
    // Ten times the rate, and twelve times the burst.
    for (const id of numbers(1, 60)) send(id);
    const error = assertThrows(() => send(61), ProtocolError);
    assertEquals([error.code, error.close], ["too_fast", CLOSES.tooFast]);
    rig.pass(1000);
    for (const id of numbers(61, 80)) send(id);
    assertThrows(() => send(81), ProtocolError);
    assertEquals(rig.hub.counters.limitsHit.framesClosed, 2);
  });
}
