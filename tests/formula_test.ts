/**
 * The Homebrew formula, evaluated against stubs of Homebrew's DSL; with a binary its test is run as well.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { DOWNLOADS } from "../scripts/package/about.ts";
import { formula, FORMULA_TARGETS } from "../scripts/package/formula.ts";
import { isMissing } from "./support/app_process.ts";
import { CHLOE_BIN } from "./support/chloe_process.ts";
import { within } from "./support/within.ts";

const STUBS = new URL("support/homebrew.rb", import.meta.url).pathname;

const SUMS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(FORMULA_TARGETS).map((target, i) => [target, String(i).repeat(64)]),
);

const PLATFORMS = [
  ["macos", "arm", "aarch64-apple-darwin"],
  ["macos", "intel", "x86_64-apple-darwin"],
  ["linux", "arm", "aarch64-unknown-linux-gnu"],
  ["linux", "intel", "x86_64-unknown-linux-gnu"],
] as const;

/** What the stubs tell of the formula. */
interface Evaluated {
  readonly facts: Readonly<Record<string, string>>;
  readonly service: {
    readonly run: readonly string[];
    readonly keep_alive: unknown;
    readonly log_path: string;
  };
  readonly caveats: string;
  readonly has_test: boolean;
  readonly ran: boolean;
}

async function ruby(...args: string[]): Promise<string> {
  const output = new Deno.Command("ruby", { args, stdin: "null" }).output();
  const { code, stdout, stderr } = await within(output, `ruby ${args.join(" ")}`);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function withFormula(
  fn: (folder: string, path: string) => Promise<void>,
  version = "1.2.3",
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "chloe-formula-" });
  try {
    await Deno.writeTextFile(`${folder}/chloe.rb`, await formula(version, SUMS));
    await fn(folder, `${folder}/chloe.rb`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("formula() is not written with a sum that is missing or none", async () => {
  await assertRejects(() => formula("1.2.3", {}), Error, "no SHA-256 of the archive");
  const cut = { ...SUMS, "aarch64-apple-darwin": "123" };
  await assertRejects(() => formula("1.2.3", cut), Error, "aarch64-apple-darwin");
});

Deno.test({
  name: "the formula is Ruby, with the archive and the sum of each platform",
  ignore: isMissing("ruby"),
  async fn() {
    await withFormula(async (folder, path) => {
      assertStringIncludes(await ruby("-c", path), "Syntax OK");
      for (const [os, cpu, target] of PLATFORMS) {
        const found = JSON.parse(await ruby(STUBS, path, os, cpu, folder)) as Evaluated;
        assertEquals(found.facts.url, `${DOWNLOADS}/v1.2.3/chloe-1.2.3-${target}.tar.gz`);
        assertEquals(found.facts.sha256, SUMS[target]);
        assertEquals(found.facts.version, "1.2.3");
        assertEquals(found.facts.license, "MIT");
        // What `brew audit` asks of a description.
        assertMatch(found.facts.desc!, /^(?!An? )[A-Z].{1,78}[^.]$/);
        assertEquals(found.service.run, [
          `${folder}/cellar/bin/chloe`,
          ...["serve", "--config", `${folder}/etc/chloe/chloe.toml`],
        ]);
        assertEquals(found.service.keep_alive, { crashed: true });
        assertEquals(found.service.log_path, `${folder}/var/log/chloe.log`);
        assertStringIncludes(found.caveats, `${folder}/etc/chloe/chloe.toml`);
        assert(found.has_test);
      }
    });
  },
});

Deno.test({
  name: "the formula installs the archive's files, makes keys once, and its test passes",
  ignore: CHLOE_BIN === undefined || isMissing("ruby"),
  async fn() {
    const folder = CHLOE_BIN!.replace(/\/chloe$/, "");
    const version = /chloe-(.+?)-(?:x86_64|aarch64)-/.exec(folder)![1]!;
    await withFormula(async (prefix, path) => {
      await Deno.symlink(folder, `${prefix}/archive`);
      const [os, cpu] = PLATFORMS.find(([, , target]) => target === Deno.build.target)!;
      const { ran } = JSON.parse(await ruby(STUBS, path, os, cpu, prefix, CHLOE_BIN!)) as Evaluated;
      assert(ran);
      const config = `${prefix}/etc/chloe/chloe.toml`;
      const text = await Deno.readTextFile(config);
      assertEquals(text.match(/^secret = "whsec_/gm)?.length, 1);
      assertEquals((await Deno.stat(config)).mode! & 0o777, 0o600);
      const { code, stdout } = await new Deno.Command(`${prefix}/cellar/bin/chloe`, {
        args: ["check", "--config", config],
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stdout));
      for (
        const file of [
          "share/man/man1/chloe.1",
          "etc/bash_completion.d/chloe",
          "share/zsh/site-functions/_chloe",
          "share/fish/vendor_completions.d/chloe.fish",
          "share/chloe/chloe.example.toml",
        ]
      ) {
        assert((await Deno.stat(`${prefix}/cellar/${file}`)).size > 0, file);
      }
    }, version);
  },
});
