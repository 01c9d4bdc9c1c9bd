import { assertEquals } from "@std/assert";
import { CLOSES, errorBody } from "./codes.ts";
import { infoText, MAX_INFO_BYTES, nativeCodec, type ParsedFrame, parseFrame } from "./native.ts";

const GOOD: readonly (readonly [line: string, frame: ParsedFrame])[] = [
  ["{}", { kind: "received", received: null }],
  ['{"received":0}', { kind: "received", received: 0 }],
  ['{"received":118}', { kind: "received", received: 118 }],
  ['{"connect":{}}', { kind: "connect", connect: {} }],
  [
    '{"connect":{"token":"t","client":"c/1","subscribe":{"x":{},"y":{"epoch":"a1","offset":41}}}}',
    {
      kind: "connect",
      connect: { token: "t", client: "c/1", subscribe: { x: {}, y: { epoch: "a1", offset: 41 } } },
    },
  ],
  [
    '{"connect":{"resume":"s.m","received":7}}',
    { kind: "connect", connect: { resume: "s.m", received: 7 } },
  ],
  ['{"resume":"s.m","received":118}', { kind: "resume", resume: "s.m", received: 118 }],
  ['{"resume":"s.m"}', { kind: "resume", resume: "s.m", received: 0 }],
  [
    '{"id":1,"subscribe":{"channel":"x"}}',
    { kind: "command", id: 1, command: { subscribe: { channel: "x" } } },
  ],
  [
    '{"id":1,"subscribe":{"channel":"x","since":{"epoch":"a1","offset":0}}}',
    {
      kind: "command",
      id: 1,
      command: { subscribe: { channel: "x", since: { epoch: "a1", offset: 0 } } },
    },
  ],
  [
    '{"unsubscribe":{"channel":"x"}}',
    { kind: "command", id: null, command: { unsubscribe: { channel: "x" } } },
  ],
  ['{"id":3,"send":{"data":null}}', { kind: "command", id: 3, command: { send: { data: null } } }],
  [
    '{"id":4,"publish":{"channel":"x","data":[1,{"a":false}]}}',
    { kind: "command", id: 4, command: { publish: { channel: "x", data: [1, { a: false }] } } },
  ],
  [
    '{"id":5,"presence":{"channel":"x"}}',
    { kind: "command", id: 5, command: { presence: { channel: "x" } } },
  ],
  [
    '{"id":6,"refresh":{"token":"t"}}',
    { kind: "command", id: 6, command: { refresh: { token: "t" } } },
  ],
  [
    '{"id":7,"subscribe":{"channel":"x","token":"t","info":null}}',
    { kind: "command", id: 7, command: { subscribe: { channel: "x", token: "t", info: null } } },
  ],
  [
    '{"connect":{"subscribe":{"x":{"token":"t","info":[1]}}}}',
    { kind: "connect", connect: { subscribe: { x: { token: "t", info: [1] } } } },
  ],
];

for (const [line, frame] of GOOD) {
  Deno.test(`parseFrame() reads ${line}`, () => assertEquals(parseFrame(line), frame));
}

Deno.test("parseFrame() ignores members that it does not know", () => {
  const line = '{"id":1,"future":true,"send":{"data":1,"urgent":true},"trace":"t"}';
  const frame = parseFrame(line);
  assertEquals(frame.kind === "command" && frame.id, 1);
});

Deno.test("parseFrame() takes a frame that came with a carriage return", () => {
  assertEquals(parseFrame('{"received":1}\r'), { kind: "received", received: 1 });
});

