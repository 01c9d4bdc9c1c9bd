/**
 * The npm package of the client, as those who install it use it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { packageClient } from "../scripts/package_client.ts";
import { browserTest } from "./support/browser.ts";
import { codeBlocks } from "./support/markdown.ts";
import { createNpmProject, isNpmMissing, type NpmProject } from "./support/npm.ts";
import { startTestServer } from "./support/server.ts";
import { assertNoErrors } from "./support/web_pages.ts";
import { within } from "./support/within.ts";

/** What the projects install besides. Vite 7 is the last that npm 10, which comes with Node 20, installs. */
const VITE = "vite@7.3.8";
const TYPESCRIPT = "typescript@5.9.3";
const BUN = "bun@1.4.5";

let packing: Promise<{ readonly folder: string; readonly tarball: string }> | undefined;
let building: Promise<NpmProject> | undefined;

/** The package's tarball, made once. */
function tarball(): Promise<string> {
  packing ??= Deno.makeTempDir({ prefix: "chloe_package_" })
    .then(async (folder) => ({ folder, tarball: await packageClient(folder) }));
  return packing.then(({ tarball }) => tarball);
}

Deno.test.afterAll(async () => {
  await (await building?.catch(() => undefined))?.[Symbol.asyncDispose]();
  if (packing) await Deno.remove((await packing).folder, { recursive: true });
});

