import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { checkMessage, type Delivery, parseForm, type Problem } from "./send_schema.ts";

function check(message: unknown, messageBytes = 1000): Delivery | Problem {
  return checkMessage(message, { messageBytes });
}

/** What a problem's message begins with: the member that is wrong. */
function wrongMember(result: Delivery | Problem): string | null {
  return "status" in result ? result.message.split(": ")[0]! : null;
}

Deno.test("checkMessage() takes every target", () => {
  const targets: [unknown, Delivery["targets"]][] = [
    [{}, [{ kind: "all" }]],
    [{ channel: "x" }, [{ kind: "channel", channel: "x" }]],
    [{ channel: "/x" }, [{ kind: "channel", channel: "x" }]],
    [{ channel: "/all" }, [{ kind: "all" }]],
    [{ channel: "all" }, [{ kind: "channel", channel: "all" }]],
    [
      { channels: ["x", "/x", "y", "/all"] },
      [{ kind: "channel", channel: "x" }, { kind: "channel", channel: "y" }, { kind: "all" }],
    ],
    [{ session: "s" }, [{ kind: "session", session: "s" }]],
    [{ user: "ann" }, [{ kind: "user", user: "ann" }]],
  ];
  for (const [members, expected] of targets) {
    assertEquals(check({ data: 1, ...members as object }), { targets: expected, data: "1" });
  }
});

Deno.test("checkMessage() takes any JSON as data, except and id", () => {
  for (const data of [null, false, 0, "", "a\nb\u2028", [], {}, { a: [1, { b: null }] }]) {
    const delivery = check({ data });
    assert("data" in delivery);
    assertEquals(JSON.parse(delivery.data), data);
    assert(!delivery.data.includes("\n"));
  }
  assertEquals(check({ data: 1, except: "s", id: "order-42" }), {
    targets: [{ kind: "all" }],
    data: "1",
    except: "s",
    id: "order-42",
  });
});

Deno.test("checkMessage() names the member that is wrong", () => {
  const cases: [unknown, string][] = [
    [null, "body"],
    ["text", "body"],
    [[], "body"],
    [{}, "data"],
    [{ channel: "x" }, "data"],
    [{ data: 1, channel: "" }, "channel"],
    [{ data: 1, channel: " x" }, "channel"],
    [{ data: 1, channel: "x".repeat(201) }, "channel"],
    [{ data: 1, channel: 1 }, "channel"],
    [{ data: 1, channel: null }, "channel"],
    [{ data: 1, channel: ["x"] }, "channel"],
    [{ data: 1, channels: "x" }, "channels"],
    [{ data: 1, channels: [] }, "channels"],
    [{ data: 1, channels: Array(1001).fill("x") }, "channels"],
    [{ data: 1, channels: ["x", "\u0000"] }, "channels[1]"],
    [{ data: 1, session: "" }, "session"],
    [{ data: 1, session: 7 }, "session"],
    [{ data: 1, user: "u".repeat(201) }, "user"],
    [{ data: 1, except: "" }, "except"],
    [{ data: 1, id: 42 }, "id"],
    [{ data: 1, id: "" }, "id"],
    [{ data: 1, channel: "x", user: "u" }, "user"],
    [{ data: 1, channel: "x", channels: ["y"] }, "channels"],
    [{ data: 1, session: "x", user: "u" }, "user"],
    [{ data: 1, chanel: "x" }, '"chanel"'],
    [{ data: 1, type: "x" }, '"type"'],
    [JSON.parse('{"data":1,"__proto__":{"channel":"x"}}'), '"__proto__"'],
    [JSON.parse('{"__proto__":{"data":1}}'), '"__proto__"'],
  ];
  for (const [message, member] of cases) {
    const result = check(message);
    assertEquals(wrongMember(result), member, JSON.stringify(message));
    assertEquals((result as Problem).status, 400);
  }
  const inArray = checkMessage({ data: 1, id: 1 }, { messageBytes: 1000, path: "[2]." });
  assertEquals(wrongMember(inArray), "[2].id");
});

Deno.test("checkMessage() bounds the data by the bytes of its JSON text", () => {
  assertEquals(wrongMember(check({ data: "x".repeat(998) })), null);
  assertEquals(wrongMember(check({ data: "x".repeat(999) })), "data");
  assertEquals(wrongMember(check({ data: "ü".repeat(499) })), null);
  const tooLong = check({ data: "ü".repeat(500) });
  assertEquals([wrongMember(tooLong), (tooLong as Problem).status], ["data", 413]);
});

Deno.test("checkMessage() takes data however deeply it is nested", () => {
  const data = `${"[".repeat(400_000)}${"]".repeat(400_000)}`;
  const result = checkMessage(JSON.parse(`{"data":${data}}`), { messageBytes: 1_000_000 });
  assert("data" in result && result.data === data);
});

Deno.test("parseForm() reads members, channels any number of times", () => {
  assertEquals(parseForm("data=a+b%C3%BC&channel=%2Fx&id=1"), {
    message: { data: "a bü", channel: "/x", id: "1" },
    sig: null,
  });
  assertEquals(parseForm("data=&channels=x&channels=y&sig=abc"), {
    message: { data: "", channels: ["x", "y"] },
    sig: "abc",
  });
  assertEquals(parseForm(""), { message: {}, sig: null });
});

Deno.test("parseForm() names the member that is wrong", () => {
  const cases = [
    ["data=1&data=2", "data"],
    ["data=1&channel=x&channel=y", "channel"],
    ["data=1&sig=1&sig=2", "sig"],
    ["data=1&dta=2", '"dta"'],
    ["hello", '"hello"'],
    ["data=1&__proto__=2", '"__proto__"'],
    ["data=1&toString=2", '"toString"'],
  ] as const;
  for (const [form, member] of cases) {
    const result = parseForm(form);
    assert("status" in result);
    assertEquals(wrongMember(result), member);
  }
});

Deno.test("parseForm() says how JSON is sent where a form is none", () => {
  for (const body of ['{"data":1}', ' [{"data":"a=b&c"}]', '{"data":"1 + 1 = 2"}']) {
    const result = parseForm(body);
    assert("status" in result);
    assertStringIncludes(result.message, "content-type: application/json");
  }
});
