import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { Webhook } from "standardwebhooks";
import { createWebhookSecret } from "../signing/secrets.ts";
import { webhookSigner } from "../signing/standard_webhooks.ts";
import { type DemoApp, type DemoAppOptions, startDemoApp } from "./demo_app.ts";

const TIME = "2026-01-02T03:04:05.678Z";

/** A `/send` that keeps what it gets. */
interface FakeChloe extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly headers: Headers; readonly text: string }[];
  /** What it answers. */
  status: number;
}

function startFakeChloe(): FakeChloe {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    handler: async (request) => {
      chloe.requests.push({ headers: request.headers, text: await request.text() });
      const isSend = new URL(request.url).pathname === "/send" && request.method === "POST";
      return Response.json({}, { status: isSend ? chloe.status : 404 });
    },
  });
  const chloe: FakeChloe = {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests: [],
    status: 200,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return chloe;
}

function start(
  options: Partial<DemoAppOptions> & Pick<DemoAppOptions, "chloeUrl">,
): DemoApp {
  return startDemoApp({ port: 0, secrets: [], ...options });
}

function eventOf(data: unknown): string {
  return JSON.stringify({
    type: "message",
    session: "7qIjsS0oJcKeY3db",
    user: null,
    seq: 7,
    boot: "b1c2",
    time: TIME,
    data,
  });
}

/** POSTs an event. @returns The status of the answer. */
async function post(
  url: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "webhook-id": "evt_b1c2_1", ...headers },
    body,
  });
  await response.body?.cancel();
  return response.status;
}

Deno.test("the demo app echoes text to everyone", async () => {
  await using chloe = startFakeChloe();
  await using app = start({ chloeUrl: () => chloe.url });
  assertEquals(await post(app.url, eventOf("größe ☃")), 204);
  assertEquals(await post(`http://127.0.0.1:${app.port}/`, eventOf("hi")), 204);
  assertEquals(chloe.requests.map(({ text }) => JSON.parse(text)), [
    { data: "Handled by the demo app: größe ☃", id: "evt_b1c2_1" },
    { data: "Handled by the demo app: hi", id: "evt_b1c2_1" },
  ]);
  const { headers } = chloe.requests[0]!;
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(headers.get("authorization"), null);
  assertEquals(headers.get("webhook-signature"), null);
});

Deno.test("the demo app echoes data that is not text", async () => {
  await using chloe = startFakeChloe();
  await using app = start({ chloeUrl: chloe.url });
  const each = [{ n: 1 }, [1, "2"], 0, false, null, { demo: null }, { demo: { id: 1 } }];
  for (const data of each) assertEquals(await post(app.url, eventOf(data)), 204);
  assertEquals(
    chloe.requests.map(({ text }) => JSON.parse(text).data),
    each.map((data) => ({ echo: data })),
  );
});

Deno.test("the demo app writes the times of each hop into a status page's line", async () => {
  await using chloe = startFakeChloe();
  await using app = start({ chloeUrl: chloe.url });
  const before = Date.now();
  const sent = before - 0.25;
  const data = { demo: { id: "a1", text: "hello", sent } };
  assertEquals(await post(app.url, eventOf(data)), 204);
  const { received, posted, ...rest } = JSON.parse(chloe.requests[0]!.text).data.demo;
  assertEquals(rest, {
    id: "a1",
    text: "hello",
    session: "7qIjsS0oJcKeY3db",
    sent,
    relayed: Date.parse(TIME),
  });
  assertGreaterOrEqual(received, before);
  assertGreaterOrEqual(posted, received);
  assertLessOrEqual(posted, Date.now() + 1);
});

Deno.test("the demo app takes only what is signed, where it has a secret", async () => {
  await using chloe = startFakeChloe();
  const secret = createWebhookSecret();
  await using app = start({ chloeUrl: chloe.url, secrets: [createWebhookSecret(), secret] });
  const body = eventOf("hi");
  const nowS = Math.floor(Date.now() / 1000);
  const signed = (by: string, timestampS: number, text = body) => ({
    "webhook-timestamp": String(timestampS),
    "webhook-signature": webhookSigner([by])("evt_b1c2_1", timestampS, text),
  });
  assertEquals(await post(app.url, body, signed(secret, nowS)), 204);
  assertEquals(await post(app.url, body), 401);
  assertEquals(await post(app.url, body, signed(createWebhookSecret(), nowS)), 401);
  assertEquals(await post(app.url, body, signed(secret, nowS - 302)), 401);
  assertEquals(await post(app.url, body, signed(secret, nowS, eventOf("ho"))), 401);
  assertEquals(chloe.requests.length, 1);
  assertEquals(chloe.requests[0]!.headers.get("webhook-signature"), null); // unless it is asked for
});

