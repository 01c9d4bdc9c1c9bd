/**
 * TLS by Chloe itself: with a certificate that is made here, and that changes while pages listen.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Listener } from "../src/http/listener.ts";
import { freePort } from "./support/app_process.ts";
import {
  CertificateFolder,
  connectTls,
  isOpensslMissing,
  makeCertificate,
  shows,
} from "./support/certificates.ts";
import { runChloe, startChloe } from "./support/chloe_process.ts";
import { TestEventSource } from "./support/event_source.ts";
import { ask } from "./support/http.ts";
import { startReloadable } from "./support/reloadable.ts";
import { startTestServer } from "./support/server.ts";
import { SessionClient, type TransportName, TRANSPORTS } from "./support/session_client.ts";
import { HandshakeRefused, RawWebSocket } from "./support/websocket.ts";
import { eventually, within } from "./support/within.ts";

const KEY = "chk_0123456789abcdef";
const OPEN = [{ pattern: "**" }];

function test(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: isOpensslMissing, fn: body });
}

test("every transport works by TLS", async () => {
  const pair = await makeCertificate();
  await using folder = await CertificateFolder.with(pair);
  await using server = await startTestServer({ tls: folder.files }, (port) => {
    return connectTls(port, pair.cert);
  });
  for (const transport of TRANSPORTS) {
    await using client = new SessionClient(server);
    await client.connect(transport, { subscribe: { [transport]: {} } });
    assertEquals(await server.send({ channel: transport, data: "hello" }), 1);
    assertEquals(await client.nextData(), "hello");
    await client.close();
  }
  using source = await TestEventSource.open(server, ["plain"]);
  await server.send({ channel: "plain", data: "hello" });
  assertEquals(await source.take(1), ["message: hello"]);
});

test("by TLS the own origin is https, and by HTTP/2 too", async () => {
  const pair = await makeCertificate();
  await using folder = await CertificateFolder.with(pair);
  const config = { tls: folder.files, api_keys: [KEY], channel: OPEN };
  await using server = await startTestServer(config, (port) => connectTls(port, pair.cert));
  const host = `127.0.0.1:${server.port}`;

  using _ = await RawWebSocket.open(server, "/chloe/ws", { origin: `https://${host}` });
  const refused = await RawWebSocket.open(server, "/chloe/ws", { origin: `http://${host}` })
    .catch((error) => error);
  assert(refused instanceof HandshakeRefused);
  assertEquals(refused.head.status, 403);

  // Deno's fetch speaks HTTP/2 where it can, which has no Host.
  using client = Deno.createHttpClient({ caCerts: [pair.cert] });
  const poll = async (origin: string) => {
    const response = await fetch(`https://${host}/chloe/poll`, {
      client,
      method: "POST",
      headers: { origin },
      body: '{"connect":{}}',
    });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await poll(`https://${host}`), await poll("https://evil.example")], [200, 403]);
});

test("without a key the app on this machine is let in by TLS, a page is not", async () => {
  const pair = await makeCertificate();
  await using folder = await CertificateFolder.with(pair);
  await using server = await startTestServer({ tls: folder.files }, (port) => {
    return connectTls(port, pair.cert);
  });
  using client = Deno.createHttpClient({ caCerts: [pair.cert] });
  const send = async (headers: Record<string, string>) => {
    const response = await fetch(`https://127.0.0.1:${server.port}/send`, {
      client,
      method: "POST",
      headers,
      body: new URLSearchParams({ data: "hello" }),
    });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await send({}), 200);
  assertEquals(await send({ origin: `https://127.0.0.1:${server.port}` }), 200);
  assertEquals(await send({ origin: `http://127.0.0.1:${server.port}` }), 401);
});

test("by HTTP/2, which has no Host, this machine reads metrics, and watches on after a reload", async () => {
  const pair = await makeCertificate();
  await using folder = await CertificateFolder.with(pair);
  const config = `tls = { cert = "${folder.cert}", key = "${folder.key}" }\n`;
  await using chloe = await startReloadable(config);
  using client = Deno.createHttpClient({ caCerts: [pair.cert] });
  const url = `https://127.0.0.1:${chloe.port}`;
  const metrics = await fetch(`${url}/metrics`, { client });
  assertMatch(await metrics.text(), /^chloe_build_info{/m);

  const going = new AbortController();
  const tail = await fetch(`${url}/api/channels/news/tail`, { client, signal: going.signal });
  const chunks = tail.body!.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await chloe.reload(`${config}session = { ping = "20s" }\n`)).ok, true);
  const sent = await fetch(`${url}/send`, {
    client,
    method: "POST",
    body: new URLSearchParams({ channel: "news", data: "still here" }),
  });
  assertEquals(await sent.text(), "success");
  let seen = "";
  while (!seen.includes("data:")) seen += (await within(chunks.read(), "a message")).value;
  assertStringIncludes(seen, '"data":"still here"');
  going.abort();
});

const ROTATIONS = 3;

test("a certificate changes while pages listen, and no message is lost or comes twice", async () => {
  const pairs = await Promise.all([...Array(ROTATIONS + 1)].map(() => makeCertificate()));
  const certs = pairs.map(({ cert }) => cert);
  await using folder = await CertificateFolder.with(pairs[0]!);
  await using server = await startTestServer(
    { tls: folder.files },
    (port) => connectTls(port, ...certs),
  );
  const pages = await Promise.all(TRANSPORTS.map(async (transport) => {
    const client = new SessionClient(server);
    await client.connect(transport, { subscribe: { news: {} } });
    return { transport, client };
  }));
  using source = await TestEventSource.open(server, ["news"]);
  let sent = 0;
  const send = async () => {
    const body = JSON.stringify({ channel: "news", data: sent, id: `number ${sent}` });
    // Who knocks in the moment of the change may find the door shut: an app that sends again under the same id
    // sends once.
    await eventually(async () => {
      const answer = await ask(server, "/send", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      }).catch(() => null);
      return answer?.status === 200 || undefined;
    }, "the message to be taken");
    sent++;
  };

  for (const pair of pairs.slice(1)) {
    await send();
    await folder.put(pair);
    await eventually(async () => {
      await send();
      return await shows(server.port, pair.cert) || undefined;
    }, "the new certificate");
    await send();
    for (const { transport, client } of pages) await goOnUntil(client, transport, sent);
  }

  const all = [...Array(sent).keys()];
  for (const { transport, client } of pages) {
    const data = client.log.map((frame) => "data" in frame ? frame.data : frame);
    assertEquals(data, all, transport);
    client.dropTransport();
  }
  // It cannot come back: this stream is the one that was there from the beginning.
  assertEquals(await within(source.take(sent), "every event"), all.map((n) => `message: ${n}`));
});

/** Waits for so many frames. A page whose transport ends, as it may, comes back to its session. */
async function goOnUntil(
  client: SessionClient,
  transport: TransportName,
  count: number,
): Promise<void> {
  while (client.log.length < count) {
    const came = client.next().then(() => true);
    if (await Promise.race([came, client.ended.then(() => false)])) continue;
    const { resumed } = await eventually(() => {
      client.dropTransport();
      return client.resume(transport).catch(() => undefined);
    }, `a way back by ${transport}`);
    assert(resumed);
    if (client.log.length < count) await came;
  }
}

