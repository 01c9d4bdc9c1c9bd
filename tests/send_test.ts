/**
 * `POST /send` as it crosses the socket: what reaches the browsers, and who is let in.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { Authenticator } from "../src/http/authentication.ts";
import { sendEndpoint, sendRoutes } from "../src/http/send.ts";
import { MessageSender } from "../src/http/sender.ts";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { legacySignature } from "../src/signing/legacy_signature.ts";
import { ask, type RequestOptions, writeAll } from "./support/http.ts";
import { type Address, startTestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { eventually, within } from "./support/within.ts";

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const JSON_TYPE = { "content-type": "application/json" };

function post(address: Address, body: string, headers: RequestOptions["headers"] = FORM) {
  return ask(address, "/send", { method: "POST", headers: { ...FORM, ...headers }, body });
}

/** The status of a refusal and the member, or the first words, that its message begins with. */
async function refusal(
  address: Address,
  body: string,
  headers: RequestOptions["headers"] = FORM,
): Promise<[number, string]> {
  const { status, text } = await post(address, body, headers);
  const { error } = JSON.parse(text);
  assert(typeof error.code === "string" && error.code !== "");
  return [status, error.message.split(":")[0]];
}

async function connect(address: Address, channels: readonly string[] = []) {
  const client = new SessionClient(address);
  await client.connect("websocket", {
    subscribe: Object.fromEntries(channels.map((channel) => [channel, {}])),
  });
  return client;
}

/** Sends a last message to everyone, and gives what came before it. */
async function messagesUntilNow(address: Address, client: SessionClient): Promise<unknown[]> {
  await post(address, "data=the+end");
  const seen: unknown[] = [];
  for (;;) {
    const data = await client.nextData();
    if (data === "the end") return seen;
    seen.push(data);
  }
}

Deno.test("/send reaches everyone, a channel, channels, a session, and all but one", async () => {
  await using server = await startTestServer();
  await using ann = await connect(server, ["x", "y"]);
  await using bob = await connect(server, ["y"]);
  const send = async (message: unknown) =>
    JSON.parse((await post(server, JSON.stringify(message), JSON_TYPE)).text).matched;
  assertEquals(await send({ data: 1 }), 2);
  assertEquals(await send({ data: 2, channel: "/x" }), 1);
  assertEquals(await send({ data: 3, channels: ["x", "y"] }), 3);
  assertEquals(await send({ data: 4, session: bob.session }), 1);
  assertEquals(await send({ data: 5, channel: "y", except: ann.session }), 1);
  assertEquals(await send({ data: 6, channel: "nobody" }), 0);
  assertEquals(await send({ data: 7, session: "nobody" }), 0);
  assertEquals(await send({ data: 8, user: "nobody" }), 0);
  const form = await post(server, "channel=y&data=%7B%22a%22%3A+1%7D");
  assertEquals([form.status, form.text], [200, "success"]);
  assertEquals(await messagesUntilNow(server, ann), [1, 2, 3, 3, '{"a": 1}']);
  assertEquals(await messagesUntilNow(server, bob), [1, 3, 4, 5, '{"a": 1}']);
});

Deno.test("/send refuses bad input, names what is wrong, and sends nothing", async () => {
  await using server = await startTestServer();
  await using client = await connect(server);
  const long = "x".repeat(65_536);
  const text = JSON.stringify;
  const json = JSON_TYPE;
  assertEquals(await refusal(server, ""), [400, "data"]);
  assertEquals(await refusal(server, "channel=x"), [400, "data"]);
  assertEquals(await refusal(server, "data=1&channel=x&session=s"), [400, "session"]);
  assertEquals(await refusal(server, text({ data: 1, channel: "x", user: "u" }), json), [
    400,
    "user",
  ]);
  assertEquals(await refusal(server, text({ data: 1, chanel: "x" }), json), [400, '"chanel"']);
  assertEquals(await refusal(server, text([{ data: 1 }, { data: 2, id: 2 }]), json), [
    400,
    "[1].id",
  ]);
  assertEquals((await refusal(server, "{", json))[0], 400);
  assertEquals(await refusal(server, `data=${long}`), [413, "data"]);
  assertEquals((await refusal(server, "data=1&data=2"))[0], 400);
  for (const type of ["text/plain", "multipart/form-data; boundary=x", "application/xml", null]) {
    assertEquals((await refusal(server, "data=1", { "content-type": type }))[0], 415);
  }
  assertEquals((await ask(server, "/send")).status, 405);
  assertEquals(await messagesUntilNow(server, client), []);
});

