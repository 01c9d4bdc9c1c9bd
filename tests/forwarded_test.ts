/**
 * Who asks, where a proxy stands between: believed from trusted proxies, and from nobody else.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { legacySignature } from "../src/signing/legacy_signature.ts";
import { ask } from "./support/http.ts";
import { MisbehavingApp } from "./support/misbehaving_app.ts";
import { type ConfigFile, startTestServer, type TestServer } from "./support/server.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";

const KEY = "chk_0123456789abcdef";
const FORM = "application/x-www-form-urlencoded";

const guarded: ConfigFile = { api_keys: [KEY], channel: [{ pattern: "**" }] };

async function api(server: TestServer, path: string) {
  const { text } = await ask(server, path, { headers: { authorization: `Bearer ${KEY}` } });
  return JSON.parse(text);
}

/** The address by which Chloe knows somebody who comes with these headers, by each transport. */
async function addressOf(
  config: ConfigFile,
  headers: Record<string, string>,
): Promise<readonly string[]> {
  await using server = await startTestServer({ ...guarded, ...config });
  await using clients = new AsyncDisposableStack();
  for (const transport of TRANSPORTS) {
    await clients.use(new SessionClient(server, { headers })).connect(transport);
  }
  const { sessions } = await api(server, "/api/sessions");
  const found = (sessions as { address: string }[]).map(({ address }) => address);
  assertEquals(found.length, TRANSPORTS.length);
  return [...new Set(found)];
}

const SPOOFED = {
  "x-forwarded-for": "192.0.2.1",
  "x-forwarded-host": "evil.example",
  "x-forwarded-proto": "https",
};

Deno.test("X-Forwarded-For of somebody who is not trusted changes nothing", async () => {
  assertEquals(await addressOf({}, SPOOFED), ["127.0.0.1"]);
  assertEquals(await addressOf({ trusted_proxies: ["192.0.2.0/24", "::1"] }, SPOOFED), [
    "127.0.0.1",
  ]);
  assertEquals(await addressOf({}, { forwarded: "for=192.0.2.1" }), ["127.0.0.1"]);
});

Deno.test("of what a trusted proxy says the address counts that it added itself", async () => {
  const trusted_proxies = ["loopback", "10.0.0.0/8"];
  const cases = [
    { "x-forwarded-for": "192.0.2.1" },
    { "x-forwarded-for": "127.0.0.1, 203.0.113.9, 192.0.2.1" },
    { "x-forwarded-for": "203.0.113.9, 192.0.2.1, 10.0.0.5" },
    { forwarded: 'for=203.0.113.9, for="192.0.2.1:4711";proto=http' },
  ];
  for (const headers of cases) {
    assertEquals(await addressOf({ trusted_proxies }, headers as Record<string, string>), [
      "192.0.2.1",
    ]);
  }
});

Deno.test("the app is told the address that a trusted proxy tells", async () => {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({
    ...guarded,
    trusted_proxies: ["loopback"],
    app: { url: app.url, events: ["connect"] },
  });
  await using client = new SessionClient(server, { headers: { "x-forwarded-for": "192.0.2.7" } });
  await client.connect("websocket");
  const { type, address } = JSON.parse((await app.requests(1)).body);
  assertEquals([type, address], ["connect", "192.0.2.7"]);
});

Deno.test("what a trusted proxy says of scheme and host decides which origin is Chloe's own", async () => {
  const headers = (origin: string) => ({
    origin,
    host: "127.0.0.1:8901",
    "x-forwarded-host": "chat.example",
    "x-forwarded-proto": "https",
  });
  const status = async (server: TestServer, origin: string) => {
    const asked = { method: "POST", headers: headers(origin), body: '{"connect":{}}' };
    return (await ask(server, "/chloe/poll", asked)).status;
  };
  await using trusting = await startTestServer({ ...guarded, trusted_proxies: ["loopback"] });
  assertEquals(await status(trusting, "https://chat.example"), 200);
  assertEquals(await status(trusting, "http://chat.example"), 403);
  assertEquals(await status(trusting, "http://127.0.0.1:8901"), 403);
  await using wary = await startTestServer(guarded);
  assertEquals(await status(wary, "https://chat.example"), 403);
  assertEquals(await status(wary, "http://127.0.0.1:8901"), 200);
});

Deno.test("without a key nobody is the app who comes by a proxy, trusted or not", async () => {
  for (const trusted_proxies of [[], ["loopback"]]) {
    await using server = await startTestServer({ trusted_proxies });
    const send = async (headers: Record<string, string>) => {
      const asked = {
        method: "POST",
        headers: { "content-type": FORM, ...headers },
        body: "data=1",
      };
      return (await ask(server, "/send", asked)).status;
    };
    assertEquals(await send({}), 200);
    assertEquals(await send({ "x-forwarded-for": "127.0.0.1" }), 401);
    assertEquals(await send({ "x-forwarded-for": "nonsense" }), 401);
    assertEquals(await send({ "x-forwarded-proto": "http" }), 401);
    assertEquals(await send({ forwarded: "for=127.0.0.1;host=localhost" }), 401);
  }
});

Deno.test("legacy.from is compared with the address that a trusted proxy tells, and only such a one", async () => {
  const secret = "an old secret";
  const legacy = { secret, from: ["192.0.2.0/24"] };
  const body = new URLSearchParams({ data: "1", sig: legacySignature("1", secret) }).toString();
  const send = async (server: TestServer, address: string) => {
    const headers = { "content-type": FORM, "x-forwarded-for": address };
    return (await ask(server, "/send", { method: "POST", headers, body })).status;
  };
  await using trusting = await startTestServer({ ...guarded, legacy, trusted_proxies: "loopback" });
  assertEquals(await send(trusting, "192.0.2.5"), 200);
  assertEquals(await send(trusting, "192.0.2.5, 203.0.113.9"), 401);
  await using wary = await startTestServer({ ...guarded, legacy });
  assertEquals(await send(wary, "192.0.2.5"), 401);
});

Deno.test("what a trusted proxy passes on that cannot be read is counted", async () => {
  await using server = await startTestServer({ ...guarded, trusted_proxies: ["loopback"] });
  await ask(server, "/healthz", { headers: { "x-forwarded-for": "<script>" } });
  await ask(server, "/healthz", { headers: { forwarded: "for" } });
  const both = { "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.2" };
  await ask(server, "/healthz", { headers: both });
  const { proxies } = await api(server, "/api/stats");
  assertEquals(proxies, { malformed: 2, contradictory: 1 });
});
