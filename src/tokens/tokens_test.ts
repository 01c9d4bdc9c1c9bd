import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exportJWK, exportSPKI } from "jose";
import {
  byHand,
  bySecret,
  Clock,
  KeyFile,
  NOW_S,
  OTHER_SECRET,
  SECRET,
  signer,
  testTokens,
} from "../../tests/support/token_rig.ts";
import type { Tokens, Verified } from "./tokens.ts";

const NOBODY = { user: null, channels: [], info: null, expiresAtMs: null };

/** Checks that a token was refused, with a message that names what is wrong. */
function assertRefused(verified: Verified<unknown>, code: string, part: string): void {
  assert(!verified.ok, "the token was taken");
  assertEquals(verified.code, code);
  assertStringIncludes(verified.message, part);
}

/** Checks that a connection's token is refused as one that no try again will mend. */
async function assertBad(tokens: Tokens, token: string, part: string): Promise<void> {
  assertRefused(await tokens.connection(token), "bad_token", part);
}

async function claimsOf(tokens: Tokens, token: string): Promise<unknown> {
  const verified = await tokens.connection(token);
  assert(verified.ok, verified.ok ? "" : verified.message);
  return verified.claims;
}

Deno.test("Tokens.connection() reads who it is, where to and until when", async () => {
  using tokens = await testTokens();
  const token = await bySecret({
    sub: "ada",
    channels: ["news", "/chat:1", "chat:1"],
    info: { name: "Ada" },
    iat: NOW_S,
    nbf: NOW_S,
    exp: NOW_S + 60,
  });
  assertEquals(await claimsOf(tokens, token), {
    user: "ada",
    channels: ["news", "chat:1"],
    info: '{"name":"Ada"}',
    expiresAtMs: (NOW_S + 60) * 1000,
  });
  assertEquals(await claimsOf(tokens, await bySecret({})), NOBODY);
});

Deno.test("Tokens counts what it takes and what it refuses, by code", async () => {
  using tokens = await testTokens();
  await tokens.connection(await bySecret({}));
  await tokens.connection("nonsense");
  await tokens.connection(await bySecret({ exp: NOW_S - 60 }));
  await tokens.channel(await bySecret({ channel: "a" }), { channel: "a", user: null });
  assertEquals(tokens.counters, {
    verified: 2,
    refused: { bad_token: 1, token_expired: 1, app_unreachable: 0 },
  });
});

// Signatures and headers

for (const alg of ["HS256", "HS384", "HS512"]) {
  Deno.test(`Tokens takes ${alg} by any of its secrets, where it is pinned`, async () => {
    using tokens = await testTokens({ secrets: [OTHER_SECRET, SECRET], algorithms: [alg] });
    for (const secret of [SECRET, OTHER_SECRET]) {
      const token = await bySecret({ sub: "ada" }, { secret, header: { alg } });
      assertEquals(await claimsOf(tokens, token), { ...NOBODY, user: "ada" });
    }
  });
}

Deno.test("Tokens takes HS256 alone where only secrets are set", async () => {
  using tokens = await testTokens();
  const token = await bySecret({}, { header: { alg: "HS512" } });
  await assertBad(tokens, token, "alg: must be HS256");
});

Deno.test("Tokens refuses another secret, and one that was rotated out", async () => {
  using tokens = await testTokens({ secrets: [OTHER_SECRET] });
  await assertBad(tokens, await bySecret({}), "another secret");
});

Deno.test("Tokens takes a secret as UTF-8", async () => {
  const secret = "Kürbissuppe, Kürbiskuchen, Kürbisbrot";
  using tokens = await testTokens({ secrets: [secret] });
  assertEquals(await claimsOf(tokens, await bySecret({}, { secret })), NOBODY);
});

Deno.test("Tokens refuses a token that was changed", async () => {
  using tokens = await testTokens();
  const [header, , signature] = (await bySecret({ sub: "ada" })).split(".");
  const [, payload] = (await bySecret({ sub: "eve" })).split(".");
  await assertBad(tokens, `${header}.${payload}.${signature}`, "another secret");
});

