import { assertEquals } from "@std/assert";
import { type DemoLine, demoLine, formatMs, journeyOf } from "./journey.ts";

const LINE: DemoLine = {
  id: "1",
  text: "hello",
  session: "s1",
  sent: 1000.5,
  relayed: 1002,
  received: 1004.25,
  posted: 1004.5,
};

function times(line: DemoLine, arrived: number): number[] {
  return journeyOf(line, arrived, "poll").legs.map(({ ms }) => ms);
}

Deno.test("journeyOf() gives each leg its time and its name", () => {
  assertEquals(journeyOf(LINE, 1006, "websocket"), {
    legs: [
      { name: "WebSocket", ms: 1.5 },
      { name: "signed POST", ms: 2.25 },
      { name: "in the app", ms: 0.25 },
      { name: "POST, WebSocket", ms: 1.5 },
    ],
    totalMs: 5.5,
    isEstimate: false,
  });
});

Deno.test("journeyOf() never shows a time below nothing where whole milliseconds round it", () => {
  assertEquals(times({ ...LINE, relayed: 1000 }, 1006)[0], 0);
});

Deno.test("journeyOf() halves the network's share where the clocks differ", () => {
  const ahead = { ...LINE, relayed: 61_002, received: 61_004, posted: 61_005 };
  const { legs, isEstimate, totalMs } = journeyOf(ahead, 1012.5, "poll");
  assertEquals([isEstimate, totalMs], [true, 12]);
  assertEquals(legs.map(({ ms }) => ms), [4.5, 2, 1, 4.5]);
  const behind = { ...LINE, relayed: 2, received: 4, posted: 5 };
  assertEquals(times(behind, 1012.5), [4.5, 2, 1, 4.5]);
});

Deno.test("demoLine() takes the demo app's lines and nothing else", () => {
  assertEquals(demoLine({ demo: LINE }), LINE);
  for (const data of [null, "hello", 7, [], {}, { demo: null }, { demo: { ...LINE, sent: "1" } }]) {
    assertEquals(demoLine(data), null);
  }
});

Deno.test("formatMs() keeps the digits that mean something", () => {
  const texts = [0, 0.04, 0.12, 3.14, 99.7, 1234, 12_340].map(formatMs);
  assertEquals(texts, [
    "under 0.1 ms",
    "under 0.1 ms",
    "0.1 ms",
    "3.1 ms",
    "100 ms",
    "1234 ms",
    "12.3 s",
  ]);
});