test("a certificate that comes while the server ends opens its port no more", async () => {
  const [before, after] = await Promise.all([makeCertificate(), makeCertificate()]);
  const listener = new Listener({
    hostname: "127.0.0.1",
    port: 0,
    certificate: before,
    handle: () => new Response("here"),
  });
  const closing = listener.close();
  listener.renew(after);
  await closing;
  await assertRejects(
    () => Deno.connect({ hostname: "127.0.0.1", port: listener.port }),
    Deno.errors.ConnectionRefused,
  );
});

test("a pair that is no pair is refused with a line in the log, and the one before stays", async () => {
  const [one, two] = await Promise.all([makeCertificate(), makeCertificate()]);
  await using folder = await CertificateFolder.with(one);
  const tls = `tls = { cert = "${folder.cert}", key = "${folder.key}" }\n`;
  await using chloe = await startChloe({ config: tls });
  assertMatch(chloe.url, /^https:\/\/127\.0\.0\.1:\d+$/);

  await folder.put({ cert: two.cert });
  await chloe.lineLike(/Cannot take the certificate anew.* is not the key of the certificate in /);
  await folder.put({ cert: two.cert.slice(0, 200) });
  await chloe.lineLike(/Cannot take the certificate anew.* holds no whole PEM block/);
  await Deno.remove(folder.key);
  await chloe.lineLike(/Cannot take the certificate anew.* there is no such file/);
  assert(await shows(chloe.port, one.cert));

  await folder.put(two);
  await chloe.lineLike(/Took a new certificate, good until/);
  await eventually(async () => await shows(chloe.port, two.cert) || undefined, "the new one");
  for (const line of chloe.stderrLines()) assert(!line.includes("PRIVATE KEY"), line);
});