for (const alg of ["none", "None", "NONE", "nOnE", "", undefined, null, 7, ["HS256"], "hs256"]) {
  Deno.test(`Tokens refuses alg ${JSON.stringify(alg)}, signed or not`, async () => {
    using tokens = await testTokens();
    const token = byHand({ alg }, { payload: { sub: "eve" } });
    await assertBad(tokens, token, "alg: must be HS256");
    await assertBad(tokens, token.replace(/[^.]+$/, ""), "alg: must be HS256");
  });
}

const RSA = await signer("RS256");

for (const hasSecret of [false, true]) {
  const where = hasSecret ? "beside a secret" : "alone";
  Deno.test(`Tokens never takes a public key for a secret, ${where}`, async () => {
    await using file = await KeyFile.with([RSA.jwk]);
    using tokens = await testTokens({ secrets: hasSecret ? [SECRET] : [], jwks: file.path });
    assertEquals(await claimsOf(tokens, await RSA.sign()), NOBODY);
    const pem = await exportSPKI(RSA.publicKey);
    const der = new Uint8Array(await crypto.subtle.exportKey("spki", RSA.publicKey));
    const guesses = [
      pem,
      pem.trimEnd(),
      der,
      JSON.stringify(RSA.jwk),
      JSON.stringify(await exportJWK(RSA.publicKey)),
      RSA.jwk.n!,
      await Deno.readTextFile(file.path),
    ];
    for (const secret of guesses) {
      const token = byHand({ alg: "HS256", kid: RSA.jwk.kid }, {
        payload: { sub: "eve" },
        secret,
      });
      await assertBad(tokens, token, hasSecret ? "another secret" : "alg: must be RS256");
    }
  });
}

Deno.test("Tokens never takes a symmetric key out of a key set", async () => {
  const k = btoa(OTHER_SECRET).replaceAll("=", "");
  await using file = await KeyFile.with([{ kty: "oct", k, kid: "k" }, RSA.jwk]);
  using tokens = await testTokens({ jwks: file.path });
  const token = await bySecret({}, { secret: OTHER_SECRET, header: { alg: "HS256", kid: "k" } });
  await assertBad(tokens, token, "another secret");
});

Deno.test("Tokens has no use for keys in a token's header", async () => {
  await using file = await KeyFile.with([RSA.jwk]);
  const fetched: unknown[] = [];
  using tokens = await testTokens({
    jwks: file.path,
    fetch: (url) => {
      fetched.push(url);
      return Promise.resolve(Response.json({ keys: [] }));
    },
  });
  const eve = await signer("RS256", { kid: RSA.jwk.kid! });
  const url = "http://127.0.0.1:1/keys.json";
  for (
    const header of [{ jwk: eve.jwk }, { jku: url }, { x5u: url }, { x5c: ["AAAA"] }, {
      jwk: eve.jwk,
      jku: url,
      kid: "eve",
    }]
  ) {
    const isKnown = !("kid" in header);
    await assertBad(tokens, await eve.sign({}, header), isKnown ? "another key" : "kid: ");
    // Of a key that is known they change nothing.
    if (isKnown) assertEquals(await claimsOf(tokens, await RSA.sign({}, header)), NOBODY);
  }
  assertEquals(fetched, []);
});

for (
  const header of [
    { crit: ["exp"], exp: 1 },
    { crit: ["b64"], b64: true },
    { crit: ["b64"], b64: false },
    { crit: [] },
    { crit: null },
  ]
) {
  Deno.test(`Tokens refuses the header ${JSON.stringify(header)}`, async () => {
    using tokens = await testTokens();
    await assertBad(tokens, byHand({ alg: "HS256", ...header }), "crit: leave it out");
  });
}

for (const kid of [7, null, {}, ["a"]]) {
  Deno.test(`Tokens refuses the kid ${JSON.stringify(kid)}`, async () => {
    using tokens = await testTokens();
    await assertBad(tokens, byHand({ alg: "HS256", kid }), "kid: must be text");
  });
}

