/**
 * Who is connecting: the connection's token, from its first look to its end.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { json } from "../support/misbehaving_app.ts";
import { post } from "../support/polls.ts";
import { startTestServer } from "../support/server.ts";
import {
  ConnectRefused,
  SessionClient,
  type TransportName,
  TRANSPORTS,
} from "../support/session_client.ts";
import {
  begun,
  conformance,
  conformanceAtOnce,
  makeToken,
  nextOf,
  secondsFromNow,
  seen,
  subscribe,
  take,
  TOKEN_SECRET,
  verdict,
  type Walk,
} from "./_walk.ts";

/** How it turns out to connect: `ok`; or the code, and the HTTP status or close code. */
async function connecting(
  { server, transport }: Pick<Walk, "server" | "transport">,
  token: string | undefined,
): Promise<string> {
  await using client = new SessionClient(server);
  try {
    await client.connect(transport, token === undefined ? {} : { token });
    return "ok";
  } catch (error) {
    if (!(error instanceof ConnectRefused)) throw error;
    const spoken = transport === "websocket" ? client.log[0] : JSON.parse(error.text);
    return `${spoken.error.code} ${error.code}`;
  }
}

/** What tells a browser that a token is bad, and that it has ended. */
function refusals(transport: TransportName): { readonly bad: string; readonly expired: string } {
  return transport === "websocket"
    ? { bad: "bad_token 3502", expired: "token_expired 3006" }
    : { bad: "bad_token 401", expired: "token_expired 401" };
}

conformance("a token names the user, and the channels to be in from the start", async (walk) => {
  const token = await makeToken({
    sub: "ada",
    channels: ["closed:ada", "/who:1", "private:ada"],
    info: { name: "Ada" },
    exp: secondsFromNow(600),
  });
  const bob = await walk.tab("bob", { subscribe: { "who:1": {} } });
  const [ada, other] = [await walk.tab(null, { token }), await walk.tab(null, { token })];
  const { subscribed, expires } = ada.connected!;
  assert(expires! > 590 && expires! <= 600, `${expires}`);
  assertEquals(Object.keys(subscribed), ["closed:ada", "who:1", "private:ada"]);
  const member = { session: ada.session, user: "ada", info: { name: "Ada" } };
  assertEquals(subscribed["who:1"]?.presence, {
    count: 2,
    members: [{ session: bob.session, user: "bob" }, member],
  });
  assertEquals(await seen(bob, "join", ada), member);

  assertEquals(await walk.server.send({ user: "ada", data: "for Ada" }), 2);
  assertEquals(await walk.server.send({ channel: "closed:ada", data: "too" }), 2);
  for (const tab of [ada, other]) assertEquals(await take(tab, 2), ["for Ada", "too"]);
  assertEquals(bob.connected!.expires, undefined);

  walk.app.behave(json({ reply: "Hello, Ada" }));
  await ada.send("Who am I?");
  assertEquals(JSON.parse(walk.app.received[0]!.body).user, "ada");
});

conformance(
  "a token that is not good lets nobody in, and nobody is told why but its page",
  async (walk) => {
    const { transport } = walk;
    const { bad, expired } = refusals(transport);
    const unsigned = new UnsecuredJWT({ sub: "ada", aud: "conformance" }).encode();
    const anotherAlgorithm = new SignJWT({ sub: "ada", aud: "conformance" })
      .setProtectedHeader({ alg: "HS512" }).sign(new TextEncoder().encode(TOKEN_SECRET));
    const claims: Record<string, [JWTPayload, string]> = {
      expired: [{ exp: secondsFromNow(-60) }, expired],
      "of the future": [{ nbf: secondsFromNow(600) }, bad],
      "issued in the future": [{ iat: secondsFromNow(600) }, bad],
      "for another audience": [{ aud: "others" }, bad],
      "for nobody in particular": [{ aud: [] }, bad],
      huge: [{ more: "x".repeat(9000) }, bad],
      "a channel's": [{ channel: "room:1" }, bad],
      "several channels'": [{ pattern: "room:*" }, bad],
      "of a user without a name": [{ sub: "" }, bad],
      "for a channel that is none": [{ channels: [" "] }, bad],
      "for a channel that is reserved": [{ channels: ["/all"] }, bad],
      "with too much info": [{ info: "x".repeat(1100) }, bad],
      "that ended before time began": [{ exp: -1 }, expired],
    };
    for (const [name, [more, expected]] of Object.entries(claims)) {
      assertEquals(
        await connecting(walk, await makeToken({ sub: "ada", ...more })),
        expected,
        name,
      );
    }
    const others: Record<string, string> = {
      "by another secret": await makeToken({ sub: "ada" }, "x".repeat(40)),
      unsigned,
      "by another algorithm": await anotherAlgorithm,
      text: "hello",
      "nothing at all": "",
    };
    for (const [name, token] of Object.entries(others)) {
      assertEquals(await connecting(walk, token), bad, name);
    }
    assertEquals(await walk.server.send({ data: "Is anybody there?" }), 0);
    assertEquals(
      await connecting(walk, undefined),
      "ok",
      "a token is required only where that is set",
    );
  },
);

