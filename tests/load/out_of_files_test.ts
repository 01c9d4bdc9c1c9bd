import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  CertificateFolder,
  connectTls,
  isOpensslMissing,
  makeCertificate,
} from "../support/certificates.ts";
import type { ChloeProcess } from "../support/chloe_process.ts";
import { ask } from "../support/http.ts";
import type { Address } from "../support/server.ts";
import { eventually } from "../support/within.ts";
import { LeanSocket } from "./lean_socket.ts";
import { filesFallTo, openFiles, startProcess } from "./process.ts";
import { linesOf, many, openSession, publish } from "./sessions.ts";

const FILES = 200;
const SESSIONS = 20;
const ROUNDS = 2;

Deno.test("out of files, sessions live on, and new ones are served when there are files again", async () => {
  await using chloe = await startProcess({ files: FILES, config: 'session.grace = "10ms"\n' });
  const sockets = await many(SESSIONS, () => openSession(chloe, ["news"]));
  const readers = sockets.map(linesOf);
  const everyoneGets = async (data: string) => {
    const message = JSON.stringify({ channel: "news", data });
    for (const reader of readers) assertEquals((await reader.next()).value, message);
  };
  // The app's own connection is there already, as that of an app which sends often.
  using app = Deno.createHttpClient({ poolMaxIdlePerHost: 1, poolIdleTimeout: false });
  const send = async (data: string) => {
    const body = new URLSearchParams({ channel: "news", data });
    const response = await fetch(`${chloe.url}/send`, { method: "POST", body, client: app });
    assertEquals(await response.text(), "success");
  };
  await send("before");
  await everyoneGets("before");
  const files = await openFiles(chloe.pid);

  for (let round = 0; round < ROUNDS; round++) {
    const idle = await useUpFiles(chloe);
    await send("meanwhile");
    await everyoneGets("meanwhile");
    for (const [i, socket] of sockets.entries()) {
      socket.send(JSON.stringify({ id: round + 1, subscribe: { channel: `own-${i}` } }));
    }
    for (const reader of readers) {
      assertEquals((await reader.next()).value, JSON.stringify({ id: round + 1, ok: {} }));
    }

    for (const connection of idle) connection.close();
    // Each try is a connection of its own, refused or left waiting until the program listens again.
    await eventually(async () => {
      const answer = await ask(chloe, "/readyz").catch(() => null);
      return answer?.status === 200 || undefined;
    }, "an answer");
    const late = await openSession(chloe, ["news", "late"]);
    assertEquals(await publish(chloe, { channel: "news", data: "after" }), SESSIONS + 1);
    await everyoneGets("after");
    await late.close();
    await filesFallTo(chloe.pid, files);
    await eventually(async () => {
      return await publish(chloe, { channel: "late", data: "still there?" }) === 0 || undefined;
    }, "the end of the late session");
  }
  for (const socket of sockets) await socket.close();
});

/** Uses up the files of a server, and asks it again and again until it answers: it listens anew. */
async function comesBack(chloe: ChloeProcess & Address, open: () => Promise<Deno.Conn>) {
  for (let round = 0; round < ROUNDS; round++) {
    const idle = await useUpFiles(chloe, open);
    for (const connection of idle) connection.close();
    await eventually(async () => {
      const answer = await ask(chloe, "/readyz").catch(() => null);
      return answer?.status === 200 || undefined;
    }, "an answer");
  }
}

Deno.test("out of files, a Unix socket is served again when there are files again", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/chloe.sock`;
  const connect = () => Deno.connect({ transport: "unix", path });
  try {
    const config = `host = "unix:${path}"\napi_keys = ["chk_0123456789abcdef"]\n`;
    await using chloe = await startProcess({ files: FILES, config });
    await comesBack({ ...chloe, hostname: "localhost", connect }, connect);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "out of files, TLS is served again when there are files again",
  ignore: isOpensslMissing,
  async fn() {
    const pair = await makeCertificate();
    await using folder = await CertificateFolder.with(pair);
    const config = `tls = { cert = "${folder.cert}", key = "${folder.key}" }\n`;
    await using chloe = await startProcess({ files: FILES, config });
    const { port } = chloe;
    const connect = () => connectTls(port, pair.cert);
    await comesBack(
      { ...chloe, connect },
      () => Deno.connect({ hostname: "127.0.0.1", port }),
    );
  },
});

/**
 * Opens connections that say nothing until the program has no file left. The kernel takes them all, the
 * program as many as it has files for; the next one ends its accept loop, and with it the port, which leaves a
 * file free again: so a refused connection means as much as a count that is full.
 */
async function useUpFiles(
  chloe: Address & { readonly pid: number },
  open: () => Promise<Deno.Conn> = () =>
    Deno.connect({ hostname: chloe.hostname, port: chloe.port }),
): Promise<Deno.Conn[]> {
  const connect = () => open().catch(() => null);
  const idle: Deno.Conn[] = [];
  while (await openFiles(chloe.pid) < FILES && idle.length < FILES * 2) {
    const connection = await connect();
    if (connection === null) return idle;
    idle.push(connection);
  }
  for (let i = 0; i < 10; i++) {
    const connection = await connect();
    if (connection !== null) idle.push(connection);
  }
  return idle;
}

Deno.test("past the limit of connections a browser is told so, and those who are in stay", async () => {
  await using chloe = await startProcess({ config: "limits.connections = 5\n" });
  const sockets = await many(5, () => openSession(chloe, ["news"]));

  const refused = await LeanSocket.open(chloe).catch(String);
  assertStringIncludes(String(refused), "HTTP/1.1 503 ");
  const [poll, stream] = await Promise.all(["/chloe/poll", "/chloe/events"].map((path) => {
    return ask(chloe, path, { method: "POST", body: '{"connect":{}}' });
  }));
  for (const answer of [poll!, stream!]) {
    assertEquals([answer.status, answer.headers.get("retry-after")], [503, "5"]);
    assertEquals(JSON.parse(answer.text).error.code, "full");
  }

  assertEquals(await publish(chloe, { channel: "news", data: 1 }), 5);
  for (const socket of sockets) {
    assertEquals((await linesOf(socket).next()).value, '{"channel":"news","data":1}');
  }
  await sockets[0]!.close();
  const next = await eventually(
    () => openSession(chloe, []).catch(() => undefined),
    "room for one more",
  );
  for (const socket of [...sockets.slice(1), next]) await socket.close();
});
