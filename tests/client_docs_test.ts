/**
 * The examples of docs/client.md are programs that do what they say.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { codeBlocks } from "./support/markdown.ts";
import { startTestServer } from "./support/server.ts";

const ROOT = new URL("../", import.meta.url);
const DOCUMENT = await Deno.readTextFile(new URL("docs/client.md", ROOT));

/** The address that stands for the reader's own. */
const ADDRESS = "https://chloe.example.com";

/** What an example says that it prints: what stands after `// →`. */
function printed(example: string): string[] {
  return [...example.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line!);
}

Deno.test("the examples of docs/client.md run, and print what stands beside them", async () => {
  const app = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { data } = await request.json();
    return Response.json({ reply: { echo: data } });
  });
  await using server = await startTestServer({
    app: { url: `http://127.0.0.1:${app.addr.port}/` },
    channel: [
      { pattern: "chat:*", publish: "clients" },
      { pattern: "room:*", publish: "clients", presence: true },
      { pattern: "*" },
    ],
  });
  const examples = codeBlocks(DOCUMENT).filter(({ language }) => language === "ts");
  assert(examples.length >= 5);
  const folder = await Deno.makeTempDir({ prefix: "chloe-docs-" });
  try {
    const client = new URL("client/mod.ts", ROOT).href;
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({ imports: { "chloe-client": client } }),
    );
    const names = examples.map((_, n) => `${n}.ts`);
    for (const [n, { text }] of examples.entries()) {
      await Deno.writeTextFile(`${folder}/${names[n]}`, text.replaceAll(ADDRESS, server.url));
    }
    assertEquals(await deno(folder, ["check", "--quiet", ...names]), { code: 0, out: "", err: "" });
    const results = await Promise.all(
      names.map((name) => deno(folder, ["run", "--no-check", "--allow-net", name])),
    );
    for (const [n, { text }] of examples.entries()) {
      const out = printed(text).map((line) => `${line}\n`).join("");
      assertEquals(results[n], { code: 0, out, err: "" }, text);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
    await app.shutdown();
  }
});

async function deno(cwd: string, args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    stdin: "null",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}
