import { assert, assertEquals, assertMatch } from "@std/assert";
import { legacyCodec, legacyConnected } from "../../protocol/legacy.ts";
import { askAgainLaterScript, jsonpFormat, responseScript } from "./jsonp.ts";

const message = (data: string) => legacyCodec.push("/x", JSON.stringify(data));

/** Runs a script where it can reach nothing but a page's `Chloe`. @returns What it called, in order. */
function run(script: string): [name: string, value: unknown][] {
  const called: [string, unknown][] = [];
  const transport = {
    response: (value: unknown) => called.push(["response", value]),
    connections: {
      7: {
        listenForMessages: () => called.push(["listenForMessages", null]),
        callbacks: { onmessage: (text: string) => called.push(["onmessage", text]) },
      },
    },
  };
  const later = (then: () => void, delay: number) => {
    called.push(["setTimeout", delay]);
    then();
  };
  new Function("Chloe", "setTimeout", `"use strict";${script}`)(
    { JsonpTransport: transport },
    later,
  );
  return called;
}

Deno.test("responseScript() hands over the answer to connect", () => {
  assertEquals(run(responseScript(legacyConnected(7, "s.m"))), [[
    "response",
    { type: "connect", channel: null, data: null, version: 1, id: 7, sessionId: "s.m" },
  ]]);
});

Deno.test("jsonpFormat() hands over one message by response(), as the answer to the poll", () => {
  assertEquals(run(jsonpFormat(7)([message("hi")], false)!), [[
    "response",
    { type: "poll", channel: "/x", data: "hi", version: 1, id: 7, sessionId: null },
  ]]);
});

Deno.test("jsonpFormat() calls response() once, for the last of several messages", () => {
  const script = jsonpFormat(7)([`${message("1")}\n${message("2")}`, message("3")], false)!;
  const called = run(script);
  assertEquals(called.map(([name]) => name), ["onmessage", "onmessage", "response"]);
  const data = called.map(([, value]) =>
    (typeof value === "string" ? JSON.parse(value) : value as { data: string }).data
  );
  assertEquals(data, ["1", "2", "3"]);
});

Deno.test("jsonpFormat() has the page ask again where there is nothing to say", () => {
  assertEquals(run(jsonpFormat(7)([], false)!), [["listenForMessages", null]]);
});

Deno.test("jsonpFormat() has the page ask again in a while where the session ends", () => {
  for (const script of [jsonpFormat(7)([], true)!, askAgainLaterScript(7)]) {
    const [[name, delay] = [], ...then] = run(script);
    assertEquals([name, then], ["setTimeout", [["listenForMessages", null]]]);
    assert(typeof delay === "number" && delay >= 2000 && delay <= 5000);
  }
});

Deno.test("jsonpFormat() keeps data from becoming code", () => {
  const data = `</script>"'\\\u2028\u2029\n);alert(1)//`;
  const script = jsonpFormat(7)([`${message(data)}\n${message(data)}`], false)!;
  assertMatch(script, /^[^\u2028\u2029]*$/);
  const [[, first] = [], [, last] = []] = run(script);
  assertEquals(JSON.parse(first as string).data, data);
  assertEquals((last as { data: string }).data, data);
});
