import { assert, assertEquals, assertRejects } from "@std/assert";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { within } from "../../tests/support/within.ts";
import { KEY_ALGORITHMS } from "../signing/token_keys.ts";
import { KeySet } from "./key_set.ts";
import { keySource } from "./key_sources.ts";
import {
  bySecret,
  Clock,
  KeyFile,
  KeyServer,
  signer,
  testTokens,
} from "../../tests/support/token_rig.ts";
import type { Tokens } from "./tokens.ts";

/** What became of a token, in a word. */
async function outcome(tokens: Tokens, token: string): Promise<string> {
  const verified = await tokens.connection(token);
  return verified.ok ? "ok" : verified.code;
}

const ADA = await signer("ES256", { kid: "ada" });
const BOB = await signer("ES256", { kid: "bob" });

for (const alg of KEY_ALGORITHMS) {
  Deno.test(`Tokens takes ${alg} by a key set, where it is pinned`, async () => {
    const key = await signer(alg);
    await using file = await KeyFile.with([ADA.jwk, key.jwk]);
    const options = { secrets: [], jwks: file.path, algorithms: [alg] };
    using tokens = await testTokens(options);
    assertEquals(await outcome(tokens, await key.sign()), "ok");
    const impostor = await signer(alg, { kid: key.jwk.kid! });
    assertEquals(await outcome(tokens, await impostor.sign()), "bad_token");
  });
}

Deno.test("Tokens takes RS256, ES256 and EdDSA by keys unless told otherwise", async () => {
  const signers = await Promise.all(
    ["RS256", "ES256", "EdDSA", "PS256", "ES384"].map((alg) => signer(alg)),
  );
  await using file = await KeyFile.with(signers.map(({ jwk }) => jwk));
  using tokens = await testTokens({ secrets: [], jwks: file.path });
  const outcomes = signers.map(async ({ sign }) => await outcome(tokens, await sign()));
  assertEquals(await Promise.all(outcomes), ["ok", "ok", "ok", "bad_token", "bad_token"]);
  assertEquals(await outcome(tokens, await bySecret({})), "bad_token");
});

Deno.test("Tokens takes both HS256 by a secret and keys where both are set", async () => {
  await using file = await KeyFile.with([ADA.jwk]);
  using tokens = await testTokens({ jwks: file.path });
  assertEquals(await outcome(tokens, await bySecret({})), "ok");
  assertEquals(await outcome(tokens, await ADA.sign()), "ok");
});

Deno.test("Tokens finds the key of a token that names none", async () => {
  const nameless = await signer("ES256", { kid: null });
  await using file = await KeyFile.with([ADA.jwk, BOB.jwk, nameless.jwk]);
  using tokens = await testTokens({ jwks: file.path });
  assertEquals(await outcome(tokens, await nameless.sign()), "ok");
  const stranger = await signer("ES256", { kid: null });
  assertEquals(await outcome(tokens, await stranger.sign()), "bad_token");
});

// URLs

Deno.test("Tokens asks a URL once for many tokens, and again when the keys are old", async () => {
  await using server = new KeyServer([ADA.jwk]);
  const clock = new Clock();
  using tokens = await testTokens({ jwks: server.url, now: clock.now });
  assertEquals(server.asked, 0);
  const token = await ADA.sign();
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(tokens, token)));
  assertEquals(new Set(outcomes), new Set(["ok"]));
  assertEquals(server.asked, 1);
  clock.pass({ seconds: 599 });
  assertEquals(await outcome(tokens, token), "ok");
  assertEquals(server.asked, 1);
  clock.pass({ seconds: 1 });
  server.keys = [BOB.jwk];
  assertEquals(await outcome(tokens, token), "bad_token", "the key was withdrawn");
  assertEquals(server.asked, 2);
});

Deno.test("Tokens picks up a new key at once, but does not ask for each unknown one", async () => {
  await using server = new KeyServer([ADA.jwk]);
  const clock = new Clock();
  using tokens = await testTokens({ jwks: server.url, now: clock.now });
  assertEquals(await outcome(tokens, await ADA.sign()), "ok");
  clock.pass({ seconds: 10 });
  server.keys = [ADA.jwk, BOB.jwk];
  assertEquals(await outcome(tokens, await BOB.sign()), "ok");
  assertEquals(await outcome(tokens, await ADA.sign()), "ok");
  assertEquals(server.asked, 2);
  const strangers = Array.from(
    { length: 20 },
    async (_, i) => await outcome(tokens, await ADA.sign({}, { kid: `made up ${i}` })),
  );
  assertEquals(new Set(await Promise.all(strangers)), new Set(["bad_token"]));
  assertEquals(server.asked, 2);
  clock.pass({ seconds: 10 });
  assertEquals(await outcome(tokens, await ADA.sign({}, { kid: "made up" })), "bad_token");
  assertEquals(server.asked, 3);
});

