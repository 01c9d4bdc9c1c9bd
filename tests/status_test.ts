/**
 * `chloe status` of servers that tell all of their numbers, some, or none.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createApiKey, createWebhookSecret } from "../src/signing/secrets.ts";
import { runChloe, startChloe } from "./support/chloe_process.ts";
import { SessionClient } from "./support/session_client.ts";

async function makeFolder() {
  const path = await Deno.makeTempDir({ prefix: "chloe-status-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What answers on a port of loopback as some Chloe does, and what `chloe status` makes of it. */
async function statusOf(answers: Readonly<Record<string, () => Response>>) {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      return answers[new URL(request.url).pathname]?.() ?? new Response("{}", { status: 404 });
    },
  );
  return await runChloe(["status", "--pid-file", "/nowhere/chloe.pid"], {
    env: { CHLOE_PORT: String(server.addr.port) },
  });
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");
const HEALTHY = () => Response.json({ status: "ok", pid: 7 });
const RUNNING = /^Chloe is running \(process 7\) at /;

for (
  const [by, keys] of [
    ["without keys", ""],
    ["with a key", `api_keys = ["${createApiKey()}"]\n`],
    ["with a secret alone", `secret = "${createWebhookSecret()}"\n`],
  ] as const
) {
  Deno.test(`chloe status shows the numbers of the daemon, by the config it was started with: ${by}`, async () => {
    await using folder = await makeFolder();
    const config = `${folder.path}/chloe.toml`;
    await Deno.writeTextFile(config, `${keys}[[channel]]\npattern = "**"\n`);
    const pidFile = ["--pid-file", `${folder.path}/chloe.pid`];
    const started = await runChloe(
      ["start", "--port=0", "--config", config, ...pidFile, "--log-file", `${folder.path}/log`],
    );
    try {
      const port = Number(/at http:\/\/127\.0\.0\.1:(\d+)/.exec(started.stdout)?.[1]);
      await using page = new SessionClient({ hostname: "127.0.0.1", port });
      await page.connect("websocket", { subscribe: { a: {}, b: {} } });
      // From another folder, and told no more than which server it is.
      const { code, stdout, stderr } = await runChloe(["status", ...pidFile], { cwd: "/tmp" });
      assertEquals([code, stderr], [0, ""]);
      const [first, ...numbers] = lines(stdout);
      assertMatch(first!, /^Chloe is running \(process \d+\) at http:\/\/127\.0\.0\.1:\d+$/);
      assertEquals(numbers.map((line) => line.slice(0, 16).trim()), [
        ...["up", "sessions", "channels", "published", "in", "out", "queued", "slow readers"],
        ...["event loop", "memory", ...(Deno.build.os === "linux" ? ["files"] : [])],
      ]);
      assertStringIncludes(stdout, "\n  sessions      1: 1 websocket\n");
      assertStringIncludes(stdout, "\n  channels      2, 2 subscriptions\n");
    } finally {
      await runChloe(["stop", ...pidFile]);
    }
  });
}

Deno.test("chloe status says that a server runs whose numbers it may not read, and why", async () => {
  await using chloe = await startChloe({ config: `api_keys = ["${createApiKey()}"]\n` });
  const { code, stdout, stderr } = await runChloe(["status", "--pid-file", "/nowhere/chloe.pid"], {
    env: { CHLOE_PORT: `${chloe.port}` },
  });
  assertEquals([code, lines(stdout).length], [0, 1]);
  assertMatch(stderr, /^chloe: Cannot read the numbers of http.*Bearer <api key>.*\(401\)\n$/);
});

Deno.test("chloe status says that it has no key while the config has a problem", async () => {
  await using folder = await makeFolder();
  const config = `${folder.path}/chloe.toml`;
  await Deno.writeTextFile(config, `api_keys = ["${createApiKey()}"]\n`);
  const pidFile = ["--pid-file", `${folder.path}/chloe.pid`];
  await runChloe(
    ["start", "--port=0", "--config", config, ...pidFile, "--log-file", `${folder.path}/log`],
  );
  try {
    await Deno.writeTextFile(config, 'log.level = "loud"\n', { append: true });
    const { code, stdout, stderr } = await runChloe(["status", ...pidFile]);
    assertEquals([code, lines(stdout).length], [0, 1]);
    assertMatch(stderr, /\(401\)\nchloe: The config has a problem: 'chloe check' says which\n$/);
  } finally {
    await runChloe(["stop", ...pidFile]);
  }
});

Deno.test("chloe status shows what an older server tells", async () => {
  const { code, stdout, stderr } = await statusOf({
    "/healthz": HEALTHY,
    "/api/stats": () => Response.json({ sessions: 3, channels: 2, hub: { framesIn: 1 } }),
  });
  assertEquals([code, stderr], [0, ""]);
  const [first, ...numbers] = lines(stdout);
  assertMatch(first!, RUNNING);
  assertEquals(numbers, [
    "  sessions      3",
    "  channels      2",
    "  in            1 frame",
  ]);
});

for (
  const [what, stats, said] of [
    ["has no /api/stats", () => new Response("{}", { status: 404 }), "404"],
    ["answers it with what is no JSON", () => new Response("<html>"), "is not Chloe"],
    ["answers it without end", () => new Response(" ".repeat(2 ** 21)), "Cannot read the numbers"],
  ] as const
) {
  Deno.test(`chloe status says that a server runs which ${what}`, async () => {
    const { code, stdout, stderr } = await statusOf({ "/healthz": HEALTHY, "/api/stats": stats });
    assertEquals([code, lines(stdout).length], [0, 1]);
    assertMatch(stdout, RUNNING);
    assertStringIncludes(stderr, said);
    assertEquals(lines(stderr).length, 1);
  });
}
