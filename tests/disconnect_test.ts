/**
 * Sessions that the app ends, and what comes of them after that: nothing, but for the word to their browser.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ask } from "./support/http.ts";
import { startTestServer } from "./support/server.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { eventually } from "./support/within.ts";

/** What is looked at of an event. */
interface AppEvent {
  readonly type: string;
  readonly channel?: string;
  readonly ask?: boolean;
  readonly data?: unknown;
}

/** An app whose answers are the test's. */
class App implements AsyncDisposable {
  readonly events: AppEvent[] = [];
  answer: (event: AppEvent) => unknown = () => undefined;
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const event: AppEvent = await request.json();
      this.events.push(event);
      const answer = await this.answer(event);
      return answer === undefined ? new Response(null, { status: 204 }) : Response.json(answer);
    },
  );

  /** A server whose app this is, and asks it about the channel `asked`. */
  start() {
    return startTestServer({
      app: {
        url: `http://127.0.0.1:${this.#server.addr.port}/`,
        events: ["message", "disconnect", "subscribe", "unsubscribe"],
      },
      channel: [{ pattern: "asked", authorize: "app" }],
    });
  }

  /** Waits for an event. */
  async told(type: string): Promise<void> {
    await eventually(
      () => Promise.resolve(this.events.some((event) => event.type === type) || undefined),
      `the event ${type}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const isBye = (frame: object) => "bye" in frame;

for (const transport of TRANSPORTS) {
  Deno.test(`${transport}: who was disconnected while away is told so when it is back, and asks the app nothing more`, async () => {
    await using app = new App();
    await using server = await app.start();
    await using client = new SessionClient(server);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    app.answer = ({ type }) => type === "message" ? promise : undefined;
    await client.connect("websocket");
    client.command({ send: { data: 1 } });
    await app.told("message");
    client.dropTransport();
    resolve({ disconnect: { reason: "out" } });
    await app.told("disconnect");
    await client.resume(transport, { subscribe: { asked: {} } }).catch(() => {});
    const { bye } = await client.next(isBye) as { bye: { code: number; reason: string } };
    assertEquals([bye.code, bye.reason], [3500, "out"]);
    assertEquals(app.events.map(({ type }) => type), ["message", "disconnect"]);
    client.dropTransport();
  });
}

Deno.test("what a session says after the app ended it reaches nobody", async () => {
  await using app = new App();
  await using server = await app.start();
  const post = (path: string, body: string) => ask(server, path, { method: "POST", body });
  const { connected } = JSON.parse((await post("/chloe/poll", '{"connect":{}}')).text);
  const say = (id: number) => {
    const first = JSON.stringify({ resume: connected.resume });
    return post("/chloe/up", `${first}\n{"id":${id},"send":{"data":${id}}}`);
  };
  app.answer = () => ({ disconnect: { reason: "out" } });
  await say(1);
  await app.told("disconnect");
  await say(2);
  assertEquals(app.events.map(({ type }) => type), ["message", "disconnect"]);
});

Deno.test("a session that the app ends while a resume waits for another answer is gone", async () => {
  await using app = new App();
  await using server = await app.start();
  await using client = new SessionClient(server);
  await client.connect("websocket");
  const held = Promise.withResolvers<unknown>();
  const asked = Promise.withResolvers<unknown>();
  app.answer = ({ type }) => type === "message" ? held.promise : asked.promise;
  client.command({ send: { data: 1 } });
  await app.told("message");
  client.dropTransport();
  const resuming = client.resume("websocket", { subscribe: { asked: {} } }).catch(() => {});
  held.resolve({ disconnect: { reason: "out" } });
  asked.resolve(undefined);
  await resuming;
  await eventually(async () => {
    const { sessions } = JSON.parse((await ask(server, "/api/stats")).text);
    return sessions === 0 || undefined;
  }, "the end of the session");
  client.dropTransport();
});

Deno.test("the app's last word of a channel is where the session is", async () => {
  await using app = new App();
  await using server = await app.start();
  await using client = new SessionClient(server);
  app.answer = ({ data }) =>
    data === "in"
      ? { subscribe: ["asked"] }
      : data === "out"
      ? { unsubscribe: ["asked"] }
      : undefined;
  await client.connect("websocket");
  const lines = [
    { id: 1, send: { data: "in" } },
    { id: 2, send: { data: "out" } },
    { id: 3, subscribe: { channel: "asked" } },
  ];
  client.raw(lines.map((line) => JSON.stringify(line)).join("\n"));
  await client.reply(3);
  client.lastId = 3;
  await client.send("last");
  const told = app.events.filter(({ channel }) => channel !== undefined);
  assertEquals(told.at(-1)?.type, "subscribe");
  assertEquals(await server.send({ channel: "asked", data: 1 }), 1);
  client.dropTransport();
});