Deno.test("the demo app signs what it sends, or names itself by a key", async () => {
  await using chloe = startFakeChloe();
  const secret = createWebhookSecret();
  await using signing = start({
    chloeUrl: chloe.url,
    secrets: [secret, createWebhookSecret()],
    signSend: true,
    apiKeys: ["chk_1"],
  });
  const body = eventOf("hi");
  const signature = new Webhook(secret).sign("evt_b1c2_1", new Date(), body);
  const timestamp = String(Math.floor(Date.now() / 1000));
  await post(signing.url, body, {
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  });
  await using naming = start({ chloeUrl: chloe.url, apiKeys: ["chk_1", "chk_2"] });
  await post(naming.url, body);

  const [signed, named] = chloe.requests;
  assert(signed !== undefined && named !== undefined);
  assertEquals(
    new Webhook(secret).verify(signed.text, Object.fromEntries(signed.headers)),
    { data: "Handled by the demo app: hi", id: "evt_b1c2_1" },
  );
  assertEquals(signed.headers.get("authorization"), null);
  assertEquals(named.headers.get("authorization"), "Bearer chk_1");
});

Deno.test("the demo app only acknowledges events that are no message", async () => {
  await using chloe = startFakeChloe();
  await using app = start({ chloeUrl: chloe.url });
  const event = { type: "connect", session: "7qIjsS0oJcKeY3db", seq: 1, time: TIME, origin: null };
  assertEquals(await post(app.url, JSON.stringify(event)), 204);
  assertEquals(chloe.requests, []);
});

Deno.test("the demo app refuses what is no event", async () => {
  await using chloe = startFakeChloe();
  await using app = start({ chloeUrl: chloe.url });
  const { data: _, ...noData } = JSON.parse(eventOf("hi"));
  const bodies = ["", "hi", "null", "[]", "{}", '{"type":7}', JSON.stringify(noData)];
  for (const body of bodies) assertEquals(await post(app.url, body), 400, body);
  assertEquals(await post(app.url, new Uint8Array([0xff, 0xfe])), 400);
  assertEquals(await post(app.url, eventOf("x".repeat(1024 * 1024))), 413);
  assertEquals(await post(app.url.replace("/updates", "/other"), eventOf("hi")), 404);
  const get = await fetch(app.url);
  assertEquals(get.status, 405);
  assertMatch(await get.text(), /"code":"method_not_allowed"/);
  assertEquals(chloe.requests, []);
});

Deno.test("the demo app answers 502 where it cannot send, and lives on", async () => {
  const chloe = startFakeChloe();
  await using app = start({ chloeUrl: chloe.url });
  for (const [status, answer] of [[401, 502], [503, 502], [413, 413], [409, 204], [200, 204]]) {
    chloe.status = status!;
    assertEquals(await post(app.url, eventOf("hi")), answer!, `${status}`);
  }
  await chloe[Symbol.asyncDispose]();
  assertEquals(await post(app.url, eventOf("hi")), 502);
});

Deno.test("the demo app shuts down with connections kept open", async () => {
  await using chloe = startFakeChloe();
  const app = start({ chloeUrl: chloe.url });
  assertEquals(await post(app.url, eventOf("hi")), 204); // fetch keeps its connection
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: app.port });
  await app.shutdown();
  silent.close();
  const again = Deno.listen({ hostname: "127.0.0.1", port: app.port }); // the port is free
  again.close();
});

Deno.test("startDemoApp() says which port is taken", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  assertThrows(
    () => startDemoApp({ port, chloeUrl: "http://127.0.0.1:1", secrets: [] }),
    Error,
    `Cannot listen on 127.0.0.1:${port}: `,
  );
});