const NO_TOKENS: readonly (readonly [what: string, token: string])[] = [
  ["nothing", ""],
  ["a word", "nonsense"],
  ["full stops", ".."],
  ["two parts", "eyJhbGciOiJIUzI1NiJ9.e30"],
  ["five parts, as of an encrypted one", byHand({ alg: "HS256" }) + ".AAAA.AAAA"],
  ["no base64url", "eyJhbGciOiJIUzI1NiJ9.*.*"],
  ["text beyond ASCII", "é.é.é"],
  ["a header that is no object", byHand([])],
  ["a header that is no JSON", byHand("{")],
  ["claims that are no JSON", byHand({ alg: "HS256" }, { payload: "{" })],
  ["claims that are a list", byHand({ alg: "HS256" }, { payload: [] })],
  ["claims that are null", byHand({ alg: "HS256" }, { payload: null })],
];

for (const [what, token] of NO_TOKENS) {
  Deno.test(`Tokens refuses ${what}`, async () => {
    using tokens = await testTokens();
    await assertBad(tokens, token, "That is no JWT");
  });
}

Deno.test("Tokens refuses what begins or ends like a good token, but is none", async () => {
  using tokens = await testTokens();
  const good = await bySecret({ sub: "ada" });
  assertEquals(await claimsOf(tokens, good), { ...NOBODY, user: "ada" });
  const [header, payload, signature] = good.split(".");
  const noTokens = [
    `${header}.`,
    `${header}.${payload}`,
    `${good}.`,
    `${good}.AAAA.AAAA`,
    `${good}=`,
    `${good}\n`,
    ` ${good}`,
    `${header}.${payload}.é`,
    `.${payload}.${signature}`,
  ];
  for (const token of noTokens) await assertBad(tokens, token, "That is no JWT");
  for (const token of [`${header}.${payload}.`, good.slice(0, -1), `${good}A`]) {
    await assertBad(tokens, token, "another secret");
  }
});

Deno.test("Tokens refuses what begins like a token by a key, and asks for no key", async () => {
  let asked = 0;
  const clock = new Clock();
  using tokens = await testTokens({
    now: clock.now,
    secrets: [],
    jwks: "http://127.0.0.1:1/keys.json",
    fetch: () => {
      asked++;
      return Promise.resolve(Response.json({ keys: [RSA.jwk] }));
    },
  });
  const good = await RSA.sign();
  assertEquals(await claimsOf(tokens, good), NOBODY);
  const [header, payload] = good.split(".");
  const noTokens = [`${header}.`, `${header}.x`, `${header}.${payload}`, `${good}=`, `${good}\n`];
  const byOther = await RSA.sign({}, { kid: "another" });
  const other = byOther.split(".")[0];
  // Long enough for a key that is not known to be asked for.
  clock.pass({ seconds: 60 });
  for (const token of [...noTokens, `${other}.`, `${other}.x`]) {
    await assertBad(tokens, token, "That is no JWT");
  }
  assertEquals(asked, 1);
  await assertBad(tokens, byOther, "kid: ");
  assertEquals(asked, 2);
});

Deno.test("Tokens refuses what is longer than 8 KiB, and takes what is as long", async () => {
  using tokens = await testTokens();
  const token = async (length: number) => await bySecret({ sub: "ada", more: "x".repeat(length) });
  const shortest = (await token(0)).length;
  let fitting = await token(Math.floor((8192 - shortest) * 3 / 4));
  assert(fitting.length > 8180 && fitting.length <= 8192);
  assertEquals(await claimsOf(tokens, fitting), { ...NOBODY, user: "ada" });
  fitting = await token(Math.floor((8192 - shortest) * 3 / 4) + 16);
  await assertBad(tokens, fitting, "longer than 8192");
  await assertBad(tokens, "x".repeat(10_000_000), "longer than 8192");
});

Deno.test("Tokens says nothing of a token or a secret", async () => {
  using tokens = await testTokens({ audience: "chat" });
  const canary = "canary";
  const bad = [
    `${canary}.${canary}.${canary}`,
    byHand({ alg: canary }),
    byHand({ alg: "HS256", crit: [canary] }),
    byHand({ alg: "HS256", kid: canary }, { secret: canary }),
    byHand({ alg: "HS256" }, { payload: canary }),
    await bySecret({ aud: canary }),
    await bySecret({ aud: "chat", sub: canary.repeat(100) }),
    await bySecret({ aud: "chat", channel: canary }),
    await bySecret({ aud: "chat", channels: [`${canary}\n`] }),
    await bySecret({ aud: "chat", info: canary.repeat(1000) }),
    await bySecret({ aud: "chat", exp: canary }),
  ];
  for (const token of bad) {
    const verified = await tokens.connection(token);
    assert(!verified.ok);
    for (const secret of [canary, SECRET]) assert(!verified.message.includes(secret));
  }
});

