/**
 * What the server writes to its log, and what never gets there.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SignJWT } from "jose";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { freePort } from "./support/app_process.ts";
import { CHLOE_COMMAND, startChloe } from "./support/chloe_process.ts";
import { ask } from "./support/http.ts";
import { json, MisbehavingApp, status } from "./support/misbehaving_app.ts";
import { SessionClient, TRANSPORTS } from "./support/session_client.ts";
import { eventually, within } from "./support/within.ts";

const TOKEN_SECRET = "the secret of the tokens of the tests of logs";

Deno.test("the log has no payload, no token and no secret in it, at any level", async () => {
  await using app = MisbehavingApp.start();
  const [secret, key] = [createWebhookSecret(), createApiKey()];
  const config = [
    `secret = "${secret}"`,
    `api_keys = ["${key}"]`,
    `token.secret = "${TOKEN_SECRET}"`,
    `app.url = "${app.url}"`,
    `app.retry_for = "0s"`,
    `app.events = ["message", "connect", "disconnect"]`,
    "[[channel]]",
    `pattern = "**"`,
    `publish = "clients"`,
    `history = { size = 10, ttl = "1h" }`,
  ].join("\n");
  const chloe = await startChloe({ config, args: ["--log-level=debug"] });
  const address = { hostname: "127.0.0.1", port: chloe.port };
  const token = await new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(TOKEN_SECRET));
  const send = (body: string, headers: Record<string, string>) =>
    ask(address, "/send", { method: "POST", body, headers });
  const secrets: string[] = [];
  app.behave(
    json({}),
    json({ reply: "PAYLOAD" }),
    json({ send: [{ dta: "PAYLOAD" }, { channel: "news", data: "PAYLOAD" }] }),
    status(500, {}, "PAYLOAD"),
    json({}),
  );

  for (const transport of TRANSPORTS) {
    await using client = new SessionClient(address);
    const { resume } = await client.connect(transport, { token, subscribe: { news: {} } });
    secrets.push(resume.split(".")[1]!);
    for (let n = 0; n < 3; n++) await client.send(`PAYLOAD ${n}`);
    await client.publish("news", "PAYLOAD");
    client.raw("PAYLOAD that is no frame");
    const form = { "content-type": "application/x-www-form-urlencoded" };
    await send("data=PAYLOAD", { ...form, authorization: `Bearer ${key}` });
    await send("data=PAYLOAD", { ...form, authorization: `Bearer ${key}x` });
    await send("{PAYLOAD", { "content-type": "application/json", authorization: `Bearer ${key}` });
    await client.subscribe("last");
    await using refused = new SessionClient(address);
    await refused.connect(transport, { token: `${token}x` }).catch(() => {});
    client.raw('{"received":1000}'); // ends it
  }
  assertEquals(await chloe.stop(), 0);

  const log = chloe.stderrLines().join("\n");
  assert(log.includes('"level":"DEBUG"'), log);
  for (const hidden of ["PAYLOAD", key, secret, secret.slice(6), token, TOKEN_SECRET, ...secrets]) {
    assertEquals(log.split("\n").filter((line) => line.includes(hidden)), []);
  }
});

/** What a server writes to stderr from its start until it was told to stop. */
async function logOf(...args: readonly string[]): Promise<string> {
  const port = freePort();
  const [program, ...words] = CHLOE_COMMAND;
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("CHLOE_"));
  const child = new Deno.Command(program, {
    args: [...words, "serve", `--port=${port}`, ...args],
    cwd: "/",
    clearEnv: true,
    env: Object.fromEntries(env),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  try {
    await eventually(
      async () => await ask({ hostname: "127.0.0.1", port }, "/healthz").catch(() => undefined),
      "an answer",
    );
  } finally {
    child.kill("SIGTERM");
  }
  const { code, stderr } = await within(output, "the end of Chloe");
  assertEquals(code, 0);
  return new TextDecoder().decode(stderr);
}

Deno.test("the log is JSON lines where nobody looks at it, and text where that is asked for", async () => {
  const lines = (await logOf()).trim().split("\n").map((line) => JSON.parse(line));
  assert(lines.some(({ message }) => message === "Stopped"));
  for (const line of (await logOf("--log-format=pretty")).trim().split("\n")) {
    assertMatch(line, /^\d\d:\d\d:\d\d\S* \[info\] chloe·\w+/);
  }
});

Deno.test("the log has what its level lets through", async () => {
  assertEquals(await logOf("--log-level=error"), "");
});
