/**
 * The Homebrew formula, made of the sums of the archives.
 *
 * @module
 */
import { DOWNLOADS, HOMEPAGE, SUMMARY } from "./about.ts";
import { ROOT } from "./files.ts";

/** The targets that Homebrew runs on, by the words of the template. */
export const FORMULA_TARGETS = {
  MACOS_ARM: "aarch64-apple-darwin",
  MACOS_INTEL: "x86_64-apple-darwin",
  LINUX_ARM: "aarch64-unknown-linux-gnu",
  LINUX_INTEL: "x86_64-unknown-linux-gnu",
} as const;

/**
 * The text of `chloe.rb`.
 *
 * @param sums The SHA-256 of each target's archive.
 * @throws Error where a sum is missing, or is none.
 */
export async function formula(
  version: string,
  sums: Readonly<Record<string, string>>,
): Promise<string> {
  const words: Record<string, string> = { SUMMARY, HOMEPAGE, VERSION: version };
  for (const [word, target] of Object.entries(FORMULA_TARGETS)) {
    const sum = sums[target] ?? "";
    if (!/^[0-9a-f]{64}$/.test(sum)) {
      throw new Error(`Cannot write the formula: no SHA-256 of the archive for ${target}`);
    }
    words[`URL_${word}`] = `${DOWNLOADS}/v${version}/chloe-${version}-${target}.tar.gz`;
    words[`SUM_${word}`] = sum;
  }
  return fill(await Deno.readTextFile(`${ROOT}scripts/package/chloe.rb`), words);
}

/** Puts words in the place of `@NAME@`. @throws Error where a name has no word. */
export function fill(template: string, words: Readonly<Record<string, string>>): string {
  return template.replaceAll(/@([A-Z][A-Z_0-9]*)@/g, (_, name: string) => {
    const word = words[name];
    if (word === undefined) throw new Error(`Cannot fill in @${name}@`);
    return word;
  });
}
