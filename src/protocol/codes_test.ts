import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Close, CLOSES, errorBody, type ErrorCode, ERRORS, ProtocolError } from "./codes.ts";

const closes: readonly (readonly [name: string, close: Close])[] = Object.entries(CLOSES);
const errors = Object.keys(ERRORS) as ErrorCode[];

Deno.test("CLOSES has each number once", () => {
  const numbers = closes.map(([, close]) => close.code);
  assertEquals(new Set(numbers).size, numbers.length);
});

for (const [name, close] of closes) {
  Deno.test(`CLOSES.${name} is a close that WebSocket takes, and says whether to come back`, () => {
    const { code, reason, reconnect } = close;
    if (code >= 3000) {
      assert(code <= 3999, String(code));
      assertEquals(reconnect, code < 3500, `${code} and reconnect: ${reconnect}`);
    } else {
      assert([1001, 1003, 1008, 1009].includes(code), String(code));
      assertEquals(reconnect, false);
    }
    assert(new TextEncoder().encode(reason).length <= 123, "RFC 6455 allows 123 bytes");
  });
}

Deno.test("CLOSES has the numbers that docs/protocol.md promises", () => {
  assertEquals(CLOSES.slowReader.code, 3008);
  assertEquals(CLOSES.replaced.code, 3501);
  assertEquals(CLOSES.shutdown.code, 3001);
  assertEquals(CLOSES.binary.code, 1003);
  assertEquals(CLOSES.policy.code, 1008);
  assertEquals(CLOSES.tooBig.code, 1009);
});

for (const code of errors) {
  Deno.test(`errorBody() makes a whole answer for ${code}`, () => {
    const body = errorBody(code);
    assertMatch(code, /^[a-z_]+$/);
    assertEquals(Object.keys(body), ["code", "message", "retry"]);
    assertEquals(body.code, code);
    assert(body.message.length > 0);
  });
}

Deno.test("errorBody() takes a more exact message and keeps the rest", () => {
  assertEquals(errorBody("busy", "later"), { code: "busy", message: "later", retry: true });
});

Deno.test("ProtocolError says what its code says where nothing more exact is known", () => {
  const error = new ProtocolError("too_large", CLOSES.tooBig);
  assertEquals(error.message, ERRORS.too_large.message);
  assertEquals([error.code, error.close.code], ["too_large", 1009]);
});
