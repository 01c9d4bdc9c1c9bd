import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { idIn, isSameSecret, sessionKeys } from "./session_keys.ts";

Deno.test("sessionKeys() takes its own secret for the id that it was made of", () => {
  const keys = sessionKeys();
  const id = keys.create();
  assertMatch(id, /^[\w-]{16}$/);
  assertMatch(keys.secret(id), /^[\w-]{16}\.[\w-]{24}$/);
  assertEquals(keys.verify(keys.secret(id)), id);
});

Deno.test("sessionKeys() makes another id each time", () => {
  const keys = sessionKeys();
  assertEquals(new Set(Array.from({ length: 1000 }, () => keys.create())).size, 1000);
});

Deno.test("sessionKeys() refuses a secret with any character changed", () => {
  const keys = sessionKeys();
  const secret = keys.secret(keys.create());
  for (let at = 0; at < secret.length; at++) {
    for (const char of ["A", "b", "_", "."]) {
      if (secret[at] === char) continue;
      const tampered = secret.slice(0, at) + char + secret.slice(at + 1);
      assertEquals(keys.verify(tampered), null, `changed at ${at}`);
    }
  }
});

Deno.test("sessionKeys() refuses the secret of one session for the id of another", () => {
  const keys = sessionKeys();
  const [mine, other] = [keys.create(), keys.create()];
  assertNotEquals(mine, other);
  assertEquals(keys.verify(other + keys.secret(mine).slice(16)), null);
});

Deno.test("sessionKeys() refuses the secret of another process", () => {
  const keys = sessionKeys();
  assertEquals(sessionKeys().verify(keys.secret(keys.create())), null);
});

Deno.test("sessionKeys() refuses anything else", () => {
  const keys = sessionKeys();
  const id = keys.create();
  const secret = keys.secret(id);
  const wrong = ["", ".", id, `${id}.`, secret + "A", secret.slice(0, -1), "€".repeat(41)];
  wrong.push(`${id}.${"=".repeat(24)}`, `${id}.${"\u0000".repeat(24)}`, "x".repeat(100_000));
  for (const each of wrong) assertEquals(keys.verify(each), null);
});

Deno.test("sessionKeys() with one key agree with each other", () => {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const id = sessionKeys(key).create();
  assert(sessionKeys(key).verify(sessionKeys(key).secret(id)) === id);
});

Deno.test("isSameSecret() takes a secret for itself alone", () => {
  const keys = sessionKeys();
  const id = keys.create();
  const secret = keys.secret(id);
  assertEquals([idIn(secret), isSameSecret(secret, keys.secret(id))], [id, true]);
  for (let at = 0; at < secret.length; at++) {
    const other = secret.slice(0, at) + (secret[at] === "A" ? "b" : "A") + secret.slice(at + 1);
    assertEquals(isSameSecret(other, secret), false, `changed at ${at}`);
  }
  for (const other of ["", id, `${secret}A`, secret.slice(1)]) {
    assertEquals([isSameSecret(other, secret), isSameSecret(other, other)], [false, false]);
  }
});
