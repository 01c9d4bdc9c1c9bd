/**
 * Chloe behind each of the proxies of docs/deploy/, by the configs that stand there.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ByteReader } from "./support/byte_reader.ts";
import {
  CertificateFolder,
  connectTls,
  isOpensslMissing,
  makeCertificate,
} from "./support/certificates.ts";
import { PROXIES, type Proxy } from "./support/deployed.ts";
import { TestEventSource } from "./support/event_source.ts";
import { ask, writeAll } from "./support/http.ts";
import { type Address, startTestServer, type TestServer } from "./support/server.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { HandshakeRefused, RawWebSocket } from "./support/websocket.ts";
import { eventually, within } from "./support/within.ts";

const KEY = "chk_0123456789abcdef";

/** A Chloe that stands behind a proxy. */
function startChloe(): Promise<TestServer> {
  return startTestServer({
    api_keys: [KEY],
    trusted_proxies: ["loopback"],
    channel: [{ pattern: "**", history: { size: 100 } }],
  });
}

/** A proxy with a Chloe behind it. */
interface Deployment extends AsyncDisposable {
  readonly server: TestServer;
  /** The proxy, as browsers reach it. */
  readonly address: Address;
  readonly origin: string;
  readonly cert: string;
}

async function deploy(proxy: Proxy): Promise<Deployment> {
  await using stack = new AsyncDisposableStack();
  const pair = await makeCertificate();
  const folder = stack.use(await CertificateFolder.with(pair));
  const server = stack.use(await startChloe());
  const { port } = stack.use(await proxy.start(server.port, folder));
  const address: Address = {
    hostname: "127.0.0.1",
    port,
    connect: () => connectTls(port, pair.cert),
  };
  await eventually(async () => {
    const answer = await ask(address, "/readyz").catch(() => null);
    return answer?.status === 200 || undefined;
  }, `${proxy.name} to reach Chloe`);
  // What Chloe holds open keeps a proxy from ending: it goes first.
  stack.defer(() => server.shutdown());
  const owned = stack.move();
  return {
    server,
    address,
    origin: `https://127.0.0.1:${port}`,
    cert: pair.cert,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The addresses of all sessions, as Chloe knows them. */
async function addresses(server: TestServer): Promise<readonly string[]> {
  const { text } = await ask(server, "/api/sessions", {
    headers: { authorization: `Bearer ${KEY}` },
  });
  return (JSON.parse(text).sessions as { address: string }[]).map(({ address }) => address);
}

function behind(name: string, body: (deployment: Deployment) => Promise<void>): void {
  for (const proxy of PROXIES) {
    Deno.test({
      name: `behind ${proxy.name}: ${name}`,
      ignore: proxy.isMissing || isOpensslMissing,
      async fn() {
        await using deployment = await deploy(proxy);
        await body(deployment);
      },
    });
  }
}

behind("every transport works, both ways, and brings what is long", async (deployment) => {
  const { server, address, origin } = deployment;
  const long = "é".repeat(30_000);
  for (const transport of TRANSPORTS) {
    await using client = new SessionClient(address, { headers: { origin } });
    await client.connect(transport, { subscribe: { [transport]: {} } });
    for (const data of ["hello", long, "bye"]) {
      assertEquals(await server.send({ channel: transport, data }), 1);
      assertEquals(await client.nextData(), data);
    }
    assert("ok" in await client.subscribe("other"));
    await server.send({ channel: "other", data: 7 });
    assertEquals(await client.nextData(), 7);
    await client.close();
  }
});

behind(
  "sessions go on after a cut, on each transport and from one to another",
  async (deployment) => {
    const { server, address, origin } = deployment;
    await using client = new SessionClient(address, { headers: { origin } });
    await client.connect("websocket", { subscribe: { news: {} } });
    let n = 0;
    for (const transport of [...TRANSPORTS, ...TRANSPORTS]) {
      client.dropTransport();
      await server.send({ channel: "news", data: n++ });
      const { resumed } = await client.resume(transport);
      assert(resumed, transport);
      await server.send({ channel: "news", data: n++ });
      await client.next((frame) => "data" in frame && frame.data === n - 1);
    }
    assertEquals(
      client.log.map((frame) => "data" in frame ? frame.data : frame),
      [...Array(n).keys()],
    );
  },
);

behind("a plain event source works, and gets what it missed when it is cut", async (deployment) => {
  const { server, address, origin, cert } = deployment;
  using source = await TestEventSource.open(address, ["news"], { origin });
  await server.send({ channel: "news", data: "one" });
  assertEquals(await source.take(1), ["message: one"]);
  source.cut();
  await server.send({ channel: "news", data: "two" });
  await source.connect();
  await server.send({ channel: "news", data: "three" });
  assertEquals(await source.take(2), ["message: two", "message: three"]);

  // Deno's fetch speaks HTTP/2 with whoever does, as browsers do.
  using client = Deno.createHttpClient({ caCerts: [cert] });
  const stream = await fetch(`${origin}/chloe/events?channel=quick`, {
    client,
    headers: { origin },
  });
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("retry:")) {
    text += (await within(reader.read(), "the beginning of a stream")).value;
  }
  await server.send({ channel: "quick", data: "by HTTP/2" });
  while (!text.includes("data: by HTTP/2")) {
    text += (await within(reader.read(), "an event")).value;
  }
  await reader.cancel();
});

behind("Chloe knows who asks, whatever they say of themselves", async (deployment) => {
  const { server, address, origin } = deployment;
  const headers = {
    origin,
    "x-forwarded-for": "192.0.2.66",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "evil.example",
    forwarded: "for=192.0.2.66;host=evil.example;proto=http",
  };
  for (const transport of TRANSPORTS) {
    await using client = new SessionClient(address, { headers });
    await client.connect(transport);
    assertEquals([...new Set(await addresses(server))], ["127.0.0.1"]);
    await client.close();
  }
});

behind("pages of other origins stay out, and so does the app's side", async (deployment) => {
  const { address, origin } = deployment;
  for (const bad of ["https://evil.example", origin.replace("https:", "http:"), "null"]) {
    const refused = await RawWebSocket.open(address, "/chloe/ws", { origin: bad }).catch((e) => e);
    assert(refused instanceof HandshakeRefused, bad);
    assertEquals(refused.head.status, 403);
  }
  const key = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  for (
    const [path, method] of [["/send", "POST"], ["/api/sessions", "GET"], [
      "/metrics",
      "GET",
    ]] as const
  ) {
    const { status } = await ask(address, path, { method, headers: key, body: '{"data":1}' });
    assert([403, 404].includes(status), `${path} ${status}`);
  }
  assertEquals((await ask(address, "/")).status, 200);
  assertEquals((await ask(address, "/chloe.min.js")).status, 200);
});

// What is there while nobody says anything

const present = PROXIES.filter(({ isMissing }) => !isMissing);
const names = PROXIES.map(({ name, isMissing }) => isMissing ? `${name} (missing)` : name)
  .join(", ");

const HEAD = "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ";

Deno.test({
  name: `connections that say nothing, or too slowly, are cut by each of ${names}`,
  ignore: present.length === 0 || isOpensslMissing,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const deployed = await Promise.all(present.map(async (proxy) => {
      return { proxy, address: stack.use(await deploy(proxy)).address };
    }));
    await Promise.all(deployed.flatMap(({ proxy, address }) =>
      [
        { what: "says nothing", said: "", drips: false },
        { what: "ends within its head", said: HEAD, drips: false },
        { what: "goes on byte by byte", said: HEAD, drips: true },
      ].map(async ({ what, said, drips }) => {
        const ended = await endOf(address, said, { drips });
        assertMatch(ended, /^$|^HTTP\/1\.[01] 40[08] /, `${proxy.name}: one that ${what}`);
      })
    ));
  },
});