Deno.test("Tokens asks to try again where the keys cannot be had, and then takes them", async () => {
  await using server = new KeyServer([ADA.jwk]);
  server.answer = () => new Response("down for repairs", { status: 503 });
  const clock = new Clock();
  using tokens = await testTokens({ jwks: server.url, now: clock.now });
  const token = await ADA.sign();
  const verified = await tokens.connection(token);
  assert(!verified.ok && verified.code === "app_unreachable" && /JWKS/.test(verified.message));
  assertEquals(await outcome(tokens, token), "app_unreachable");
  assertEquals(server.asked, 1, "it is left alone for two seconds");
  assertEquals(await outcome(tokens, await bySecret({})), "ok", "the secret needs no keys");
  server.answer = null;
  clock.pass({ seconds: 2 });
  assertEquals(await outcome(tokens, token), "ok");
  assertEquals(tokens.counters.refused.app_unreachable, 2);
});

Deno.test("Tokens asks to try again where nobody listens at the URL", async () => {
  const server = new KeyServer([]);
  const { url } = server;
  await server[Symbol.asyncDispose]();
  using tokens = await testTokens({ jwks: url });
  assertEquals(await outcome(tokens, await ADA.sign()), "app_unreachable");
});

Deno.test("Tokens goes on with the keys it has for an hour while the URL is down", async () => {
  await using server = new KeyServer([ADA.jwk]);
  const clock = new Clock();
  using tokens = await testTokens({ jwks: server.url, now: clock.now });
  const [ada, bob] = [await ADA.sign(), await BOB.sign()];
  assertEquals(await outcome(tokens, ada), "ok");
  server.answer = () => new Response(null, { status: 500 });
  clock.pass({ seconds: 600 });
  assertEquals(await outcome(tokens, ada), "ok");
  assertEquals(await outcome(tokens, bob), "app_unreachable", "it may be published by now");
  assertEquals(server.asked, 2);
  clock.pass({ seconds: 3600 });
  assertEquals(await outcome(tokens, ada), "app_unreachable");
  server.answer = null;
  clock.pass({ seconds: 10 });
  assertEquals(await outcome(tokens, ada), "ok");
  assertEquals(await outcome(tokens, bob), "bad_token");
});

const BAD_ANSWERS: readonly (readonly [what: string, answer: (url: string) => Response])[] = [
  ["no JSON", () => new Response("<html>")],
  ["no list of keys", () => Response.json({ key: ADA.jwk })],
  ["keys that are none", () => Response.json({ keys: ["ada"] })],
  ["null", () => new Response("null")],
  ["101 keys", () => Response.json({ keys: Array.from({ length: 101 }, () => ADA.jwk) })],
  ["more than 256 KiB", () => {
    return Response.json({ keys: [ADA.jwk], more: "x".repeat(256 * 1024) });
  }],
  ["a body without end", () => {
    const chunk = new Uint8Array(64 * 1024).fill(0x20);
    return new Response(new ReadableStream({ pull: (queue) => queue.enqueue(chunk) }));
  }],
  ["keys with a no", () => Response.json({ keys: [ADA.jwk] }, { status: 500 })],
  ["another place, even one with keys", (url) => Response.redirect(url)],
  ["an empty yes", () => new Response(null, { status: 204 })],
];

for (const [what, answer] of BAD_ANSWERS) {
  Deno.test(`Tokens asks to try again where a URL answers ${what}`, async () => {
    await using server = new KeyServer([ADA.jwk]);
    server.answer = () => {
      server.answer = null;
      return answer(server.url);
    };
    using tokens = await testTokens({ jwks: server.url });
    assertEquals(await outcome(tokens, await ADA.sign()), "app_unreachable");
    assertEquals(server.asked, 1);
  });
}

Deno.test("KeySet.close() breaks off a read that nobody answers", async () => {
  const keys = new KeySet({
    source: {
      name: "silence",
      freshMs: 1000,
      pauseMs: 1000,
      read: (signal) => {
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal)));
      },
    },
    now: new Clock().now,
  });
  const waiting = keys.keysFor({ alg: "ES256" });
  keys.close();
  assertEquals(await within(waiting, "the end of the read"), null);
});

Deno.test("KeySet says which text it has, so that none is read twice", async () => {
  const clock = new Clock();
  const asked: (string | null)[] = [];
  const keys = new KeySet({
    source: {
      name: "memory",
      freshMs: 1000,
      pauseMs: 1000,
      read: (_signal, version) => {
        asked.push(version);
        const text = JSON.stringify({ keys: [ADA.jwk] });
        return Promise.resolve(version === "1" ? null : { text, version: "1" });
      },
    },
    now: clock.now,
  });
  for (let hour = 0; hour < 3; hour++) {
    assertEquals((await keys.keysFor({ alg: "ES256", kid: "ada" }))?.length, 1);
    clock.pass({ seconds: 3600 });
  }
  assertEquals(asked, [null, "1", "1"]);
});

