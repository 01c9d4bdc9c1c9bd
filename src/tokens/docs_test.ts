import { assert, assertEquals } from "@std/assert";
import { codeBlocks } from "../../tests/support/markdown.ts";
import { findProgram } from "../../tests/support/programs.ts";
import { KEY_ALGORITHMS, SECRET_ALGORITHMS } from "../signing/token_keys.ts";
import { SECRET } from "../../tests/support/token_rig.ts";
import { createTokens } from "./tokens.ts";

const DOCS = await Deno.readTextFile(new URL("../../docs/tokens.md", import.meta.url));

/** What runs the examples of a language: its file's name, the variable that names it, where it may be. */
const PROGRAMS: Readonly<Record<string, readonly [file: string, variable: string, name: string]>> =
  {
    js: ["token.mjs", "NODE", "node"],
    python: ["token.py", "PYTHON", "python3"],
    php: ["token.php", "PHP", "php"],
    ruby: ["token.rb", "RUBY", "ruby"],
  };

for (const [language, [file, variable, name]] of Object.entries(PROGRAMS)) {
  const program = findProgram(variable, [`/usr/bin/${name}`, `/usr/local/bin/${name}`]);
  Deno.test({
    name: `docs/tokens.md makes a token in ${language} that Chloe takes`,
    ignore: program === null,
    async fn() {
      const blocks = codeBlocks(DOCS).filter((block) => block.language === language);
      assertEquals(blocks.length, 1);
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeTextFile(`${folder}/${file}`, blocks[0]!.text);
        const before = Math.floor(Date.now() / 1000);
        const { success, stdout, stderr } = await new Deno.Command(program!, {
          args: [file],
          cwd: folder,
          env: { TOKEN_SECRET: SECRET },
        }).output();
        assert(success, new TextDecoder().decode(stderr));
        const tokens = await createTokens({ secrets: [SECRET], audience: "chat" });
        const verified = await tokens.connection(new TextDecoder().decode(stdout).trim());
        assert(verified.ok, verified.ok ? "" : verified.message);
        const { user, expiresAtMs } = verified.claims;
        assertEquals(user, "ada");
        assert(expiresAtMs! >= (before + 600) * 1000);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("docs/tokens.md names every algorithm", () => {
  const [, section] = DOCS.split("## Algorithms");
  for (const algorithm of [...SECRET_ALGORITHMS, ...KEY_ALGORITHMS]) {
    assert(new RegExp(`\\b${algorithm}\\b`).test(section!), algorithm);
  }
});