test("the command line speaks with a server by TLS, whatever name its certificate is for", async () => {
  const pair = await makeCertificate({ names: ["DNS:chloe.example.com"] });
  const other = await makeCertificate();
  await using folder = await CertificateFolder.with(pair);
  const port = freePort();
  const config = `port = ${port}\napi_keys = ["${KEY}"]\nchannel = [{ pattern = "**" }]\n` +
    `tls = { cert = "${folder.cert}", key = "${folder.key}" }\n`;
  const file = `${folder.path}/chloe.toml`;
  await Deno.writeTextFile(file, config);
  await using chloe = await startChloe({ config });
  await using client = new SessionClient({
    hostname: "127.0.0.1",
    port,
    connect: () => connectTls(port, pair.cert),
  });
  await client.connect("websocket", { subscribe: { news: {} } });

  const status = await runChloe(["status", `--config=${file}`, `--pid-file=${folder.path}/pid`]);
  assertStringIncludes(status.stdout, `Chloe is running (process ${chloe.pid}) at https://`);
  assertStringIncludes(status.stdout, "\n  sessions      1: 1 websocket\n");
  assertEquals(status.stderr, "");
  const sent = await runChloe(["send", `--config=${file}`, "--channel=news", "hello"]);
  assertEquals([sent.code, sent.stdout, sent.stderr], [0, "sent to 1 session\n", ""]);
  assertEquals(await client.nextData(), "hello");
  const listed = await runChloe(["sessions", `--config=${file}`, "--json"]);
  assertStringIncludes(listed.stdout, client.session);

  // The key is for nobody else.
  const wrong = `${folder.path}/other.pem`;
  await Deno.writeTextFile(wrong, other.cert);
  await Deno.writeTextFile(file, config.replace(folder.cert, wrong));
  const refused = await runChloe(["send", `--config=${file}`, "hello"]);
  assertEquals(refused.code, 1);
  assertMatch(
    refused.stderr,
    /^chloe: Cannot send to [^\n]+ has another certificate than [^\n]+\n$/,
  );
});

test("the daemon and the demo app work by TLS", async () => {
  const pair = await makeCertificate();
  await using folder = await CertificateFolder.with(pair);
  const port = freePort();
  const options = [
    `--port=${port}`,
    `--tls-cert=${folder.cert}`,
    `--tls-key=${folder.key}`,
    "--demo",
    `--pid-file=${folder.path}/pid`,
    `--log-file=${folder.path}/log`,
  ];
  const started = await runChloe(["start", ...options]);
  try {
    assertEquals(started.code, 0, started.stderr);
    assertStringIncludes(started.stdout, `at https://127.0.0.1:${port}`);
    await using client = new SessionClient({
      hostname: "127.0.0.1",
      port,
      connect: () => connectTls(port, pair.cert),
    });
    await client.connect("websocket");
    await client.send("there and back");
    await client.next((frame) => "data" in frame);
    const status = await runChloe(["status", `--pid-file=${folder.path}/pid`]);
    assertEquals([status.code, status.stderr], [0, ""]);
    assertStringIncludes(status.stdout, "\n  sessions      1: 1 websocket\n");
  } finally {
    const stopped = await runChloe(["stop", `--pid-file=${folder.path}/pid`]);
    assertEquals(stopped.code, 0, stopped.stderr);
  }
});

test("a certificate that is missing or not its key's is said on one line, and nothing is begun", async () => {
  const [one, two] = await Promise.all([makeCertificate(), makeCertificate()]);
  await using folder = await CertificateFolder.with({ cert: one.cert, key: two.key });
  await Deno.writeTextFile(`${folder.path}/garbage.pem`, "garbage\n");
  const { cert, key, path } = folder;
  const cases: readonly [tls: string, line: RegExp][] = [
    [
      `cert = "${path}/none.pem"\nkey = "${key}"`,
      /tls\.cert: cannot read .*none\.pem: there is no/,
    ],
    [
      `cert = "${cert}"\nkey = "${path}/none.pem"`,
      /tls\.key: cannot read .*none\.pem: there is no/,
    ],
    [`cert = "${path}/garbage.pem"\nkey = "${key}"`, /tls\.cert: cannot use .* PEM block/],
    [`cert = "${cert}"\nkey = "${path}/garbage.pem"`, /tls\.key: cannot use .* PEM block/],
    [`cert = "${path}"\nkey = "${key}"`, /tls\.cert: cannot read /],
    [`cert = "${cert}"\nkey = "${key}"`, /tls\.key: .* is not the key of the certificate in /],
    [`cert = "${cert}"`, /tls\.cert: there is no tls\.key: set it/],
    [`key = "${key}"`, /tls\.key: there is no tls\.cert: set it/],
  ];
  const port = freePort();
  const file = `${path}/chloe.toml`;
  for (const [tls, line] of cases) {
    await Deno.writeTextFile(file, `port = ${port}\n[tls]\n${tls}\n`);
    const pidFile = `--pid-file=${path}/chloe.pid`;
    for (
      const args of [
        ["check"],
        ["serve", pidFile],
        ["start", pidFile, `--log-file=${path}/chloe.log`],
      ]
    ) {
      const { code, stderr } = await runChloe([...args, `--config=${file}`]);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, line);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    }
  }
  await ask({ hostname: "127.0.0.1", port }, "/").then(
    () => assert(false, "somebody listens"),
    () => {},
  );
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [
    ...["cert.pem", "chloe.toml", "garbage.pem", "key.pem"],
  ]);
});