Deno.test("keySource() waits for a URL no longer than told, and keeps its query to itself", async () => {
  const answer = Promise.withResolvers<Response>();
  await using server = new KeyServer([]);
  server.answer = () => answer.promise;
  const source = keySource(`${server.url}?key=canary`, { timeoutMs: 20 });
  const read = () => source.read(new AbortController().signal, null);
  const { message } = await assertRejects(read, Error, "no answer within 20 ms");
  assert(!`${source.name} ${message}`.includes("canary"));
  answer.resolve(new Response());
});

// Keys that cannot be used

const SMALL = await crypto.subtle.generateKey(
  {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 1024,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  },
  true,
  ["sign", "verify"],
);
const SECRET_HALF = (await generateKeyPair("RS256", { extractable: true })).privateKey;

const UNUSABLE: readonly (readonly [what: string, jwk: JWK])[] = [
  ["an RSA key of 1024 bits", await exportJWK(SMALL.publicKey)],
  ["a private key", await exportJWK(SECRET_HALF)],
  ["a key with holes", { kty: "RSA", n: "AQAB" }],
];

for (const [what, jwk] of UNUSABLE) {
  Deno.test(`Tokens takes no token by ${what}`, async () => {
    await using file = await KeyFile.with([{ ...jwk, kid: "bad" }, ADA.jwk]);
    using tokens = await testTokens({ jwks: file.path });
    const rsa = await signer("RS256", { kid: "bad" });
    const verified = await tokens.connection(await rsa.sign());
    assert(!verified.ok && verified.code === "app_unreachable" && /JWKS/.test(verified.message));
    assertEquals(await outcome(tokens, await ADA.sign()), "ok", "the others are no worse for it");
  });
}

// Files

Deno.test("Tokens picks up a changed file where a key is unknown, or after a minute", async () => {
  await using file = await KeyFile.with([ADA.jwk]);
  const clock = new Clock();
  using tokens = await testTokens({ jwks: file.path, now: clock.now });
  const [ada, bob] = [await ADA.sign(), await BOB.sign()];
  assertEquals(await outcome(tokens, ada), "ok");
  await file.write([ADA.jwk, BOB.jwk]);
  assertEquals(await outcome(tokens, bob), "bad_token", "looked at less than five seconds ago");
  clock.pass({ seconds: 5 });
  assertEquals(await outcome(tokens, bob), "ok");
  await file.write([BOB.jwk]);
  clock.pass({ seconds: 59 });
  assertEquals(await outcome(tokens, ada), "ok");
  clock.pass({ seconds: 1 });
  assertEquals(await outcome(tokens, ada), "bad_token");
  assertEquals(await outcome(tokens, bob), "ok");
});

Deno.test("Tokens goes on with its keys while a file is gone or half written", async () => {
  await using file = await KeyFile.with([ADA.jwk]);
  const clock = new Clock();
  using tokens = await testTokens({ jwks: file.path, now: clock.now });
  const [ada, bob] = [await ADA.sign(), await BOB.sign()];
  await Deno.remove(file.path);
  clock.pass({ seconds: 60 });
  assertEquals(await outcome(tokens, ada), "ok");
  await Deno.writeTextFile(file.path, `{"keys":[`);
  clock.pass({ seconds: 5 });
  assertEquals(await outcome(tokens, bob), "app_unreachable");
  clock.pass({ seconds: 5 });
  assertEquals(await outcome(tokens, bob), "app_unreachable", "no text is known by its date alone");
  await file.write([BOB.jwk]);
  clock.pass({ seconds: 5 });
  assertEquals(await outcome(tokens, bob), "ok");
  assertEquals(await outcome(tokens, ada), "bad_token");
});

Deno.test("createTokens() says what to do where a file is no key set", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/keys.json`;
  try {
    const load = () => testTokens({ jwks: path });
    const wanted = "Give it a JSON Web Key Set's path or URL";
    await assertRejects(load, Error, wanted);
    for (const text of ["", "{}", `{"keys":{}}`]) {
      await Deno.writeTextFile(path, text);
      const { message } = await assertRejects(load, Error, wanted);
      assert(message.startsWith(`Cannot read token.jwks ${path}: `));
    }
    await Deno.writeTextFile(path, JSON.stringify({ keys: [], more: "x".repeat(256 * 1024) }));
    await assertRejects(load, Error, "longer than 262144 bytes");
    await assertRejects(() => testTokens({ jwks: folder }), Error, "it is not a file");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
