import { assertEquals } from "@std/assert";
import { legacyCodec, legacyConnected, legacyData, parseLegacyMessage } from "./legacy.ts";

const QUERIES: readonly (readonly [raw: string, data: string | null])[] = [
  ["data=hello", "hello"],
  ["data=a+b", "a+b"],
  ["data=%E9", "é"],
  ["data=%u20AC", "€"],
  ["data=%u20ac%e9", "€é"],
  ["data=%uD83C%uDF83", "🎃"],
  ["data=%7B%22a%22%3A1%7D", '{"a":1}'],
  ["data=%7B%7Dts=1700000000000", "{}"],
  ["data=hellots=17", "hello"],
  ["data=hellots=", "hellots="],
  ["data=hellots=1x", "hellots=1x"],
  ["data=ts=1ts=2", "ts=1"],
  ["data=a%26b&x=1", "a&b"],
  ["data=a&b", "a"],
  ["x=1&data=a", "a"],
  ["x=1&data=%7B%7Dts=17&y=2", "{}"],
  ["xdata=a&data=b", "b"],
  ["data=", ""],
  ["data=%", "%"],
  ["data=%4", "%4"],
  ["data=%zz", "%zz"],
  ["data=%u12", "%u12"],
  ["data=%25u20AC", "%u20AC"],
  ["xdata=a", null],
  ["", null],
];

for (const [raw, data] of QUERIES) {
  Deno.test(`legacyData() takes ${JSON.stringify(data)} out of ${raw || "nothing"}`, () => {
    assertEquals(legacyData(raw), data);
  });
}

Deno.test("legacyData() undoes what escape() does to any character", () => {
  let text = "";
  for (let code = 1; code < 0x3000; code += 7) text += String.fromCharCode(code);
  assertEquals(legacyData(`data=${escape(text)}ts=1700000000000`), text);
});

const whole = { type: "message", version: 1 };

Deno.test("parseLegacyMessage() gives all six members, null where the client left one out", () => {
  assertEquals(parseLegacyMessage('{"type":"poll","version":1}'), {
    type: "poll",
    channel: null,
    data: null,
    version: 1,
    id: null,
    sessionId: null,
  });
  assertEquals(
    parseLegacyMessage(
      '{"type":"channel-subscribe","channel":"/x","data":"d","version":1,"id":17,"sessionId":"s"}',
    ),
    { type: "channel-subscribe", channel: "/x", data: "d", version: 1, id: 17, sessionId: "s" },
  );
});

const BAD_MESSAGES: readonly (readonly [text: string, member: string])[] = [
  ["", "data"],
  ["{", "data"],
  ["null", "data"],
  ["[]", "data"],
  ['"x"', "data"],
  [JSON.stringify({ type: "message" }), "version"],
  [JSON.stringify({ type: "message", version: "1" }), "version"],
  [JSON.stringify({ type: "message", version: 2 }), "version"],
  [JSON.stringify({ version: 1 }), "type"],
  [JSON.stringify({ ...whole, type: "shout" }), "type"],
  [JSON.stringify({ ...whole, type: ["poll"] }), "type"],
  [JSON.stringify({ ...whole, channel: 7 }), "channel"],
  [JSON.stringify({ ...whole, sessionId: {} }), "sessionId"],
  [JSON.stringify({ ...whole, id: "17" }), "id"],
  [JSON.stringify({ ...whole, id: "];alert(1)" }), "id"],
  [JSON.stringify({ ...whole, id: [1] }), "id"],
  ['{"type":"poll","version":1,"id":1e999}', "id"],
];

for (const [text, member] of BAD_MESSAGES) {
  Deno.test(`parseLegacyMessage() finds fault with ${member} in ${text || "nothing"}`, () => {
    const message = parseLegacyMessage(text);
    assertEquals(typeof message === "string" && message.split(":")[0], member);
  });
}

Deno.test("legacyCodec writes all six members, and text as it is", () => {
  assertEquals(JSON.parse(legacyCodec.push("/pumpkin", '"Trotter"')), {
    type: "message",
    channel: "/pumpkin",
    data: "Trotter",
    version: 1,
    id: null,
    sessionId: null,
  });
});

for (const data of ['{"n":1}', "[1,2]", "7", "null", "false"]) {
  Deno.test(`legacyCodec hands ${data} over as text, for its client knows nothing else`, () => {
    assertEquals(JSON.parse(legacyCodec.push("x", data)).data, data);
  });
}

Deno.test("legacyConnected() echoes the page's id and names the session", () => {
  assertEquals(JSON.parse(legacyConnected(17, "s.m")), {
    type: "connect",
    channel: null,
    data: null,
    version: 1,
    id: 17,
    sessionId: "s.m",
  });
});