Deno.test("/send refuses a body over 1 MiB, whatever it says of its length", async () => {
  await using server = await startTestServer();
  const body = `data=1&channel=${"x".repeat(1024 * 1024)}`;
  assertEquals((await refusal(server, body))[0], 413);
  // In chunks, for ever: it is cut once it is too long.
  const conn = await Deno.connect(server);
  const head = "POST /send HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n" +
    "content-type: application/x-www-form-urlencoded\r\n\r\n";
  await writeAll(conn, new TextEncoder().encode(head));
  const chunk = new TextEncoder().encode(`10000\r\n${"x".repeat(0x10000)}\r\n`);
  const written = (async () => {
    for (let n = 0; n < 1000; n++) await writeAll(conn, chunk);
  })().catch(() => {}); // the server stops reading
  const answer = new Uint8Array(1024);
  const length = await within(conn.read(answer), "an answer to an endless body");
  assertMatch(new TextDecoder().decode(answer.subarray(0, length ?? 0)), /^HTTP\/1.1 413 /);
  conn.close();
  await written;
});

Deno.test("/send does once what comes again with the same id", async () => {
  await using server = await startTestServer();
  await using client = await connect(server);
  const body = '{"data":"once","id":"order-42"}';
  const [first, again] = [
    await post(server, body, JSON_TYPE),
    await post(server, body, JSON_TYPE),
  ];
  assertEquals([first.status, first.text], [200, again.text]);
  assertEquals(JSON.parse(first.text), { id: "order-42", matched: 1 });
  const other = await post(server, '{"data":"other","id":"order-42"}', JSON_TYPE);
  assertEquals(other.status, 409);
  assertEquals((await post(server, '{"id":"order-43"}', JSON_TYPE)).status, 400);
  // The refused request used up no id.
  assertEquals((await post(server, '{"data":"two","id":"order-43"}', JSON_TYPE)).status, 200);
  assertEquals(await messagesUntilNow(server, client), ["once", "two"]);
});

Deno.test("/send lets in by key, by signature and by the form of 2011, and nobody else", async () => {
  const [secret, key] = [createWebhookSecret(), createApiKey()];
  await using server = await startTestServer({
    secret,
    api_keys: [key],
    legacy: { secret: "ThisIsSecret" },
  });
  const bearer = { authorization: `Bearer ${key}` };
  const body = JSON.stringify({ data: "größe" });
  const signedAt = (atMs: number) => ({
    ...JSON_TYPE,
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(atMs / 1000)),
    "webhook-signature": new Webhook(secret).sign("msg_1", new Date(atMs), body),
  });
  const fresh = signedAt(Date.now());
  assertEquals((await post(server, "data=1", bearer)).status, 200);
  assertEquals((await post(server, body, fresh)).status, 200);
  assertEquals(
    (await post(server, `data=1&sig=${legacySignature("1", "ThisIsSecret")}`)).status,
    200,
  );
  assertEquals((await refusal(server, "data=1"))[0], 401);
  assertEquals((await refusal(server, "data=1", { authorization: `Bearer ${key}x` }))[0], 401);
  assertEquals((await refusal(server, `${body} `, fresh))[0], 401);
  assertEquals(
    await refusal(server, body, signedAt(Date.now() - 400_000)),
    [401, "webhook-timestamp"],
  );
  assertEquals((await refusal(server, "data=1&sig=0123456789abcdef0123456789abcdef"))[0], 401);
  assertEquals(
    (await refusal(server, '{"data":1,"sig":"x"}', JSON_TYPE))[0],
    401,
  );
});

