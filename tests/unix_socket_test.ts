/**
 * Chloe on a Unix socket, and on IPv6.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runChloe, startChloe } from "./support/chloe_process.ts";
import { TestEventSource } from "./support/event_source.ts";
import { ask } from "./support/http.ts";
import type { Address } from "./support/server.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";

const KEY = "chk_0123456789abcdef";

/** A folder with a config for a socket in it. */
class SocketFolder implements AsyncDisposable {
  readonly socket: string;
  readonly config: string;
  readonly file: string;
  readonly address: Address;

  private constructor(readonly path: string, more: string) {
    this.socket = `${path}/chloe.sock`;
    this.file = `${path}/chloe.toml`;
    this.config = `host = "unix:${this.socket}"\nport = 1\napi_keys = ["${KEY}"]\n` +
      `channel = [{ pattern = "**" }]\n${more}`;
    this.address = {
      hostname: "chloe.example",
      port: 443,
      connect: () => Deno.connect({ transport: "unix", path: this.socket }),
    };
  }

  static async make(more = ""): Promise<SocketFolder> {
    const folder = new SocketFolder(await Deno.makeTempDir({ prefix: "chloe_unix_" }), more);
    await Deno.writeTextFile(folder.file, folder.config);
    return folder;
  }

  async publish(channel: string, data: string): Promise<void> {
    const { status } = await ask(this.address, "/send", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ channel, data }),
    });
    assertEquals(status, 200);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

Deno.test("every transport works by a Unix socket, and so does the command line", async () => {
  await using folder = await SocketFolder.make();
  await using chloe = await startChloe({ config: folder.config });
  assertEquals(chloe.url, `unix:${folder.socket}`);
  const { mode } = await Deno.stat(folder.socket);
  assertEquals((mode! & 0o777).toString(8), "660");
  for (const transport of TRANSPORTS) {
    await using client = new SessionClient(folder.address, {
      headers: { origin: "https://chloe.example" },
    });
    await client.connect(transport, { subscribe: { [transport]: {} } });
    await folder.publish(transport, "hello");
    assertEquals(await client.nextData(), "hello");
    await client.close();
  }
  using source = await TestEventSource.open(folder.address, ["plain"]);
  const sent = await runChloe(["send", `--config=${folder.file}`, "--channel=plain", "hello"]);
  assertEquals([sent.code, sent.stdout], [0, "sent to 1 session\n"]);
  assertEquals(await source.take(1), ["message: hello"]);
  const status = await runChloe([
    "status",
    `--config=${folder.file}`,
    `--pid-file=${folder.path}/p`,
  ]);
  assertStringIncludes(status.stdout, `Chloe is running at unix:${folder.socket}`);
  source.cut();
  assertEquals(await chloe.stop(), 0);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["chloe.toml"]);
  const gone = await runChloe(["send", `--config=${folder.file}`, "hello"]);
  assertEquals(gone.code, 1);
  assertStringIncludes(gone.stderr, "nothing listens there; is Chloe running?");
});

Deno.test("who comes by a Unix socket is not the app, and has no address, unless a proxy says which", async () => {
  await using folder = await SocketFolder.make('trusted_proxies = ["unix"]\n');
  await using _chloe = await startChloe({ config: folder.config });
  const form = { method: "POST", body: "data=1" };
  const type = { "content-type": "application/x-www-form-urlencoded" };
  for (const host of ["localhost", "127.0.0.1"]) {
    const { status } = await ask(folder.address, "/send", { ...form, headers: { ...type, host } });
    assertEquals(status, 401);
  }
  const listed = async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const { text } = await ask(folder.address, "/api/sessions", { headers });
    return (JSON.parse(text).sessions as { address: string }[]).map(({ address }) => address);
  };
  await using one = new SessionClient(folder.address);
  await one.connect("websocket");
  assertEquals(await listed(), [""]);
  await using other = new SessionClient(folder.address, {
    headers: { "x-forwarded-for": "127.0.0.1, 192.0.2.7" },
  });
  await other.connect("websocket");
  assertEquals((await listed()).sort(), ["", "192.0.2.7"]);
});

Deno.test("the permissions of a Unix socket are what socket_mode says", async () => {
  await using folder = await SocketFolder.make('socket_mode = "0600"\n');
  await using _chloe = await startChloe({ config: folder.config });
  assertEquals(((await Deno.stat(folder.socket)).mode! & 0o777).toString(8), "600");
});

