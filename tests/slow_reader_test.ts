/**
 * Readers that do not keep up, over real sockets whose buffers fill.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { events } from "./support/carriers.ts";
import { request } from "./support/http.ts";
import { startTestServer, type TestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";
import { RawWebSocket } from "./support/websocket.ts";

const CONNECT = '{"connect":{"subscribe":{"news":{}}}}';
const PADDING = "x".repeat(60_000);

/** Lines as they come, to the end of the transport; with the close code where it has one. */
interface Reader {
  lines(): AsyncGenerator<string>;
  closeCode(): Promise<number | null>;
}

const READERS: Record<string, (server: TestServer) => Promise<Reader & Disposable>> = {
  async websocket(server) {
    const socket = await RawWebSocket.open(server, "/chloe/ws");
    await socket.send(CONNECT);
    return {
      async *lines() {
        for (;;) {
          const received = await socket.next();
          if (received.kind === "closed") return;
          yield* received.text.split("\n");
        }
      },
      closeCode: async () => (await socket.closed()).code,
      [Symbol.dispose]: () => socket.cut(),
    };
  },
  async events(server) {
    const stream = await request(server, "/chloe/events", { method: "POST", body: CONNECT });
    await stream.head();
    return {
      async *lines() {
        for await (const { data } of events(stream)) yield* data.split("\n");
      },
      closeCode: () => Promise.resolve(null),
      [Symbol.dispose]: () => stream.cut(),
    };
  },
};

for (const [transport, open] of Object.entries(READERS)) {
  Deno.test(`${transport}: a reader that stalls is closed with 3008, and nobody waits for it`, async () => {
    await using server = await startTestServer();
    await using quick = new SessionClient(server);
    await quick.connect("websocket", { subscribe: { news: {} } });
    using reader = await open(server);
    const lines = reader.lines();
    const { connected } = JSON.parse((await lines.next()).value!);

    // Nothing is read from here on, until nobody but the quick one is in the channel.
    let sent = 0;
    let stalled = true;
    while (stalled) {
      stalled = await server.send({ channel: "news", data: `${sent}:${PADDING}` }) === 2;
      assertEquals(await quick.nextData(), `${sent}:${PADDING}`);
      quick.acknowledge();
      sent++;
      assert(sent < 2000, "more waits for a reader than may");
    }

    const frames: { data?: string; bye?: { code: number } }[] = [];
    for await (const line of lines) frames.push(JSON.parse(line));
    const last = frames.pop();
    assertEquals(last?.bye?.code, 3008);
    assertEquals(
      frames.map(({ data }) => data?.split(":")[0]),
      frames.map((_, n) => `${n}`),
      "what came before the end is in order, without a hole",
    );
    if (transport === "websocket") assertEquals(await reader.closeCode(), 3008);

    await using again = new SessionClient(server);
    const resumed = await again.connect(transport as "websocket" | "events", {
      resume: connected.resume,
      received: frames.length,
    });
    assertEquals(resumed.resumed, false);
  });

  Deno.test(`${transport}: a reader that stalls for a while gets everything`, async () => {
    await using server = await startTestServer({ limits: { unwritten_bytes: "64MiB" } });
    using reader = await open(server);
    const lines = reader.lines();
    await lines.next();
    const count = 200; // 12 MB: more than the kernel's buffers hold
    for (let n = 0; n < count; n++) await server.send({ channel: "news", data: `${n}:${PADDING}` });
    for (let n = 0; n < count; n++) {
      const { data } = JSON.parse((await lines.next()).value!);
      assertEquals(data.split(":")[0], `${n}`);
    }
    await lines.return(undefined);
  });
}
