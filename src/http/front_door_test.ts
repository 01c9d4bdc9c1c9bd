import { assert, assertEquals, assertThrows } from "@std/assert";
import { createApp } from "./app.ts";
import { Authenticator } from "./authentication.ts";
import { frontDoor } from "./front_door.ts";
import { connectionsBy } from "./proxies.ts";
import { sendEndpoint, sendRoutes } from "./send.ts";
import { MessageSender } from "./sender.ts";

const KEY = "chk_0123456789abcdef";
const JSON_TYPE = { "content-type": "application/json" };
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };

/** A door that counts what goes straight to `/send`. */
function setUp({ apiKeys = [] }: { apiKeys?: readonly string[] } = {}) {
  const endpoint = sendEndpoint({
    sender: new MessageSender({ publisher: { publish: () => 2 }, messageBytes: 1000 }),
    authenticator: new Authenticator({ secrets: [], apiKeys }),
  });
  let straight = 0;
  const handle = frontDoor({
    app: createApp([sendRoutes(endpoint)]),
    send(request, connection) {
      straight++;
      return endpoint(request, connection);
    },
    connectionOf: connectionsBy({ trusted: [], secure: false }),
  });
  return {
    get straight(): number {
      return straight;
    },
    async ask(url: string, init: RequestInit = {}) {
      const bytes = new TextEncoder().encode(String(init.body ?? ""));
      const headers = new Headers({ host: "localhost", ...init.headers as Record<string, string> });
      if (init.method === "POST") headers.set("content-length", String(bytes.length));
      const request = new Request(url, {
        ...init,
        headers,
        ...(init.method === "POST" && { body: bytes }),
      });
      const response = await handle(request, "127.0.0.1");
      // An id that was made for the message differs from one to the next.
      const text = (await response.text()).replaceAll(/"id":"msg_[^"]*"/g, '"id":"made"');
      return [response.status, text, ...[...response.headers].sort().map(String)];
    },
  };
}

const BODIES: readonly (readonly [Record<string, string>, string])[] = [
  [FORM_TYPE, "data=hi"],
  [FORM_TYPE, "channel=x&data=hi"],
  [FORM_TYPE, "channel=x"],
  [FORM_TYPE, ""],
  [FORM_TYPE, `data=${"x".repeat(2000)}`],
  [JSON_TYPE, '{"data":{"n":1}}'],
  [JSON_TYPE, '[{"data":1},{"channel":"x","data":2}]'],
  [JSON_TYPE, '{"data":1,"id":"order-1"}'],
  [JSON_TYPE, '{"data":1,"dota":2}'],
  [JSON_TYPE, "[]"],
  [JSON_TYPE, "{"],
  [{ "content-type": "application/json; charset=utf-8" }, '{"data":1}'],
  [{ "content-type": "text/xml" }, "<data/>"],
  [{}, "data=hi"],
  [{ ...FORM_TYPE, origin: "https://evil.example" }, "data=hi"],
  [{ ...FORM_TYPE, "x-forwarded-for": "192.0.2.1" }, "data=hi"],
  [{ ...FORM_TYPE, authorization: `Bearer ${KEY}` }, "data=hi"],
  [{ ...FORM_TYPE, authorization: "Bearer chk_wrong" }, "data=hi"],
];

Deno.test("frontDoor() answers POST /send as the route does", async () => {
  for (const apiKeys of [[], [KEY]]) {
    for (const [headers, body] of BODIES) {
      const door = setUp({ apiKeys });
      const request = { method: "POST", headers, body };
      // With a query it takes the route's way.
      const byRoute = await setUp({ apiKeys }).ask("http://localhost/send?", request);
      assertEquals(await door.ask("http://localhost/send", request), byRoute, body);
      assertEquals(door.straight, 1);
    }
  }
});

Deno.test("frontDoor() hands over exactly POST /send, and the app has all else", async () => {
  const elsewhere = [
    "/send?",
    "/send?a=/send",
    "/send/",
    "//send",
    "/x/send",
    "/SEND",
    "/",
    "/sen",
  ];
  for (const path of elsewhere) {
    const door = setUp();
    await door.ask(`http://localhost${path}`, {
      method: "POST",
      headers: FORM_TYPE,
      body: "data=1",
    });
    assertEquals(door.straight, 0, path);
  }
  for (const origin of ["http://localhost", "https://[::1]:8901", "http://a", "http://send"]) {
    const door = setUp();
    await door.ask(`${origin}/send`, { method: "POST", headers: FORM_TYPE, body: "data=1" });
    assertEquals(door.straight, 1, origin);
  }
  const door = setUp();
  assertEquals((await door.ask("http://localhost/send"))[0], 405);
  assertEquals(door.straight, 0);
});

Deno.test("frontDoor() refuses a request that could be read in two ways before it is looked at", async () => {
  const door = setUp();
  const [status, text] = await door.ask("http://localhost/send", {
    method: "POST",
    headers: { ...FORM_TYPE, "transfer-encoding": "gzip, chunked" },
    body: "data=1",
  });
  assertEquals([status, door.straight], [400, 0]);
  assert(String(text).includes("Cannot tell where the body ends"));
});

Deno.test("a bug of ours is not answered as if the request were wrong", () => {
  const handle = frontDoor({
    app: createApp([]),
    send() {
      throw new Error("a bug");
    },
    connectionOf: connectionsBy({ trusted: [], secure: false }),
  });
  const request = new Request("http://localhost/send", { method: "POST" });
  assertThrows(() => handle(request, "127.0.0.1"), Error, "a bug");
});
