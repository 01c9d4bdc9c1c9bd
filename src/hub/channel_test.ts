import { assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { HubRig } from "../../tests/support/hub_rig.ts";
import { legacyCodec } from "../protocol/legacy.ts";
import { Channel } from "./channel.ts";
import { OPEN_RULE } from "./rules.ts";

Deno.test("Channel keeps together who shares a protocol and a spelling, and forgets who left", () => {
  const { hub } = new HubRig();
  const channel = new Channel("pumpkin", { rule: OPEN_RULE, history: null, presence: null });
  const sessions = Array.from({ length: 3 }, () => hub.openSession(legacyCodec));
  const [first, second, third] = sessions.map((session, n) =>
    channel.join(session, n === 2 ? "pumpkin" : "/pumpkin")
  );
  assertStrictEquals(first, second);
  assertNotEquals(first, third);
  assertEquals([channel.groups.length, channel.size], [2, 3]);
  channel.leave(sessions[2]!, third!);
  channel.leave(sessions[2]!, third!);
  assertEquals([channel.groups.length, channel.size], [1, 2]);
  channel.leave(sessions[0]!, first!);
  channel.leave(sessions[1]!, first!);
  assertEquals([channel.groups.length, channel.size], [0, 0]);
});