conformance("nobody gets in without a token where one is required", async (walk) => {
  assertEquals(await connecting(walk, undefined), refusals(walk.transport).bad);
  assertEquals(await connecting(walk, await makeToken({ sub: "ada" })), "ok");
}, { config: { token: { required: true } } });

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: a public key is no secret`, async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...await exportJWK(publicKey), alg: "RS256", kid: "one" };
    const jwks = await Deno.makeTempFile({ suffix: ".json" });
    try {
      await Deno.writeTextFile(jwks, JSON.stringify({ keys: [jwk] }));
      await using server = await startTestServer({ token: { jwks, secret: [TOKEN_SECRET] } });
      const by = (key: CryptoKey | Uint8Array, header: { alg: string; kid?: string }) =>
        new SignJWT({ sub: "ada" }).setProtectedHeader(header).sign(key);
      const text = (value: string) => new TextEncoder().encode(value);
      const { bad } = refusals(transport);
      const walk = { server, transport };
      assertEquals(
        await connecting(walk, await by(privateKey, { alg: "RS256", kid: "one" })),
        "ok",
      );
      assertEquals(await connecting(walk, await by(privateKey, { alg: "RS256", kid: "two" })), bad);
      for (const key of [jwk.n!, JSON.stringify(jwk)]) {
        assertEquals(
          await connecting(walk, await by(text(key), { alg: "HS256", kid: "one" })),
          bad,
        );
      }
      assertEquals(await connecting(walk, await by(text(TOKEN_SECRET), { alg: "HS256" })), "ok");
    } finally {
      await Deno.remove(jwks);
    }
  });
}

conformanceAtOnce(
  "a connection ends with its token, and goes on with a new one: nothing is lost",
  async (walk) => {
    const { server, transport } = walk;
    const subscribe = { "room:1": {} };
    const next = await makeToken({ sub: "ada", exp: secondsFromNow(6000) });
    const token = await makeToken({ sub: "ada", exp: secondsFromNow(4) });
    // Who is to outlive it first: a slow machine has those seconds for it.
    const wary = await walk.tab(null, { token, subscribe });
    const { expires } = (await refresh(wary, next)) as { expires: number };
    assert(expires > 5900 && expires <= 6000, `${expires}`);
    const quiet = await walk.tab(null, { token, subscribe });

    const { bye } = await nextOf(quiet, "bye");
    assertEquals([bye.code, bye.reconnect], [3006, true]);
    if (transport === "websocket") assertEquals((await quiet.ended).code, 3006);
    assertEquals(await server.send({ channel: "room:1", data: "while one is away" }), 2);
    assertEquals(await wary.nextData(), "while one is away", "a refreshed one goes on");

    const { code } = await assertRejects(() => quiet.resume(transport), ConnectRefused);
    assertEquals(code, transport === "websocket" ? 3006 : 401);
    for (const path of ["/chloe/poll", "/chloe/up"]) {
      const { status, text } = await post(server, path, [{ resume: quiet.secret, received: 0 }]);
      assertEquals([status, JSON.parse(text).error.code], [401, "token_expired"], path);
    }
    const connected = await quiet.resume(transport, { token: next });
    assertEquals([connected.resumed, connected.expires! > 5900], [true, true]);
    assertEquals(await server.send({ channel: "room:1", data: "and after" }), 2);
    assertEquals(await take(quiet, 2), ["while one is away", "and after"]);
    assertEquals(await wary.nextData(), "and after");
  },
);

conformanceAtOnce(
  "the next token decides in which channels of the last one its session stays",
  async (walk) => {
    const { server, transport } = walk;
    const channels = ["closed:1", "closed:2", "log:1", "meter:1"];
    const next = await makeToken({ sub: "ada", channels: channels.slice(0, 1) });
    const token = await makeToken({ sub: "ada", channels, exp: secondsFromNow(4) });
    const wary = await walk.tab(null, { token });
    await refresh(wary, next);
    for (const channel of channels.slice(1, 2)) {
      assertEquals((await nextOf(wary, "unsubscribed")).channel, channel);
    }
    const quiet = await walk.tab(null, { token });
    await nextOf(quiet, "bye");
    for (const channel of channels) await server.send({ channel, data: `${channel} while away` });
    assertEquals((await quiet.resume(transport, { token: next })).resumed, true);
    assertEquals(await server.send({ channel: "closed:1", data: "and after" }), 2);
    for (const tab of [quiet, wary]) {
      const open = channels.slice(2).map((channel) => `${channel} while away`);
      assertEquals(await take(tab, 4), ["closed:1 while away", ...open, "and after"]);
    }
    assertEquals((await nextOf(quiet, "unsubscribed")).channel, "closed:2");
    assertEquals(await server.send({ channel: "closed:2", data: 1 }), 0);
  },
);

/** Gives a session a new token. @returns What the answer says. */
async function refresh(client: SessionClient, token: string): Promise<unknown> {
  const reply = await client.reply(client.command({ refresh: { token } }));
  return "ok" in reply ? reply.ok : verdict(begun(reply));
}

conformance("refresh: a bad token, or another user's, changes nothing", async (walk) => {
  const { ada: [ada], bob: [bob] } = await walk.browsers();
  const expired = await makeToken({ sub: "ada", exp: secondsFromNow(-60) });
  assertEquals(await refresh(ada, "hello"), "bad_token");
  assertEquals(await refresh(ada, expired), "token_expired, retry");
  assertEquals(await refresh(ada, await makeToken({ sub: "bob" })), "bad_token");
  assertEquals(await refresh(ada, await makeToken({})), "bad_token");
  assertEquals(await refresh(ada, await makeToken({ sub: "ada" })), {});
  assertEquals(await walk.server.send({ user: "ada", data: "still her" }), 2);
  assertEquals(await ada.nextData(), "still her");
  assertEquals(await walk.server.send({ user: "bob", data: "still him" }), 2);
  assertEquals(await bob.nextData(), "still him");
});

conformance("a session is never brought back as another user's", async (walk) => {
  const ada = await walk.tab("ada", { subscribe: { "who:1": {} } });
  const { session } = ada;
  const connected = await ada.resume(walk.transport, { token: await makeToken({ sub: "bob" }) });
  assertEquals([connected.resumed, connected.session === session], [false, false]);
  assertEquals((await subscribe(ada, "who:2")).presence?.members?.map(({ user }) => user), ["bob"]);
});

conformanceAtOnce(
  "a channel's token is renewed before it ends: its reader is told in time, and nobody sees it leave",
  async (walk) => {
    const { server } = walk;
    const [ada, bob] = [await walk.tab("ada"), await walk.tab("bob")];
    await subscribe(bob, "private:1", { token: await makeToken({ channel: "private:1" }) });
    const tokenFor = (seconds: number) => {
      return makeToken({ channel: "private:1", exp: secondsFromNow(seconds) });
    };
    assertEquals(
      (await subscribe(ada, "private:1", { token: await tokenFor(8) })).recovered,
      undefined,
    );
    const { expires } = await nextOf(ada, "expires");
    assert(expires > 0 && expires <= 5, `${expires}`);
    const renewed = await subscribe(ada, "private:1", { token: await tokenFor(600) });
    assertEquals(renewed.recovered, true);
    // The old token's end is told to who has nothing better: that time passes here.
    const { bye } = await nextOf(
      await walk.tab(null, { token: await makeToken({ sub: "eve", exp: secondsFromNow(8) }) }),
      "bye",
    );
    assertEquals(bye.code, 3006);
    assertEquals(await server.send({ channel: "private:1", data: "still here" }), 2);
    for (const tab of [ada, bob]) assertEquals(await tab.nextData(), "still here");
    for (const tab of [ada, bob]) {
      assertEquals(tab.log.filter((frame) => "leave" in frame || "unsubscribed" in frame), []);
    }
  },
);
