import { assertEquals, assertMatch } from "@std/assert";
import { Webhook } from "standardwebhooks";
import type { Target } from "../hub/hub_options.ts";
import { legacySignature } from "../signing/legacy_signature.ts";
import { createApiKey, createWebhookSecret } from "../signing/secrets.ts";
import { Authenticator, type AuthenticatorOptions } from "./authentication.ts";
import { SendCounters, sendEndpoint, sendRoutes } from "./send.ts";
import { SendLimit } from "./send_limit.ts";
import { MessageSender } from "./sender.ts";

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

function setUp(
  { isOpen, limit, ...auth }: Partial<AuthenticatorOptions> & {
    isOpen?(): boolean;
    limit?: SendLimit;
  } = {},
) {
  const published: [Target, string, string | undefined][] = [];
  const counters = new SendCounters();
  const routes = sendRoutes(sendEndpoint({
    sender: new MessageSender({
      publisher: { publish: (...args) => published.push(args as typeof published[0]) },
      messageBytes: 64 * 1024,
    }),
    authenticator: new Authenticator({ secrets: [], apiKeys: [], ...auth }),
    counters,
    ...(isOpen && { isOpen }),
    ...(limit && { limit }),
  }));
  return {
    published,
    counters,
    async post(
      body: BodyInit,
      { type = FORM_TYPE, headers = {}, remoteAddress = "127.0.0.1" }: {
        type?: string | null;
        headers?: Record<string, string>;
        remoteAddress?: string;
      } = {},
    ) {
      const response = await routes.request("/send", {
        method: "POST",
        body: typeof body === "string" ? new TextEncoder().encode(body) : body,
        headers: { host: "localhost", ...(type !== null && { "content-type": type }), ...headers },
      }, { remoteAddress });
      const text = await response.text();
      const isError = response.status !== 200;
      return {
        status: response.status,
        type: response.headers.get("content-type"),
        text,
        code: isError ? JSON.parse(text).error.code as string : null,
        message: isError ? JSON.parse(text).error.message as string : "",
      };
    },
  };
}

Deno.test("/send answers a form with success", async () => {
  const { post, published } = setUp();
  const { status, text, type } = await post("channel=/pumpkin&data=Trotter+%C3%BC");
  assertEquals([status, text], [200, "success"]);
  assertMatch(type!, /^text\/plain/);
  assertEquals(published, [[{ kind: "channel", channel: "pumpkin" }, '"Trotter ü"', undefined]]);
});

Deno.test("/send answers JSON with the id and whom it matched", async () => {
  const { post, published } = setUp();
  const body = '{"channel":"pumpkin","data":{"n":1},"except":"s1","id":"order-42"}';
  const { text, type } = await post(body, { type: "application/JSON; charset=utf-8" });
  assertEquals(JSON.parse(text), { id: "order-42", matched: 1 });
  assertMatch(type!, /^application\/json/);
  assertEquals(published, [[{ kind: "channel", channel: "pumpkin" }, '{"n":1}', "s1"]]);
});

Deno.test("/send takes what is not UTF-8 as fetch does, with an id or without", async () => {
  const { post, published } = setUp();
  const body = Uint8Array.of(...new TextEncoder().encode('{"data":"caf'), 0xe9, 0x22, 0x7d);
  assertEquals((await post(body, { type: JSON_TYPE })).status, 200);
  const headers = { "webhook-id": "1" };
  assertEquals((await post(body, { type: JSON_TYPE, headers })).status, 200);
  assertEquals(published.map(([, data]) => data), ['"caf\ufffd"', '"caf\ufffd"']);
});

Deno.test("/send answers a list with a list", async () => {
  const { post, published } = setUp();
  const { text } = await post('[{"data":1,"id":"a"},{"user":"ann","data":2}]', { type: JSON_TYPE });
  const [first, second] = JSON.parse(text);
  assertEquals(first, { id: "a", matched: 1 });
  assertMatch(second.id, /^msg_/);
  assertEquals(published.map(([target]) => target.kind), ["all", "user"]);
});

Deno.test("/send sends nothing of a list in which one message is wrong", async () => {
  const { post, published, counters } = setUp();
  const { status, message } = await post('[{"data":1},{"data":2,"chanel":"x"}]', {
    type: JSON_TYPE,
  });
  assertEquals([status, message.split(":")[0]], [400, '[1]."chanel"']);
  assertEquals(published, []);
  assertEquals([counters.requests, counters.messages, counters.refused], [1, 0, { 400: 1 }]);
});

Deno.test("/send names what is wrong with a body", async () => {
  const { post, published } = setUp();
  const cases: [string | Uint8Array<ArrayBuffer>, string, string][] = [
    ["", FORM_TYPE, "data: "],
    ["channel=x", FORM_TYPE, "data: "],
    ["data=1&channel=x&user=y", FORM_TYPE, "user: "],
    ["data=1&other=x", FORM_TYPE, '"other": '],
    ["", JSON_TYPE, "body: "],
    ["{", JSON_TYPE, "body: "],
    ["[]", JSON_TYPE, "body: "],
    ["7", JSON_TYPE, "body: "],
    ["[7]", JSON_TYPE, "[0]: "],
    [new Uint8Array([0x22, 0xff, 0x22]), JSON_TYPE, "body: "],
  ];
  for (const [body, type, start] of cases) {
    const { status, code, message } = await post(body, { type });
    assertEquals([status, code, message.slice(0, start.length)], [400, "bad_request", start]);
  }
  assertEquals(published, []);
});

Deno.test("/send takes forms and JSON, nothing else", async () => {
  const { post } = setUp();
  for (const type of [null, "text/plain", "multipart/form-data; boundary=x", "application/jsonx"]) {
    const { status, code } = await post("data=1", { type });
    assertEquals([status, code], [415, "unsupported_media_type"], `${type}`);
  }
});