// Times, audience, issuer

Deno.test("Tokens refuses an expired token, five seconds after its end", async () => {
  const clock = new Clock();
  using tokens = await testTokens({ now: clock.now });
  const token = await bySecret({ exp: NOW_S + 60 });
  clock.pass({ seconds: 59 });
  assertEquals(await claimsOf(tokens, token), { ...NOBODY, expiresAtMs: (NOW_S + 60) * 1000 });
  clock.pass({ seconds: 5 });
  // Taken by the tolerance, it lasts for as long as that.
  assertEquals(await claimsOf(tokens, token), { ...NOBODY, expiresAtMs: (NOW_S + 65) * 1000 });
  clock.pass({ seconds: 1 });
  assertRefused(await tokens.connection(token), "token_expired", "ask for a new one");
});

Deno.test("Tokens says bad_token of an expired one by another key, or for somebody else", async () => {
  using tokens = await testTokens({ audience: "chat" });
  const exp = NOW_S - 3600;
  await assertBad(tokens, await bySecret({ exp }, { secret: OTHER_SECRET }), "another secret");
  await assertBad(tokens, await bySecret({ exp, aud: "shop" }), "aud: ");
});

for (const claim of ["nbf", "iat"]) {
  Deno.test(`Tokens refuses an ${claim} in the future, but for five seconds`, async () => {
    using tokens = await testTokens();
    assertEquals(await claimsOf(tokens, await bySecret({ [claim]: NOW_S + 5 })), NOBODY);
    await assertBad(tokens, await bySecret({ [claim]: NOW_S + 6 }), `${claim}: is in the future`);
    // The classic: milliseconds.
    await assertBad(tokens, await bySecret({ [claim]: NOW_S * 1000 }), `${claim}: `);
  });
}

for (const claim of ["exp", "nbf", "iat"]) {
  for (const time of [String(NOW_S), true, null, {}, [NOW_S]]) {
    Deno.test(`Tokens refuses ${claim} ${JSON.stringify(time)}`, async () => {
      using tokens = await testTokens();
      const token = byHand({ alg: "HS256" }, { payload: { [claim]: time } });
      await assertBad(tokens, token, `${claim}: must be a number of seconds`);
    });
  }
}

Deno.test("Tokens refuses an end in milliseconds or beyond all numbers", async () => {
  using tokens = await testTokens();
  for (const exp of [String(NOW_S * 1000), "1e300", "1e999"]) {
    const token = byHand({ alg: "HS256" }, { payload: `{"exp":${exp}}` });
    await assertBad(tokens, token, "exp: must be a number of seconds");
  }
});

Deno.test("Tokens wants the audience and the issuer that are configured", async () => {
  using tokens = await testTokens({ audience: "chat", issuer: "https://app.example" });
  const good = { aud: "chat", iss: "https://app.example" };
  assertEquals(await claimsOf(tokens, await bySecret(good)), NOBODY);
  assertEquals(await claimsOf(tokens, await bySecret({ ...good, aud: ["x", "chat"] })), NOBODY);
  for (const aud of [undefined, "shop", "", ["shop"], [], null, { chat: 1 }, "chat2"]) {
    await assertBad(tokens, await bySecret({ ...good, aud }), 'aud: must be "chat"');
  }
  for (const iss of [undefined, "https://evil.example", "", null, [good.iss]]) {
    await assertBad(tokens, await bySecret({ ...good, iss }), 'iss: must be "https://app.example"');
  }
});

Deno.test("Tokens has no use for aud and iss where none is configured", async () => {
  using tokens = await testTokens();
  assertEquals(await claimsOf(tokens, await bySecret({ aud: "any", iss: "body" })), NOBODY);
});

// Claims