const BAD: readonly (readonly [line: string, id: number | null, code: string])[] = [
  ["", null, "bad_frame"],
  [" ", null, "bad_frame"],
  ["nonsense", null, "bad_frame"],
  ['{"id":1', null, "bad_frame"],
  ['{"id":1}}', null, "bad_frame"],
  ["null", null, "bad_frame"],
  ["true", null, "bad_frame"],
  ["7", null, "bad_frame"],
  ['"connect"', null, "bad_frame"],
  ['[{"connect":{}}]', null, "bad_frame"],
  ["[".repeat(60_000), null, "bad_frame"],
  ['{"connect":null}', null, "bad_command"],
  ['{"connect":[]}', null, "bad_command"],
  ['{"connect":"x"}', null, "bad_command"],
  ['{"connect":{"token":7}}', null, "bad_command"],
  ['{"connect":{"client":{}}}', null, "bad_command"],
  ['{"connect":{"resume":null}}', null, "bad_command"],
  ['{"connect":{"received":-1}}', null, "bad_command"],
  ['{"connect":{"received":1.5}}', null, "bad_command"],
  ['{"connect":{"received":"1"}}', null, "bad_command"],
  ['{"connect":{"subscribe":["x"]}}', null, "bad_command"],
  ['{"connect":{"subscribe":{"x":true}}}', null, "bad_command"],
  ['{"connect":{"subscribe":{"x":{"epoch":"a1"}}}}', null, "bad_command"],
  ['{"connect":{"subscribe":{"x":{"epoch":1,"offset":1}}}}', null, "bad_command"],
  ['{"resume":"s.m","received":-1}', null, "bad_command"],
  ['{"resume":"s.m","received":"7"}', null, "bad_command"],
  ['{"resume":7}', null, "bad_command"],
  ['{"received":-1}', null, "bad_command"],
  ['{"received":1e999}', null, "bad_command"],
  ['{"received":9007199254740993}', null, "bad_command"],
  ['{"received":null}', null, "bad_command"],
  ['{"id":0,"send":{"data":1}}', null, "bad_command"],
  ['{"id":-1,"send":{"data":1}}', null, "bad_command"],
  ['{"id":1.5,"send":{"data":1}}', null, "bad_command"],
  ['{"id":"1","send":{"data":1}}', null, "bad_command"],
  ['{"id":{},"send":{"data":1}}', null, "bad_command"],
  ['{"id":1}', 1, "bad_command"],
  ['{"id":1,"fly":{}}', 1, "bad_command"],
  ['{"toString":{}}', null, "bad_command"],
  ['{"__proto__":{"send":{"data":1}}}', null, "bad_command"],
  ['{"id":1,"subscribe":null}', 1, "bad_command"],
  ['{"id":1,"subscribe":"x"}', 1, "bad_command"],
  ['{"id":1,"subscribe":["x"]}', 1, "bad_command"],
  ['{"id":1,"subscribe":{}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":7}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":7}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":{"epoch":"a"}}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":null}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":{"epoch":"a","offset":-1}}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":{"epoch":"a","offset":0.5}}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":{"epoch":"a","offset":"7"}}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","since":{"epoch":null,"offset":7}}}', 1, "bad_command"],
  ['{"id":1,"subscribe":{"channel":"x","token":null}}', 1, "bad_command"],
  ['{"id":1,"refresh":{}}', 1, "bad_command"],
  ['{"id":1,"refresh":{"token":7}}', 1, "bad_command"],
  ['{"id":1,"refresh":"t"}', 1, "bad_command"],
  ['{"connect":{"subscribe":{"x":{"epoch":"a","offset":-1}}}}', null, "bad_command"],
  ['{"connect":{"subscribe":{"x":{"token":7}}}}', null, "bad_command"],
  ['{"id":1,"unsubscribe":{"channel":null}}', 1, "bad_command"],
  ['{"id":1,"send":{}}', 1, "bad_command"],
  ['{"id":1,"send":"hello"}', 1, "bad_command"],
  ['{"id":1,"publish":{"channel":"x"}}', 1, "bad_command"],
  ['{"id":1,"publish":{"data":1}}', 1, "bad_command"],
  ['{"id":1,"presence":{}}', 1, "bad_command"],
];

for (const [line, id, code] of BAD) {
  Deno.test(`parseFrame() answers ${line.slice(0, 60)} with ${code}`, () => {
    const frame = parseFrame(line);
    assertEquals(frame.kind, "bad");
    if (frame.kind !== "bad") return;
    assertEquals([frame.id, frame.error.code], [id, code]);
    assertEquals(frame.error.message.includes("\n"), false);
  });
}

Deno.test("nativeCodec writes frames of one line each", () => {
  assertEquals(nativeCodec.push("news", '{"a":1}'), '{"channel":"news","data":{"a":1}}');
  assertEquals(nativeCodec.push('a"b', "1"), '{"channel":"a\\"b","data":1}');
  assertEquals(nativeCodec.push(null, '"x"'), '{"data":"x"}');
  assertEquals(nativeCodec.ok(7, '{"data":1}'), '{"id":7,"ok":{"data":1}}');
  const body = errorBody("forbidden", "no");
  assertEquals(
    nativeCodec.error(2, body),
    '{"id":2,"error":{"code":"forbidden","message":"no","retry":false}}',
  );
  assertEquals(JSON.parse(nativeCodec.error(null, body)), { error: body });
});

Deno.test("nativeCodec says where a message stands, and who published it, where that is known", () => {
  const position = { epoch: "a1", offset: 7 };
  assertEquals(
    nativeCodec.push("x", "1", { position, by: null }),
    '{"channel":"x","data":1,"offset":7}',
  );
  assertEquals(
    JSON.parse(nativeCodec.push("x", "1", { position, by: '{"user":"ann"}' })),
    { channel: "x", data: 1, offset: 7, by: { user: "ann" } },
  );
});

Deno.test("nativeCodec tells of gaps, of who is there, and of the end of a subscription", () => {
  assertEquals(JSON.parse(nativeCodec.gap('a"b', 3)!), { channel: 'a"b', gap: { missed: 3 } });
  assertEquals(nativeCodec.presence("x", '"leave":[]'), '{"channel":"x","leave":[]}');
  for (const code of ["revoked", "token_expired"] as const) {
    const { channel, unsubscribed } = JSON.parse(nativeCodec.unsubscribed("x", code)!);
    assertEquals([channel, unsubscribed.code, typeof unsubscribed.message], ["x", code, "string"]);
  }
});

Deno.test("infoText() takes 1 KiB of JSON text, counted in UTF-8, and what can be written", () => {
  assertEquals([infoText(undefined), infoText(null), infoText({ a: "€" })], [
    null,
    "null",
    '{"a":"€"}',
  ]);
  assertEquals(infoText("x".repeat(MAX_INFO_BYTES - 2))?.length, MAX_INFO_BYTES);
  assertEquals(infoText("x".repeat(MAX_INFO_BYTES - 1)), "too_large");
  assertEquals(infoText("€".repeat(341)), "too_large");
  assertEquals(infoText("a\nb"), '"a\\nb"'); // on one line
});

Deno.test("nativeCodec says when to come back in bye, and only to who may", () => {
  assertEquals(JSON.parse(nativeCodec.bye(CLOSES.shutdown)!), {
    bye: { code: 3001, reason: "shutdown", reconnect: true, after: [500, 5000] },
  });
  assertEquals(JSON.parse(nativeCodec.bye(CLOSES.replaced)!), {
    bye: { code: 3501, reason: "taken over by another transport", reconnect: false },
  });
});
