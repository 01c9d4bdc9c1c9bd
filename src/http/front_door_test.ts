import { assertEquals } from "@std/assert";
import { Hono } from "hono";
import { createApiKey } from "../signing/secrets.ts";
import type { RemoteEnv } from "../web/remote.ts";
import { createApp } from "./app.ts";
import { Authenticator } from "./authentication.ts";
import { frontDoor, type Handler } from "./front_door.ts";
import { type SendEndpoint, sendEndpoint, sendRoutes } from "./send.ts";
import { MessageSender } from "./sender.ts";

const KEY = createApiKey();
const LOCAL = { remoteAddress: "127.0.0.1" };
const JSON_TYPE = { "content-type": "application/json" };
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };
const BEARER = { authorization: `Bearer ${KEY}` };

interface Asked {
  readonly url?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

function setUp(): { send: SendEndpoint; app: Hono<RemoteEnv>; published: unknown[] } {
  const published: unknown[] = [];
  const send = sendEndpoint({
    sender: new MessageSender({
      publisher: { publish: (...what) => published.push(what) },
      messageBytes: 1000,
    }),
    authenticator: new Authenticator({ secrets: [], apiKeys: [KEY] }),
  });
  return { send, app: createApp([sendRoutes(send)]), published };
}

/** Asks each thing of one server, in order. @returns All that one can see of that from outside. */
async function answers(handle: Handler, all: readonly Asked[]): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const { url = "http://127.0.0.1:8901/send", method = "POST", headers = {}, body } of all) {
    const request = new Request(url, {
      method,
      headers: {
        ...(typeof body === "string" && { "content-length": String(body.length) }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? encode(body) : body }),
    });
    const response = await handle(request, LOCAL);
    const text = (await response.text()).replace(/"msg_[\w-]{12}_(\w+)"/g, '"id $1"');
    seen.push([response.status, [...response.headers], text]);
  }
  return seen;
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

const json = { ...BEARER, ...JSON_TYPE };

const REQUESTS: readonly Asked[] = [
  { headers: json, body: '{"channel":"a","data":1}' },
  { headers: json, body: '{"channel":"a","data":"größe \\ud83d"}' },
  { headers: json, body: '{"channel":"a","data":"\ufffd"}' },
  { headers: json, body: '[{"data":1},{"data":2,"id":"a"}]' },
  { headers: json, body: '{"data":2,"id":"a"}' },
  { headers: json, body: '{"data":3,"id":"a"}' },
  { headers: json, body: '{"dat":1}' },
  { headers: json, body: '{"channel":" a","data":1}' },
  { headers: json, body: '{"channel":"a","user":"b","data":1}' },
  { headers: json, body: "{" },
  { headers: json, body: "[]" },
  { headers: json, body: "" },
  { headers: json },
  { headers: json, body: `{"data":"${"x".repeat(1000)}"}` },
  { headers: json, body: "x".repeat(1024 * 1024 + 1) },
  { headers: { ...json, "content-length": "9999999" }, body: "{}" },
  { headers: json, body: new Uint8Array([0x7b, 0xff, 0x7d]) },
  { headers: { ...json, "webhook-id": "r" }, body: '{"data":1}' },
  { headers: { ...json, "webhook-id": "r" }, body: '{"data":1}' },
  { headers: { ...json, "webhook-id": "r" }, body: '{"data":2}' },
  { headers: { ...json, "webhook-id": "x".repeat(201) }, body: '{"data":2}' },
  { headers: { ...json, "content-type": "application/JSON; charset=utf-8" }, body: '{"data":1}' },
  { headers: { ...json, authorization: `bearer  ${KEY} ` }, body: '{"data":1}' },
  { headers: { ...json, authorization: `Bearer ${KEY}x` }, body: '{"data":1}' },
  { headers: { ...json, authorization: `Basic ${KEY}` }, body: '{"data":1}' },
  { headers: JSON_TYPE, body: '{"data":1}' },
  { headers: { ...BEARER, ...FORM_TYPE }, body: "channel=a&data=hi" },
  { headers: { ...BEARER, ...FORM_TYPE }, body: "data=hi&sig=x" },
  { headers: { ...BEARER, ...FORM_TYPE }, body: "" },
  { headers: { ...BEARER, "content-type": "text/plain" }, body: "data=hi" },
  { headers: BEARER },
  { method: "GET" },
  { method: "PUT", headers: json, body: '{"data":1}' },
  ...[
    "http://127.0.0.1:8901/send?x=1",
    "http://127.0.0.1:8901/send?",
    "http://127.0.0.1:8901/send/",
    "http://127.0.0.1:8901//send",
    "http://127.0.0.1:8901/x/send",
    "http://127.0.0.1:8901/?x=/send",
    "http://127.0.0.1:8901/SEND",
    "http://127.0.0.1:8901/%73end",
    "http://127.0.0.1:8901/sendx",
    "http://a/send",
    "http://[::1]/send",
    "https://chloe.example/send",
  ].map((url) => ({ url, headers: json, body: '{"data":1}' })),
];

Deno.test("frontDoor() and the routes give the same answers, and publish the same", async () => {
  const [direct, routed] = [setUp(), setUp()];
  const byDoor = await answers(frontDoor(direct.app, direct.send), REQUESTS);
  const byRoute = await answers((...asked) => routed.app.fetch(...asked), REQUESTS);
  byDoor.forEach((answer, index) => {
    const { body = "", ...asked } = REQUESTS[index]!;
    assertEquals(answer, byRoute[index], `${JSON.stringify(asked)} ${body.slice(0, 100)}`);
  });
  assertEquals(direct.published, routed.published);
});

Deno.test("frontDoor() hands POST /send to its endpoint, and nothing else", async () => {
  const { send } = setUp();
  const app = new Hono<RemoteEnv>().all("*", (c) => c.text("", 418));
  const seen = await answers(frontDoor(app, send), REQUESTS) as [number][];
  const others = REQUESTS.filter((_, index) => seen[index]![0] === 418);
  const isExact = ({ url = "http://a/send", method = "POST" }: Asked) =>
    method === "POST" && /^https?:\/\/[^/]+\/send$/.test(url);
  assertEquals(others, REQUESTS.filter((asked) => !isExact(asked)));
});

Deno.test("frontDoor() answers what fails by a bug, and what has no address", async () => {
  const failing = createApp([]);
  const door = frontDoor(failing, () => Promise.reject(new Error("a bug")));
  const post = new Request("http://localhost/send", { method: "POST" });
  const failed = await door(post, LOCAL);
  assertEquals([failed.status, (await failed.json()).error.code], [500, "internal"]);
  const nameless = {
    method: "POST",
    get url(): string {
      throw new TypeError("Invalid URL");
    },
  } as Request;
  const refused = await door(nameless, LOCAL);
  assertEquals([refused.status, (await refused.json()).error.code], [400, "bad_request"]);
});