const BAD_CLAIMS: readonly (readonly [claims: Record<string, unknown>, part: string])[] = [
  [{ sub: "" }, "sub: must be text of 1 to 200"],
  [{ sub: "x".repeat(201) }, "sub: must be text of 1 to 200"],
  [{ sub: 7 }, "sub: must be text of 1 to 200"],
  [{ sub: null }, "sub: must be text of 1 to 200"],
  [{ sub: ["ada"] }, "sub: must be text of 1 to 200"],
  [{ channels: "news" }, "channels: must be a list"],
  [{ channels: null }, "channels: must be a list"],
  [{ channels: { 0: "news" } }, "channels: must be a list"],
  [{ channels: Array.from({ length: 501 }, (_, i) => `c${i}`) }, "channels: must be a list"],
  [{ channels: ["news", ""] }, "channels[1]: must be the name"],
  [{ channels: ["/all"] }, "channels[0]: must be the name of a channel, and not /all"],
  [{ channels: ["//all"] }, "channels[0]: "],
  [{ channels: [" news"] }, "channels[0]: "],
  [{ channels: ["x".repeat(201)] }, "channels[0]: "],
  [{ channels: [7] }, "channels[0]: "],
  [{ channels: [null] }, "channels[0]: "],
  [{ info: "x".repeat(1023) }, "info: must be at most 1024 bytes"],
  [{ info: "ü".repeat(512) }, "info: must be at most 1024 bytes"],
  [{ channel: "news" }, "channel: this is a channel's token"],
  [{ channel: null }, "channel: this is a channel's token"],
];

for (const [claims, part] of BAD_CLAIMS) {
  Deno.test(`Tokens.connection() refuses ${JSON.stringify(claims).slice(0, 60)}`, async () => {
    using tokens = await testTokens();
    await assertBad(tokens, await bySecret(claims), part);
  });
}

Deno.test("Tokens.connection() takes claims at their bounds", async () => {
  using tokens = await testTokens();
  const channels = Array.from({ length: 500 }, (_, i) => `c${i}`);
  const claims = { sub: "x".repeat(200), channels, info: "ü".repeat(511) };
  assertEquals(await claimsOf(tokens, await bySecret(claims)), {
    user: claims.sub,
    channels,
    info: JSON.stringify(claims.info),
    expiresAtMs: null,
  });
});

for (const info of [false, 0, "", [], { a: [1, null] }]) {
  Deno.test(`Tokens.connection() takes the info ${JSON.stringify(info)}`, async () => {
    using tokens = await testTokens();
    assertEquals(await claimsOf(tokens, await bySecret({ info })), {
      ...NOBODY,
      info: JSON.stringify(info),
    });
  });
}

Deno.test("Tokens.connection() refuses info that is nested without end", async () => {
  using tokens = await testTokens();
  const deep = "[".repeat(2900) + "]".repeat(2900);
  const token = byHand({ alg: "HS256" }, { payload: `{"info":${deep}}` });
  assert(token.length <= 8192);
  await assertBad(tokens, token, "info: must be at most");
});

// Tokens of channels

const ENTRIES: readonly (readonly [
  claims: Record<string, unknown>,
  entry: { channel: string; user: string | null },
  refusal: string | null,
])[] = [
  [{ channel: "chat:1" }, { channel: "chat:1", user: null }, null],
  [{ channel: "/chat:1" }, { channel: "chat:1", user: null }, null],
  [{ channel: "chat:1" }, { channel: "chat:1", user: "ada" }, null],
  [{ channel: "chat:1", sub: "ada" }, { channel: "chat:1", user: "ada" }, null],
  [{ pattern: "chat:*" }, { channel: "chat:1", user: null }, null],
  [{ pattern: "chat:**" }, { channel: "chat:1/a", user: null }, null],
  [{ pattern: "**" }, { channel: "chat:1", user: null }, null],
  [{ channel: "chat:*" }, { channel: "chat:*", user: null }, null],
  [{ channel: "chat:*" }, { channel: "chat:1", user: null }, "for another channel"],
  [{ channel: "chat:1", pattern: "**" }, { channel: "chat:1", user: null }, "not both"],
  [{ pattern: ["chat:*"] }, { channel: "chat:1", user: null }, "pattern: must be text"],
  [{ channel: "chat:1" }, { channel: "chat:2", user: null }, "for another channel"],
  [{ channel: "chat" }, { channel: "chat:1", user: null }, "for another channel"],
  [{ channel: "chat:1" }, { channel: "chat:11", user: null }, "for another channel"],
  [{ channel: "chat.1" }, { channel: "chat:1", user: null }, "for another channel"],
  [{ pattern: "chat:*" }, { channel: "chat:1/a", user: null }, "for another channel"],
  [{ channel: "chat:1", sub: "ada" }, { channel: "chat:1", user: "eve" }, "for another user"],
  [{ channel: "chat:1", sub: "ada" }, { channel: "chat:1", user: null }, "for another user"],
  [{ channel: "chat:1", sub: "" }, { channel: "chat:1", user: "" }, "sub: must be text"],
  [{ pattern: "***" }, { channel: "chat:1", user: null }, "pattern: must not have ***"],
  [{ channel: "" }, { channel: "chat:1", user: null }, "for another channel"],
  [{ pattern: "" }, { channel: "chat:1", user: null }, "pattern: must have 1 to 200"],
  [{ channel: ["chat:1"] }, { channel: "chat:1", user: null }, "channel: must be text"],
  [{ sub: "ada" }, { channel: "chat:1", user: "ada" }, "channel: must be text"],
  [{ channels: ["a"] }, { channel: "a", user: null }, "channel: must be text"],
  [{ channel: "a", info: "x".repeat(1023) }, { channel: "a", user: null }, "info: must be"],
];