Deno.test("/send bounds a message, and a body", async () => {
  const { post, published } = setUp();
  assertEquals((await post(`data=${"x".repeat(64 * 1024 - 2)}`)).status, 200);
  const long = await post(`data=${"x".repeat(64 * 1024 - 1)}`);
  assertEquals([long.status, long.code], [413, "too_large"]);
  assertMatch(long.message, /^data: /);
  const list = JSON.stringify(Array(20).fill({ data: "x".repeat(50_000) }));
  assertEquals((await post(list, { type: JSON_TYPE })).status, 200);
  const longer = JSON.stringify(Array(22).fill({ data: "x".repeat(50_000) }));
  const tooLong = await post(longer, { type: JSON_TYPE });
  assertEquals([tooLong.status, tooLong.code], [413, "too_large"]);
  // The length in the header counts, and what comes without one is counted.
  const stated = { "content-length": String(longer.length) };
  assertEquals((await post(longer, { type: JSON_TYPE, headers: stated })).status, 413);
  assertEquals(published.length, 21);
});

Deno.test("/send lets in by key, by signature, and by the form member of 2011", async () => {
  const [secret, key] = [createWebhookSecret(), createApiKey()];
  const legacy = { secret: "ThisIsSecret", from: ["loopback"] };
  const { post, published } = setUp({ secrets: [secret], apiKeys: [key], legacy });
  const body = "data=gr%C3%B6%C3%9Fe";
  const now = new Date();
  const signed = {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign("msg_1", now, body),
  };
  assertEquals((await post(body, { headers: { authorization: `Bearer ${key}` } })).status, 200);
  assertEquals((await post(body, { headers: signed })).status, 200);
  const sig = legacySignature("größe", legacy.secret);
  assertEquals((await post(`${body}&sig=${sig}`)).status, 200);
  assertEquals(published.length, 3);

  const refused = [
    await post(body),
    await post(body, { headers: { authorization: "Bearer wrong" } }),
    await post(`${body}x`, { headers: signed }),
    await post(`${body}x&sig=${sig}`),
    await post(`${body}&sig=${sig}`, { remoteAddress: "192.0.2.1" }),
    await post(JSON.stringify({ data: "größe", sig }), { type: JSON_TYPE }),
    await post("data=1&nonsense", { remoteAddress: "192.0.2.1" }),
  ];
  assertEquals(refused.map(({ status, code }) => `${status} ${code}`), [
    ...Array(7).fill("401 unauthorized"),
  ]);
  assertEquals(published.length, 3);
});

Deno.test("/send answers the same signed request again and sends it once", async () => {
  const secret = createWebhookSecret();
  const { post, published } = setUp({ secrets: [secret] });
  const sign = (body: string) => {
    const now = new Date();
    return {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": new Webhook(secret).sign("msg_1", now, body),
    };
  };
  const bad = '{"dta":1}';
  assertEquals((await post(bad, { type: JSON_TYPE, headers: sign(bad) })).status, 400);
  const body = '[{"data":1},{"data":2}]';
  const first = await post(body, { type: JSON_TYPE, headers: sign(body) });
  const again = await post(body, { type: JSON_TYPE, headers: sign(body) });
  assertEquals([first.status, again.text], [200, first.text]);
  assertEquals(published.length, 2);
  const other = await post("[]", { type: JSON_TYPE, headers: sign("[]") });
  assertEquals(other.status, 400);
  const reused = '{"data":3}';
  const conflict = await post(reused, { type: JSON_TYPE, headers: sign(reused) });
  assertEquals([conflict.status, conflict.code], [409, "conflict"]);
});

Deno.test("/send answers the same id again and sends it once, in a form too", async () => {
  const { post, published } = setUp();
  for (let n = 0; n < 2; n++) assertEquals((await post("data=1&id=a")).text, "success");
  assertEquals(published.length, 1);
  const conflict = await post("data=2&id=a");
  assertEquals([conflict.status, conflict.code], [409, "conflict"]);
  assertMatch(conflict.message, /^id: /);
});

Deno.test("/send refuses a request id that is too long to be remembered", async () => {
  const { post } = setUp();
  const { status, message } = await post("data=1", { headers: { "webhook-id": "x".repeat(201) } });
  assertEquals([status, message.split(":")[0]], [400, "webhook-id"]);
});

Deno.test("/send is closed while the server shuts down", async () => {
  const { post, published } = setUp({ isOpen: () => false });
  const { status, code } = await post("data=1");
  assertEquals([status, code, published], [503, "unavailable", []]);
});

Deno.test("/send says that it takes POST alone", async () => {
  const routes = sendRoutes(sendEndpoint({
    sender: new MessageSender({ publisher: { publish: () => 0 }, messageBytes: 1 }),
    authenticator: new Authenticator({ secrets: [], apiKeys: [] }),
  }));
  const response = await routes.request("/send");
  assertEquals([response.status, response.headers.get("allow")], [405, "POST"]);
  await response.text();
});

Deno.test("/send counts for a key's limit what is wrong as well", async () => {
  const limitOf1 = () => new SendLimit({ perSecond: 1, hits: { sendPerSecond: 0 }, now: () => 0 });
  const wrong = [
    { type: JSON_TYPE, headers: { "webhook-id": "x".repeat(201) } },
    { type: JSON_TYPE, headers: { "webhook-id": "1" } },
    { type: JSON_TYPE },
    { type: FORM_TYPE },
  ];
  for (const request of wrong) {
    const { post } = setUp({ limit: limitOf1() });
    assertEquals((await post("{", request)).status, 400);
    assertEquals((await post("{", request)).status, 429);
  }
});
