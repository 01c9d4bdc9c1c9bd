import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Key, keys } from "./keys.ts";
import { loadConfig, type Loaded, type LoadOptions } from "./load.ts";
import { problemLine } from "./problems.ts";
import type { Config } from "./schema.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN_SECRET = "tok_0123456789abcdef0123456789abcdef";

async function load(toml: string, options: Omit<LoadOptions, "file"> = {}): Promise<Loaded> {
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  try {
    await Deno.writeTextFile(file, toml);
    return await loadConfig({ file, ...options });
  } finally {
    await Deno.remove(file);
  }
}

async function config(toml: string, options: Omit<LoadOptions, "file"> = {}): Promise<Config> {
  const loaded = await load(toml, options);
  assertEquals(loaded.problems, undefined);
  return loaded.config!;
}

async function problems(toml: string, options: Omit<LoadOptions, "file"> = {}): Promise<string[]> {
  const loaded = await load(toml, options);
  const file = `${loaded.file}: `;
  return (loaded.problems ?? []).map((problem) => problemLine(problem).replace(file, ""));
}

function flags(texts: Record<string, string>): Map<Key, string> {
  return new Map(
    Object.entries(texts).map(([name, text]) => [keys.find((key) => key.name === name)!, text]),
  );
}

Deno.test("loadConfig() has the documented defaults", async () => {
  assertEquals(await config(""), {
    host: "127.0.0.1",
    port: 8901,
    socket_mode: 0o660,
    secret: [],
    api_keys: [],
    origins: [],
    trusted_proxies: [],
    shutdown_timeout: 10_000,
    include: [],
    tls: {},
    app: {
      format: "json",
      timeout: 10_000,
      retry_for: 60_000,
      events: ["message"],
      forward_headers: [],
    },
    session: { grace: 30_000, ping: 25_000 },
    limits: {
      max_bytes: 65_536,
      message_bytes: 65_536,
      unwritten_bytes: 262_144,
      unacknowledged_bytes: 262_144,
      subscriptions: 500,
      ban: 30_000,
      commands_per_second: 100,
    },
    channel: [],
    history: { max_bytes: 67_108_864 },
    token: { secret: [], required: false },
    legacy: { from: ["loopback"] },
    metrics: { enabled: true, from: ["loopback"] },
    log: { level: "info", format: "auto" },
  });
});

Deno.test("loadConfig() puts flags over the environment over the file", async () => {
  const toml = `port = 1\nhost = "127.0.0.2"\n[app]\nurl = "http://file/"\ntimeout = "1s"`;
  const env = { CHLOE_PORT: "2", CHLOE_APP_URL: "http://env/" };
  const { port, host, app } = await config(toml, { env, flags: flags({ port: "3" }) });
  assertEquals({ port, host, url: app.url, timeout: app.timeout }, {
    port: 3,
    host: "127.0.0.2",
    url: "http://env/",
    timeout: 1000,
  });
});

Deno.test("loadConfig() reads every kind of key from the environment", async () => {
  const read = await config("", {
    env: {
      CHLOE_ORIGINS: "https://a.example, https://*.b.example",
      CHLOE_LEGACY_ENABLED: "true",
      CHLOE_LIMITS_CONNECTIONS: "20000",
      CHLOE_CHANNEL: `[{"pattern":"chat:*","publish":"clients"}]`,
      CHLOE_APP_FORWARD_HEADERS: "Cookie,X-Team",
      CHLOE_APP_EVENTS: "message,restarted",
      CHLOE_HISTORY_MAX_BYTES: "1GiB",
      CHLOE_TOKEN_SECRET: `${TOKEN_SECRET}, ${TOKEN_SECRET}2`,
      CHLOE_TOKEN_ALGORITHMS: "HS256,HS512",
      CHLOE_TOKEN_REQUIRED: "true",
      CHLOE_STATE_DIR: "/var/lib/chloe",
    },
  });
  assertEquals(read.origins, ["https://a.example", "https://*.b.example"]);
  assertEquals(read.legacy.enabled, true);
  assertEquals(read.limits.connections, 20_000);
  assertEquals(read.channel, [
    { pattern: "chat:*", authorize: "open", publish: "clients", slow: "close" },
  ]);
  assertEquals(read.app.forward_headers, ["cookie", "x-team"]);
  assertEquals(read.app.events, ["message", "restarted"]);
  assertEquals(read.history.max_bytes, 2 ** 30);
  assertEquals(read.token, {
    secret: [TOKEN_SECRET, `${TOKEN_SECRET}2`],
    algorithms: ["HS256", "HS512"],
    required: true,
  });
  assertEquals(read.state_dir, "/var/lib/chloe");
});