for (const [claims, entry, refusal] of ENTRIES) {
  const what = `${JSON.stringify(claims).slice(0, 60)} from ${entry.user} in ${entry.channel}`;
  Deno.test(`Tokens.channel() ${refusal === null ? "takes" : "refuses"} ${what}`, async () => {
    using tokens = await testTokens();
    const verified = await tokens.channel(await bySecret(claims), entry);
    if (refusal !== null) assertRefused(verified, "bad_token", refusal);
    else assertEquals(verified, { ok: true, claims: { info: null, expiresAtMs: null } });
  });
}

Deno.test("Tokens.channel() reads the info and the end, and checks as connection() does", async () => {
  using tokens = await testTokens();
  const entry = { channel: "chat:1", user: null };
  const claims = { channel: "chat:1", info: { name: "Ada" }, exp: NOW_S + 60 };
  assertEquals(await tokens.channel(await bySecret(claims), entry), {
    ok: true,
    claims: { info: '{"name":"Ada"}', expiresAtMs: (NOW_S + 60) * 1000 },
  });
  const expired = await bySecret({ ...claims, exp: NOW_S - 60 });
  assertRefused(await tokens.channel(expired, entry), "token_expired", "exp: ");
  const forged = await bySecret(claims, { secret: OTHER_SECRET });
  assertRefused(await tokens.channel(forged, entry), "bad_token", "another secret");
});

// Options

const BAD_OPTIONS: readonly (readonly [options: Parameters<typeof testTokens>[0], part: string])[] =
  [
    [{ secrets: [] }, "set token.secret, token.jwks, or both"],
    [{ secrets: [SECRET, "x".repeat(31)] }, "at least 32 bytes"],
    [{ algorithms: ["none"] }, "Cannot use token.algorithms"],
    [{ algorithms: ["HS256", "HS1"] }, "Cannot use token.algorithms"],
    [{ algorithms: ["HS256", "RS256"] }, "RS256 needs token.jwks"],
    [{ secrets: [], jwks: "/keys.json", algorithms: ["HS256"] }, "HS256 needs token.secret"],
    [{ jwks: "/keys.json", algorithms: ["RS256"] }, "Cannot use token.secret"],
    [{ jwks: "/keys.json", algorithms: ["HS256"] }, "Cannot use token.jwks"],
    [{ algorithms: [] }, "Cannot use token.secret"],
    [{ jwks: "https://ada:pumpkin@127.0.0.1/" }, "without a password"],
    [{ jwks: "https://" }, "Cannot use token.jwks"],
  ];

for (const [options, part] of BAD_OPTIONS) {
  Deno.test(`createTokens() refuses ${JSON.stringify(options)}`, async () => {
    const { message } = await assertRejects(() => testTokens(options), Error, part);
    for (const secret of [SECRET, "pumpkin", "x".repeat(31)]) assert(!message.includes(secret));
  });
}