Deno.test("/send without secret and key is open to this machine's programs alone", async () => {
  await using server = await startTestServer();
  await using client = await connect(server);
  assertEquals((await post(server, "data=local")).status, 200);
  assertEquals((await post(server, "data=named", { host: "localhost" })).status, 200);
  const strangers: Record<string, string>[] = [
    { host: "rebound.example.com" },
    { origin: "https://example.com" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { forwarded: "for=192.0.2.1" },
    { "x-forwarded-for": "192.0.2.1" },
    { via: "1.1 proxy" },
  ];
  for (const headers of strangers) {
    assertEquals((await refusal(server, "data=stranger", headers))[0], 401);
  }
  assertEquals(await messagesUntilNow(server, client), ["local", "named"]);
});

Deno.test("/send is open while a server that shuts down waits for the app", async () => {
  const [arrived, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let status = 0;
  await using app = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      await request.text();
      arrived.resolve();
      await go.promise;
      ({ status } = await post(server, "data=late"));
      return new Response(null, { status: 204 });
    },
  );
  await using server = await startTestServer({
    app: { url: `http://127.0.0.1:${app.addr.port}/` },
  });
  await using client = await connect(server);
  const reply = client.send("hi");
  await arrived.promise;
  const stopped = server.shutdown();
  await eventually(
    async () => (await ask(server, "/readyz")).status === 503 || undefined,
    "a server that shuts down",
  );
  go.resolve();
  assertEquals(await client.nextData(), "late");
  assert("ok" in await reply);
  assertEquals(status, 200);
  await stopped;
});

/** `/send` alone, with a body timeout that a test can wait for. */
function startSendServer(bodyTimeoutMs: number) {
  const published: string[] = [];
  const routes = sendRoutes(sendEndpoint({
    sender: new MessageSender({
      publisher: { publish: (_target, data) => published.push(data) },
      messageBytes: 64 * 1024,
    }),
    authenticator: new Authenticator({ secrets: [], apiKeys: [] }),
    bodyTimeoutMs,
  }));
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request, info) => routes.fetch(request, { remoteAddress: info.remoteAddr.hostname }),
  );
  return {
    address: { hostname: "127.0.0.1", port: server.addr.port },
    published,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Begins requests whose bodies stall. */
function stallBodies(address: Address, framing: string): Promise<Deno.Conn[]> {
  return Promise.all(Array.from({ length: 20 }, async () => {
    const conn = await Deno.connect({ hostname: address.hostname, port: address.port });
    const head = `POST /send HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n` +
      "content-type: application/x-www-form-urlencoded\r\n\r\n";
    const start = framing.startsWith("content") ? "data=" : "5\r\ndata=\r\n";
    await writeAll(conn, new TextEncoder().encode(head + start));
    return conn;
  }));
}

for (const framing of ["content-length: 100", "transfer-encoding: chunked"]) {
  Deno.test(`/send cuts a body that stalls (${framing})`, async () => {
    await using server = startSendServer(100);
    const conns = await stallBodies(server.address, framing);
    const statuses = await Promise.all(conns.map(async (conn) => {
      const answer = new Uint8Array(1024);
      const length = await within(conn.read(answer), "an answer to a body that stalls");
      return new TextDecoder().decode(answer.subarray(0, length ?? 0)).split(" ")[1];
    }));
    assertEquals(statuses, Array(20).fill("408"));
    for (const conn of conns) conn.close();
    assertEquals(server.published, []);
  });

  Deno.test(`/send serves others while bodies stall (${framing})`, async () => {
    await using server = startSendServer(600_000);
    const conns = await stallBodies(server.address, framing);
    assertEquals((await post(server.address, "data=hi")).status, 200);
    for (const conn of conns) conn.close();
    assertEquals(server.published, ['"hi"']);
  });
}

Deno.test("/send takes a body that comes in pieces, and shrugs off one that breaks off", async () => {
  await using server = startSendServer(10_000);
  const head = "POST /send HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n" +
    "content-type: application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\n";
  const encoder = new TextEncoder();
  const gone = await Deno.connect(server.address);
  await writeAll(gone, encoder.encode(`${head}data=`));
  gone.close();
  const conn = await Deno.connect(server.address);
  for (const piece of [head.slice(0, 60), head.slice(60), "data=", "he", "llo"]) {
    await writeAll(conn, encoder.encode(piece));
    await post(server.address, "data=between");
  }
  const answer = new Uint8Array(1024);
  const length = await within(conn.read(answer), "an answer");
  assertMatch(new TextDecoder().decode(answer.subarray(0, length ?? 0)), /^HTTP\/1.1 200 /);
  conn.close();
  assertEquals(server.published.at(-1), '"between"');
  assertEquals(server.published.filter((data) => data === '"hello"').length, 1);
});