/** Says something, and what is answered until the other end has had enough. */
async function endOf(
  address: Address,
  said: string,
  { drips }: { readonly drips: boolean },
): Promise<string> {
  using conn = await address.connect!();
  await writeAll(conn, new TextEncoder().encode(said));
  const drip = setInterval(() => {
    if (drips) conn.write(Uint8Array.of(120)).catch(() => {});
  }, 500);
  const reader = new ByteReader(conn);
  const read = async () => {
    let text = "";
    for (let part = await reader.some(); part !== null; part = await reader.some()) {
      text += new TextDecoder().decode(part);
    }
    return text;
  };
  try {
    return await within(read(), "the end of a connection");
  } finally {
    clearInterval(drip);
  }
}

/** Three pings of 25 s: longer than a minute, after which what is idle is cut by many. */
const PINGS = 3;

Deno.test({
  name: `connections that are idle for 75 s live on behind each of ${names}`,
  ignore: present.length === 0 || isOpensslMissing,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const idle = await Promise.all(present.map(async (proxy) => {
      const { server, address, origin } = stack.use(await deploy(proxy));
      const clients = await Promise.all(TRANSPORTS.map(async (transport) => {
        const client = stack.use(new SessionClient(address, { headers: { origin } }));
        await client.connect(transport, { subscribe: { news: {} } });
        return { transport, client, where: `${transport} behind ${proxy.name}` };
      }));
      const source = stack.use(await TestEventSource.open(address, ["news"], { origin }));
      return { proxy, server, clients, source };
    }));
    const pinged = idle.flatMap(({ clients }) =>
      clients.filter((each) => each.transport !== "poll")
    );
    for (let count = 1; count <= PINGS; count++) {
      for (const { client, where } of pinged) {
        await eventually(
          () => Promise.resolve(client.pings >= count || undefined),
          `ping ${count} by ${where}`,
        );
      }
    }
    for (const { proxy, server, clients, source } of idle) {
      // Each is on the connection that it began with: this client never comes back by itself.
      await server.send({ channel: "news", data: "awake" });
      for (const { client, where } of clients) {
        assertEquals([where, await client.nextData()], [where, "awake"]);
      }
      assertEquals([proxy.name, await source.take(1)], [proxy.name, ["message: awake"]]);
    }
  },
});
