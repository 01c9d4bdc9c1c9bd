import { assertEquals } from "@std/assert";
import { ALL_CHANNEL, channelName } from "./channel_name.ts";

const NAMES: readonly (readonly [text: unknown, name: string | null])[] = [
  ["pumpkin", "pumpkin"],
  ["/pumpkin", "pumpkin"],
  ["//pumpkin", "/pumpkin"],
  ["room:7/chat", "room:7/chat"],
  ["two words", "two words"],
  ["Kürbis 🎃", "Kürbis 🎃"],
  ["all", "all"],
  ["/all", ALL_CHANNEL],
  ["//all", ALL_CHANNEL],
  ["__proto__", "__proto__"],
  ["0", "0"],
  ["x".repeat(200), "x".repeat(200)],
  ["/" + "x".repeat(200), "x".repeat(200)],
  ["x".repeat(201), null],
  ["", null],
  ["/", null],
  [" pumpkin", null],
  ["pumpkin ", null],
  ["/ pumpkin", null],
  ["pumpkin\u00a0", null],
  ["\ufeffpumpkin", null],
  ["pump\nkin", null],
  ["pump\tkin", null],
  ["pump\u0000kin", null],
  ["pump\u007fkin", null],
  ["pump\u0085kin", null],
  ["pump\u2028kin", null],
  ["pump\u2029kin", null],
  [undefined, null],
  [null, null],
  [7, null],
  [["pumpkin"], null],
  [{}, null],
];

for (const [text, name] of NAMES) {
  const shown = JSON.stringify(text)?.slice(0, 40);
  Deno.test(`channelName() reads ${shown} as ${JSON.stringify(name)?.slice(0, 40)}`, () => {
    assertEquals(channelName(text), name);
  });
}
