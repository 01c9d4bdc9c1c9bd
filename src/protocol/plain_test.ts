import { assertEquals } from "@std/assert";
import { gapEvent, lastEventId, parseLastEventId, plainCodec, plainCodecOf } from "./plain.ts";

Deno.test("plainCodec writes text as it is and other data as JSON", () => {
  assertEquals(plainCodec.push("", '"hello"'), "data: hello\n\n");
  assertEquals(plainCodec.push("", '"say \\"hi\\""'), 'data: say "hi"\n\n');
  assertEquals(plainCodec.push("", '{"n":1}'), 'data: {"n":1}\n\n');
  assertEquals(plainCodec.push("", '""'), "data: \n\n");
});

Deno.test("plainCodec names the channel where it is asked to", () => {
  assertEquals(plainCodec.push("news", "1"), "event: news\ndata: 1\n\n");
});

Deno.test("plainCodec names no channel for a message to one session", () => {
  assertEquals(plainCodec.push(null, "1"), "data: 1\n\n");
});

for (const [name, end] of [["LF", "\\n"], ["CR", "\\r"], ["CRLF", "\\r\\n"]] as const) {
  Deno.test(`plainCodec keeps a ${name} in the text from ending the event`, () => {
    assertEquals(
      plainCodec.push("", `"a${end}event: x${end}b"`),
      "data: a\ndata: event: x\ndata: b\n\n",
    );
  });
}

Deno.test("plainCodec keeps an empty line in the text", () => {
  assertEquals(plainCodec.push("", '"a\\n\\nb"'), "data: a\ndata: \ndata: b\n\n");
});

Deno.test("plainCodec pings with a comment, which an EventSource ignores", () => {
  assertEquals(plainCodec.ping, ":\n\n");
});

// Where a reader stands

const at = (epoch: string, offset: number) => ({ position: { epoch, offset }, by: null });

Deno.test("plainCodec gives a message the id of where it stands", () => {
  assertEquals(plainCodec.push("", "1", at("b.0", 7)), "id: b.0:7\ndata: 1\n\n");
});

Deno.test("plainCodecOf() gives a message the id of where its reader stands in all its channels", () => {
  const { codec } = plainCodecOf(["a", "none", "b"]);
  assertEquals(codec.push("none", "0"), "event: none\ndata: 0\n\n");
  assertEquals(codec.push("b", "1", at("e.1", 4)), "id: -,-,e.1:4\nevent: b\ndata: 1\n\n");
  assertEquals(codec.push("a", "2", at("e.0", 9)), "id: e.0:9,-,e.1:4\nevent: a\ndata: 2\n\n");
});

Deno.test("parseLastEventId() reads what lastEventId() wrote", () => {
  const channels = ["a", "b,c", "d"];
  const positions = new Map([["a", { epoch: "b.0", offset: 1 }], ["d", {
    epoch: "x-1",
    offset: 0,
  }]]);
  assertEquals(parseLastEventId(lastEventId(channels, positions), channels), positions);
});

for (
  const [what, text] of [
    ["nothing", null],
    ["of other channels", "b.0:1"],
    ["nonsense", "x,y"],
    ["negative", "b.0:-1,-"],
    ["huge", `b.0:${"9".repeat(16)},-`],
    ["a long epoch", `${"b".repeat(41)}:1,-`],
  ] as const
) {
  Deno.test(`parseLastEventId() takes nothing from an id that is ${what}`, () => {
    assertEquals(parseLastEventId(text, ["a", "b"]).size, 0);
  });
}

Deno.test("plainCodec tells of gaps, and has no words for who is there", () => {
  assertEquals(plainCodec.gap("a", 1), 'event: chloe:gap\ndata: {"channel":"a","missed":1}\n\n');
  assertEquals(gapEvent("a"), 'event: chloe:gap\ndata: {"channel":"a"}\n\n');
  assertEquals([plainCodec.presence("a", ""), plainCodec.unsubscribed("a", "revoked")], [
    null,
    null,
  ]);
});
