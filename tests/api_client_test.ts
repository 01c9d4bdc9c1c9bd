/**
 * The OpenAPI document is valid and true: a client that a public generator makes of it calls every endpoint,
 * and each answer is what the document says.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createClient } from "@hey-api/openapi-ts";
import { Validator } from "@seriousme/openapi-schema-validator";
import * as esbuild from "esbuild";
import { z } from "zod";
import * as schema from "../src/http/api/schema.ts";
import { createApiKey } from "../src/signing/secrets.ts";
import { type Address, type ConfigFile, startTestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";

const KEY = createApiKey();
const CONFIG: ConfigFile = {
  api_keys: [KEY],
  channel: [{ pattern: "**", history: { size: 10, ttl: "5m" }, presence: true }],
};

const Sent = z.strictObject({ id: z.string(), matched: z.number() });
const Health = z.strictObject({
  status: z.string(),
  pid: z.number().optional(),
  version: z.string().optional(),
});

/** What is used of an OpenAPI document here. */
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
}

async function readDocument({ port }: Address): Promise<Document> {
  return await (await fetch(`http://127.0.0.1:${port}/api/openapi.json`)).json();
}

function operationsOf({ paths }: Document): Operation[] {
  return Object.values(paths).flatMap((operations) => Object.values(operations));
}

/** A function of the generated client. */
type Call = (options: {
  readonly baseUrl: string;
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  auth(scheme: { readonly scheme?: string }): string | undefined;
}) => Promise<{
  readonly data?: unknown;
  readonly error?: unknown;
  readonly response?: Response;
  readonly stream?: AsyncIterable<unknown>;
}>;

/** Generates a client of the document, and loads it. */
async function generateClient(document: Document): Promise<Readonly<Record<string, Call>>> {
  const folder = await Deno.makeTempDir({ prefix: "chloe_api_client_" });
  try {
    await createClient({
      input: document as unknown as Record<string, unknown>,
      output: folder,
      plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
      logs: { level: "silent" },
    });
    // What is generated imports without extensions.
    const { outputFiles } = await esbuild.build({
      entryPoints: [`${folder}/index.ts`],
      bundle: true,
      format: "esm",
      write: false,
    });
    const bundle = `${folder}/client.mjs`;
    await Deno.writeFile(bundle, outputFiles[0]!.contents);
    return await import(`file://${bundle}`);
  } finally {
    await esbuild.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("/api/openapi.json is a valid OpenAPI document, for everybody to read", async () => {
  await using server = await startTestServer(CONFIG);
  const document = await readDocument(server);
  assertEquals(document.openapi, "3.1.0");
  const validator = new Validator();
  const { valid, errors } = await validator.validate({ ...document });
  assert(valid, JSON.stringify(errors));
  assertEquals(validator.version, "3.1");
  const ids = operationsOf(document).map(({ operationId }) => operationId);
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test({
  name: "a client that is generated from /api/openapi.json calls every endpoint",
  // esbuild's stop() resolves when its process was told to end, not when it has.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using server = await startTestServer(CONFIG);
    const document = await readDocument(server);
    const client = await generateClient(document);
    const called = new Set<string>();
    const common = {
      baseUrl: server.url,
      auth: ({ scheme }: { readonly scheme?: string }) => scheme === "bearer" ? KEY : undefined,
    };

    /** Calls an operation, whose answer has to be what `expected` says and nothing else. */
    async function call<S extends z.ZodType>(
      operationId: string,
      expected: S,
      options: Omit<Parameters<Call>[0], "baseUrl" | "auth"> = {},
    ): Promise<z.infer<S>> {
      called.add(operationId);
      const { data, error, response } = await client[operationId]!({ ...common, ...options });
      assertEquals([response?.status, error], [200, undefined], operationId);
      return expected.parse(data);
    }

    const page = async () => {
      const each = new SessionClient(server);
      await each.connect("websocket", { subscribe: { "chat:1": {} } });
      return each;
    };
    await using ann = await page();
    await using bob = await page();
    const inChat = { path: { channel: "chat:1" } };
    const asAnn = { path: { session: ann.session } };

    // The stream first: what is sent after it is what it brings.
    called.add("tailChannel");
    const stop = new AbortController();
    const { stream } = await client.tailChannel!({ ...common, ...inChat, signal: stop.signal });
    const frames = stream![Symbol.asyncIterator]();
    const first = frames.next();
    const message = { body: { data: { n: 1 }, channel: "chat:1" } };
    let frame: IteratorResult<unknown> | null = null;
    while (frame === null) {
      assertEquals((await call("send", Sent, message)).matched, 2);
      // The stream begins when it is read: until it has, nobody watches.
      frame = await Promise.race([first, null]);
    }
    const { channel, data } = schema.Frame.parse(frame.value);
    assertEquals([channel, data], ["chat:1", { n: 1 }]);
    stop.abort();
    await frames.return?.();

    const { sessions } = await call("listSessions", schema.SessionPage, {
      query: { channel: "chat:1", limit: 10 },
    });
    assertEquals(sessions.map(({ id }) => id), [ann.session, bob.session].sort());
    assertEquals((await call("getSession", schema.Session, asAnn)).channels, ["chat:1"]);
    const put = { ...asAnn, body: { channel: "a/b %2F", info: [1] } };
    assertEquals((await call("subscribeSession", schema.Changed, put)).changed, true);
    const { members } = await call("getPresence", schema.Presence, {
      path: { channel: "a/b %2F" },
    });
    assertEquals(members, [{ session: ann.session, user: null, info: [1] }]);
    const out = { ...asAnn, body: { channel: "a/b %2F" } };
    assertEquals((await call("unsubscribeSession", schema.Changed, out)).changed, true);

    const { channels } = await call("listChannels", schema.ChannelPage, {
      query: { pattern: "chat:*" },
    });
    assertEquals(channels.map(({ name, subscribers }) => [name, subscribers]), [["chat:1", 2]]);
    assertEquals((await call("getChannel", schema.Channel, inChat)).rule.authorize, "open");
    const { messages } = await call("getHistory", schema.History, {
      ...inChat,
      query: { since: 0, limit: 1 },
    });
    assertEquals(messages.map(({ data }) => data), [{ n: 1 }]);
    assert((await call("clearHistory", schema.Cleared, inChat)).cleared > 0);

    const nobody = { path: { user: "nobody" } };
    const none = await call("listUserSessions", schema.SessionPage, nobody);
    assertEquals(none, { sessions: [], next: null });
    const away = { body: { reason: "bye", reconnect: true } };
    const gone = await call("disconnectUser", schema.Disconnected, { ...nobody, ...away });
    assertEquals(gone.disconnected, 0);
    await call("disconnectSession", schema.Disconnected, { ...asAnn, ...away });
    assert((await ann.ended).code < 3500);

    assert((await call("getStats", schema.Stats)).sessions >= 1);
    assertEquals((await call("healthz", Health)).status, "ok");
    assertEquals((await call("readyz", Health)).status, "ready");
    assertEquals(await call("getOpenApi", z.unknown()), document);
    assert((await call("getDocs", z.string())).startsWith("<!doctype html>"));

    const documented = operationsOf(document).map(({ operationId }) => operationId);
    assertEquals([...called].sort(), documented.sort());

    // An error is read as one, too.
    const refused = await client.getSession!({ ...common, path: { session: "none" } });
    assertEquals(schema.ErrorAnswer.parse(refused.error).error.code, "unknown_session");
  },
});