Deno.test("the socket of a server that was killed is in nobody's way", async () => {
  await using folder = await SocketFolder.make();
  await using first = await startChloe({ config: folder.config });
  first.signal("SIGKILL");
  await first.ended;
  assert((await Deno.lstat(folder.socket)).isSocket);
  await using _second = await startChloe({ config: folder.config });
  assertEquals((await ask(folder.address, "/healthz")).status, 200);
});

Deno.test("a socket whose file somebody removed comes back", async () => {
  await using folder = await SocketFolder.make();
  await using chloe = await startChloe({ config: folder.config });
  await using client = new SessionClient(folder.address);
  await client.connect("websocket", { subscribe: { news: {} } });
  await Deno.remove(folder.socket);
  await chloe.lineLike(/Accepting connections again/);
  await folder.publish("news", "hello");
  assertEquals(await client.nextData(), "hello");
});

Deno.test("a socket that is somebody's, and a file that is none, are left alone", async () => {
  await using folder = await SocketFolder.make();
  const serve = () => runChloe(["serve", `--config=${folder.file}`]);
  {
    await using _chloe = await startChloe({ config: folder.config });
    const { code, stderr } = await serve();
    assertEquals(code, 1);
    assertMatch(stderr, /^chloe: Cannot listen on unix:[^\n]+: somebody listens there; [^\n]+\n$/);
    assertEquals((await ask(folder.address, "/healthz")).status, 200);
  }
  await Deno.writeTextFile(folder.socket, "a letter");
  const { code, stderr } = await serve();
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^chloe: Cannot listen on unix:[^\n]+: there is a file that is no socket; [^\n]+\n$/,
  );
  assertEquals(await Deno.readTextFile(folder.socket), "a letter");
});

Deno.test("a Unix socket that cannot be is said on one line", async () => {
  await using folder = await SocketFolder.make();
  const cases: readonly [config: string, line: RegExp][] = [
    [
      `host = "unix:${folder.path}/none/chloe.sock"\napi_keys = "${KEY}"`,
      /there is no such folder/,
    ],
    [`host = "unix:${folder.socket}"`, /host: .* neither a secret nor an API key/],
    [`host = "unix:chloe.sock"\napi_keys = "${KEY}"`, /host: must be .* absolute path/],
    [
      `host = "unix:/${"x".repeat(101)}"\napi_keys = "${KEY}"`,
      /host: must be .* at most 100 bytes/,
    ],
    [
      `host = "unix:${folder.socket}"\napi_keys = "${KEY}"\nsocket_mode = "660x"`,
      /socket_mode: must be three octal digits/,
    ],
    [
      `host = "unix:${folder.socket}"\napi_keys = "${KEY}"\n` +
      `tls = { cert = "/none", key = "/none" }`,
      /tls\.cert: a Unix socket speaks no TLS/,
    ],
    [`trusted_proxies = ["10.0.0.0/33"]`, /trusted_proxies\[0\]: must be an IP address, a range/],
  ];
  for (const [config, line] of cases) {
    await Deno.writeTextFile(folder.file, `${config}\n`);
    const { code, stderr } = await runChloe(["serve", `--config=${folder.file}`]);
    assertEquals(code, 1);
    assertMatch(stderr, line);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
  }
});

/** Whether this machine has IPv6. */
function hasIPv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

for (const host of ["::1", "[::1]"]) {
  Deno.test({
    name: `every transport works by IPv6, with host = "${host}"`,
    ignore: !hasIPv6(),
    async fn() {
      await using chloe = await startChloe({ config: `host = "${host}"\n` });
      assertEquals(chloe.url, `http://[::1]:${chloe.port}`);
      const { port } = chloe;
      const address: Address = {
        hostname: "[::1]",
        port,
        connect: () => Deno.connect({ hostname: "::1", port }),
      };
      for (const transport of TRANSPORTS) {
        await using client = new SessionClient(address, { headers: { origin: chloe.url } });
        await client.connect(transport, { subscribe: { news: {} } });
        const url = `--url=${chloe.url}`;
        // Without a key: this machine is let in by its IPv6 address too.
        const sent = await runChloe(["send", url, "--channel=news", "hello"]);
        assertEquals(sent.stdout, "sent to 1 session\n");
        assertEquals(await client.nextData(), "hello");
        await client.subscribe("other");
        await client.unsubscribe("news");
        await client.close();
      }
    },
  });
}
