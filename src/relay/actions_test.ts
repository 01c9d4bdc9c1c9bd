import { assertEquals } from "@std/assert";
import { parseConnectAnswer, parseMessageAnswer, parseSubscribeAnswer } from "./actions.ts";

Deno.test("parseMessageAnswer() understands every action", () => {
  const answer = {
    reply: { n: 1 },
    send: [{ channel: "x", data: 1 }, { data: null }],
    subscribe: ["/x", "y"],
    unsubscribe: ["z"],
    disconnect: { reason: "enough" },
  };
  assertEquals(parseMessageAnswer(JSON.stringify(answer)), {
    reply: '{"n":1}',
    actions: {
      send: answer.send,
      subscribe: ["x", "y"],
      unsubscribe: ["z"],
      disconnect: { reason: "enough" },
    },
    problems: [],
  });
});

Deno.test("parseMessageAnswer() takes an answer that asks for nothing", () => {
  for (const json of ["null", "true", "[]", '"ok"', "{}", '{"status":"ok"}']) {
    assertEquals(parseMessageAnswer(json), { actions: {}, problems: [] }, json);
  }
  assertEquals(parseMessageAnswer('{"reply":null}').reply, "null");
});

Deno.test("parseMessageAnswer() leaves out a bad action and keeps the others", () => {
  const answer = {
    reply: "yes",
    send: { channel: "x" },
    subscribe: ["good", " bad"],
    unsubscribe: "x",
    disconnect: {},
  };
  const { reply, actions, problems } = parseMessageAnswer(JSON.stringify(answer));
  assertEquals(reply, '"yes"');
  assertEquals(actions, { disconnect: { reason: "" } });
  assertEquals(problems.map((problem) => problem.split(":")[0]), [
    "send",
    "subscribe.1",
    "unsubscribe",
  ]);
});

Deno.test("parseMessageAnswer() says that a body is not JSON", () => {
  assertEquals(parseMessageAnswer("{").problems, ["the body is not JSON"]);
});

Deno.test("parseMessageAnswer() cuts a reason to what a close frame holds", () => {
  const reasonOf = (reason: string) =>
    parseMessageAnswer(JSON.stringify({ disconnect: { reason } })).actions.disconnect?.reason;
  assertEquals(reasonOf("x".repeat(200)), "x".repeat(123));
  assertEquals(reasonOf("\u{1F600}".repeat(100)), "\u{1F600}".repeat(30));
});

Deno.test("parseConnectAnswer() understands user, channels and data", () => {
  assertEquals(
    parseConnectAnswer('{"user":"ann","channels":["/x"],"data":[1],"other":1}'),
    { user: "ann", channels: ["x"], data: [1] },
  );
  for (const json of ["null", "{}", "[]"]) assertEquals(parseConnectAnswer(json), {}, json);
});

Deno.test("parseConnectAnswer() refuses what is not well formed", () => {
  for (const json of ["{", '{"user":42}', '{"user":""}', '{"channels":["/all"]}']) {
    assertEquals(typeof parseConnectAnswer(json), "string", json);
  }
});

Deno.test("parseSubscribeAnswer() understands info and actions", () => {
  assertEquals(parseSubscribeAnswer('{"info":{"n":1},"subscribe":["/y"],"send":1,"other":1}'), {
    info: '{"n":1}',
    actions: { subscribe: ["y"] },
    problems: ["send: Invalid input: expected array, received number"],
  });
  for (const json of ["null", "{}", "[]", "true"]) {
    assertEquals(parseSubscribeAnswer(json), { actions: {}, problems: [] }, json);
  }
});

Deno.test("parseSubscribeAnswer() refuses what is not JSON, and info that cannot be shown", () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  for (const json of ["{", `{"info":"${"x".repeat(1023)}"}`, `{"info":${deep}}`]) {
    assertEquals(typeof parseSubscribeAnswer(json), "string", json.slice(0, 20));
  }
});