Deno.test("loadConfig() takes one item for a list of one", async () => {
  const read = await config(`secret = "${SECRET}"\napi_keys = "chk_0123456789abcdef"`);
  assertEquals(read.secret, [SECRET]);
  assertEquals(read.api_keys, ["chk_0123456789abcdef"]);
});

Deno.test("loadConfig() reports every problem, each with its path", async () => {
  const toml = `
    port = 70000
    origins = ["https://x.example/path", 3]
    [app]
    url = "ftp://x/"
    timeout = 10
    format = "xml"
    [limits]
    max_bytes = "64"
    subscriptions = 1.5
    [[channel]]
    authorize = "maybe"
    [legacy]
    enabled = "yes"
    [session]
    grace = "30d"
  `;
  assertEquals(await problems(toml), [
    `port: must be 65535 or less`,
    `origins[0]: must be an origin such as "https://*.example.com"`,
    `origins[1]: must be an origin such as "https://*.example.com"`,
    `app.url: must be an http or https URL, with no password and no #fragment in it`,
    `app.format: must be "json" or "chloe-1"`,
    `app.timeout: must be a duration such as "10s", "500ms" or "2m"`,
    `session.grace: must be from 10ms to 24d`,
    `limits.max_bytes: must be a size such as "64KiB" or "1MB"`,
    `limits.subscriptions: must be a whole number`,
    `channel[0].pattern: is missing`,
    `channel[0].authorize: must be "open", "token", "app" or "closed"`,
    `legacy.enabled: must be true or false`,
  ]);
});

Deno.test("loadConfig() names the variable or flag that a bad value came from", async () => {
  assertEquals(
    await problems("", { env: { CHLOE_PORT: "many" }, flags: flags({ "log.level": "loud" }) }),
    [
      "CHLOE_PORT: port: must be a whole number",
      `--log-level: log.level: must be "trace", "debug", "info", "warning", "error" or "fatal"`,
    ],
  );
});

Deno.test("loadConfig() suggests what an unknown key may have meant", async () => {
  const toml = `
    prot = 1
    app_url = "x"
    max_bytes = "1KiB"
    nonsense = 1
    [ap]
    url = "x"
    [app]
    retryfor = "1s"
    [[channel]]
    pattern = "x"
    autorize = "open"
  `;
  assertEquals((await problems(toml)).sort(), [
    "ap: there is no such key; did you mean app?",
    "app.retryfor: there is no such key; did you mean app.retry_for?",
    "app_url: there is no such key; did you mean app.url?",
    "channel[0].autorize: there is no such key; did you mean channel[0].authorize?",
    "max_bytes: there is no such key; did you mean limits.max_bytes?",
    "nonsense: there is no such key",
    "prot: there is no such key; did you mean port?",
  ]);
});

Deno.test("loadConfig() says where keys belong that were pasted below a table", async () => {
  assertEquals(await problems(`[app]\nurl = "http://x/"\nsecret = "whsec_x"`), [
    "app.secret: there is no such key; secret belongs to the top of the file, above the first [table]",
  ]);
});

Deno.test("loadConfig() refuses a table where a value belongs, and the other way round", async () => {
  assertEquals(await problems(`app = 3\n[port]\nx = 1`, { env: { CHLOE_APP_URL: "http://x/" } }), [
    "port: must be a whole number",
    "app: must be a table",
  ]);
});

Deno.test("loadConfig() says how rules are written where there is one alone", async () => {
  assertEquals(await problems(`[channel]\npattern = "x"`), [
    "channel: must be a list: write [[channel]] for each rule",
  ]);
});