/** An app that answers each message with what it got, handed back as the reply. */
function startApp() {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { data } = await request.json();
    return Response.json({ reply: { handled: data } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/updates`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The files of somebody's build, on an origin of their own. */
function serveFolder(folder: string) {
  const types: Record<string, string> = { html: "text/html", js: "text/javascript" };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const path = pathname === "/" ? "/index.html" : pathname;
    const body = await Deno.readFile(folder + path).catch(() => null);
    const type = types[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    return new Response(body, { status: body ? 200 : 204, headers: { "content-type": type } });
  });
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const INDEX = `<!doctype html><title>An app's page</title>
<script type="module" src="/main.ts"></script>`;

const MAIN = `import { Chloe, ChloeError, type ChloeErrorCode, type State } from "chloe-client";

const log: unknown[] = [];
Object.assign(globalThis, { log });
const chloe = new Chloe(new URLSearchParams(location.search).get("chloe")!);
const state: State = chloe.state;
await chloe.connect();
await chloe.subscribe("news", (data, { channel, offset }) => {
  const known: string | undefined = channel;
  const place: number | undefined = offset;
  log.push([known, data, place === undefined]);
});
log.push([state, chloe.state]);
await chloe.subscribe(" ", () => {}).catch((error: unknown) => {
  if (!(error instanceof ChloeError)) throw error;
  const code: ChloeErrorCode = error.code;
  log.push(code);
});
// @ts-expect-error There is no such transport.
void (() => new Chloe({ transports: ["carrier pigeon"] }));
// @ts-expect-error There is no such event.
void (() => chloe.on("nonsense", () => {}));
// @ts-expect-error It cannot be set.
void (() => chloe.url = "");
// @ts-expect-error It is nobody's business.
void (() => chloe.core);
`;

/** As strict as a project can be; the types of the packages that it uses are checked with it. */
const TSCONFIG = JSON.stringify({
  compilerOptions: {
    exactOptionalPropertyTypes: true,
    lib: ["ES2022", "DOM"],
    module: "ESNext",
    moduleResolution: "bundler",
    noEmit: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    strict: true,
    target: "ES2022",
    types: [],
    verbatimModuleSyntax: true,
  },
  include: ["main.ts", "readme.ts"],
});

/** A project with Vite, built: once for all browsers. */
async function createViteProject(): Promise<NpmProject> {
  const packed = await tarball();
  const readme = await Deno.readTextFile(new URL("../scripts/package_client.md", import.meta.url));
  const example = codeBlocks(readme).find(({ language }) => language === "ts")!.text;
  const files = {
    "index.html": INDEX,
    "main.ts": MAIN,
    "readme.ts": example,
    "tsconfig.json": TSCONFIG,
  };
  const project = await createNpmProject(files, [packed, VITE, TYPESCRIPT]);
  try {
    await project.run("node_modules/.bin/tsc", []);
    const node = ["--module", "nodenext", "--moduleResolution", "nodenext"];
    await project.run("node_modules/.bin/tsc", node);
    await project.run("node_modules/.bin/vite", ["build", "--target", "es2022"]);
  } catch (error) {
    await project[Symbol.asyncDispose]();
    throw error;
  }
  return project;
}

const VITE_TEST = "chloe-client: a page that Vite built, type-checked, connects and gets messages";
if (isNpmMissing) {
  Deno.test({ name: `${VITE_TEST} (npm)`, ignore: true, fn() {} });
} else {
  browserTest(VITE_TEST, async (browser) => {
    const { folder } = await (building ??= createViteProject());
    await using chloe = await startTestServer();
    await using pages = serveFolder(`${folder}/dist`);
    const page = await browser.open(`${pages.origin}/?chloe=${chloe.url}`);
    await within(page.waitFor("globalThis.log?.length >= 2"), "the page to subscribe");
    assertEquals(await chloe.send({ channel: "news", data: { n: 1 } }), 1);
    await within(page.waitFor("log.length >= 3"), "the message");
    assertEquals(await page.evaluate("log"), [
      ["idle", "connected"],
      "bad_channel",
      ["news", { n: 1 }, true],
    ]);
    assertNoErrors(page);
  });
}

/** Says what happens, a line of JSON each. Its end is left to itself: nothing may hold it. */
const SCRIPT = `
// A script for browsers names its global object as they do.
globalThis.self = globalThis;
const [address, entry, transports] = process.argv.slice(2);
const { Chloe = globalThis.Chloe } = await import(entry);
const say = (...line) => console.log(JSON.stringify(line));
const options = transports ? { transports: [transports] } : {};
const chloe = new Chloe(address, options);
await chloe.connect();
say("transport", chloe.transport);
const message = new Promise((resolve) => {
  chloe.subscribe("news", resolve).then(() => say("subscribed"));
});
say("message", await message);
say("reply", await chloe.send({ n: 2 }));
chloe.close();
say("state", chloe.state);
`;

interface Run {
  readonly program: string;
  readonly flags?: readonly string[];
  /** What is imported. */
  readonly entry?: string;
  /** The only transport, where it is not left to the client. */
  readonly transport?: string;
}

/** Runs the script against a server until it ends by itself; gives the transport that it used. */
async function runScript(
  { folder }: NpmProject,
  { program, flags = [], entry = "chloe-client", transport = "" }: Run,
): Promise<unknown> {
  await using app = startApp();
  await using chloe = await startTestServer({ app: { url: app.url } });
  await using child = new Deno.Command(program, {
    args: [...flags, "script.mjs", chloe.url, entry, transport],
    cwd: folder,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaints = new Response(child.stderr).text();
  const said: unknown[][] = [];
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      said.push(JSON.parse(line));
      if (line === '["subscribed"]') await chloe.send({ channel: "news", data: ["é", 1] });
    }
  }
  const { code } = await within(child.status, "the script to end by itself");
  assertEquals(code, 0, await complaints);
  const [[, used] = [], ...others] = said;
  assertEquals(others, [
    ["subscribed"],
    ["message", ["é", 1]],
    ["reply", { handled: { n: 2 } }],
    ["state", "closed"],
  ], await complaints);
  await complaints;
  return used;
}

/** How Node is told to have a global WebSocket, or none. From 22 on it has one if nothing is said. */
async function webSocketFlag(project: NpmProject, wanted: boolean): Promise<string[]> {
  const major = Number(await project.run("node", ["-p", "process.versions.node.split('.')[0]"]));
  if (wanted) return major < 22 ? ["--experimental-websocket"] : [];
  return major < 22 ? [] : ["--no-experimental-websocket"];
}

Deno.test({
  name: "chloe-client: a script in Node connects, hears, speaks, closes, and ends by itself",
  ignore: isNpmMissing,
  async fn(t) {
    await using project = await createNpmProject({ "script.mjs": SCRIPT }, [await tarball()]);
    const program = "node";
    await t.step("by HTTP where there is no WebSocket", async () => {
      const flags = await webSocketFlag(project, false);
      const used = await runScript(project, { program, flags });
      assert(used === "events" || used === "poll", `by ${used}`);
    });
    const flags = await webSocketFlag(project, true);
    await t.step("by WebSocket where there is one", async () => {
      assertEquals(await runScript(project, { program, flags }), "websocket");
    });
    // The members of its objects have other names than in the source.
    for (const transport of ["websocket", "events", "poll"]) {
      await t.step(`by ${transport} with the minified script`, async () => {
        const entry = "chloe-client/chloe.min.js";
        assertEquals(await runScript(project, { program, flags, entry, transport }), transport);
      });
    }
  },
});

Deno.test({
  name: "chloe-client: a script in Bun connects, hears, speaks, closes, and ends by itself",
  ignore: isNpmMissing,
  async fn() {
    await using project = await createNpmProject({ "script.mjs": SCRIPT }, [await tarball(), BUN]);
    const program = `${project.folder}/node_modules/.bin/bun`;
    assertEquals(await runScript(project, { program }), "websocket");
  },
});