Deno.test("loadConfig() is not confused by keys of JavaScript", async () => {
  for (const name of ["constructor", "hasOwnProperty", "valueOf"]) {
    assertEquals(await problems(`[${name}]\nport = 1`), [`${name}: there is no such key`]);
    assertEquals(await problems(`[app]\n${name} = 1`), [`app.${name}: there is no such key`]);
  }
});

Deno.test("loadConfig() checks secrets and keys, and repeats none of them", async () => {
  const short = "whsec_c2hvcnQ=";
  const lines = await problems(`secret = ["${short}", "hidden-one"]\napi_keys = ["hidden-two"]`, {
    env: { CHLOE_LEGACY_SECRET: "hidden-three", CHLOE_APP_URL: "http://user:hidden-four@x/" },
  });
  assertEquals(lines.map((line) => line.split(" must")[0]), [
    "secret[0]:",
    "secret[1]:",
    "api_keys[0]:",
    "CHLOE_APP_URL: app.url:",
  ]);
  assert(!/hidden|c2hvcnQ/.test(lines.join()));
});

Deno.test("loadConfig() refuses a public address with neither secret nor key", async () => {
  for (const host of ["0.0.0.0", "::", "192.168.1.2", "example.com", "128.0.0.1"]) {
    const [line, ...others] = await problems(`host = "${host}"`);
    assertStringIncludes(line!, "is not a loopback address");
    assertEquals(others, []);
  }
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"]) {
    assertEquals(await problems(`host = "${host}"`), []);
  }
  assertEquals(await problems(`host = "::"\nsecret = "${SECRET}"`), []);
  assertEquals(await problems(`host = "::"\napi_keys = ["chk_0123456789abcdef"]`), []);
});

Deno.test("loadConfig() does not guess at a secret that it could not read", async () => {
  assertEquals((await problems(`host = "0.0.0.0"\nsecret = "mistyped"`)).length, 1);
  assertEquals((await problems(`secret = `, { env: { CHLOE_HOST: "0.0.0.0" } })).length, 1);
});

Deno.test("loadConfig() forwards cookies only where origins are listed", async () => {
  const [line] = await problems(`[app]\nforward_headers = ["Cookie"]`);
  assertStringIncludes(line!, "app.forward_headers: cookies");
  assertEquals(
    await problems(`origins = ["https://x.example"]\n[app]\nforward_headers = ["Cookie"]`),
    [],
  );
});

Deno.test("loadConfig() reports rules between keys together with bad keys elsewhere", async () => {
  const lines = await problems(`host = "0.0.0.0"\nport = -1\nsecrets = 1`);
  assertEquals(lines.length, 3);
  assertStringIncludes(lines[2]!, "host: 0.0.0.0 is not a loopback address");
});

Deno.test("loadConfig() warns of bounds that make no sense together", async () => {
  const { config, warnings } = await load(`[limits]\nunwritten_bytes = "1KiB"`);
  assertEquals(config?.limits.unwritten_bytes, 1024);
  assertEquals(warnings, [
    "limits.unwritten_bytes: is less than limits.message_bytes: one long message makes every reader a slow one",
  ]);
});

Deno.test("loadConfig() says the line of what is not TOML, and not what stands there", async () => {
  assertEquals(await problems(`port = 1\nsecret = whsec_hidden`), [
    "Cannot read it as TOML: line 2, column 9: Cannot parse value",
  ]);
});

Deno.test("loadConfig() says it of a table that is there twice", async () => {
  for (const first of [`[token]\nrequired = false`, `token.required = false\n[app]`]) {
    assertEquals(await problems(`${first}\n[token]\naudience = "x"`), [
      "Cannot read it as TOML: line 4, column 14: the table that ends here was begun above: put both together",
    ]);
  }
});

Deno.test("loadConfig() says why a file cannot be read", async () => {
  const dir = await Deno.makeTempDir();
  const missing = await loadConfig({ file: `${dir}/none.toml` });
  const folder = await loadConfig({ file: dir });
  await Deno.remove(dir);
  assertEquals(missing.problems?.map((problem) => problem.message), [
    "Cannot read the file: there is none",
  ]);
  assertEquals(folder.problems?.map((problem) => problem.message), [
    "Cannot read the file: Is a directory",
  ]);
});
