/**
 * Makes the packages of what `deno task compile` built: `deno task package [--fast] [--target host|all|<triple>]`,
 * where `--fast` compresses less, which saves minutes. For
 * each target of Linux `dist/chloe_<version>_<architecture>.deb` and `dist/chloe-<version>-1.<architecture>.rpm`,
 * each with its `.sha256`; `dist/install.sh`; and `dist/chloe.rb`, the Homebrew formula, where the archives of
 * all four targets are there.
 *
 * @module
 */
import { targetsFor } from "./compile.ts";
import { DOWNLOADS, VERSION } from "./package/about.ts";
import { buildDeb } from "./package/deb.ts";
import { ROOT, writeSum } from "./package/files.ts";
import { fill, formula, FORMULA_TARGETS } from "./package/formula.ts";
import { buildRpm } from "./package/rpm.ts";
import { run } from "./package/run.ts";

const DIST = `${ROOT}dist`;

/** The time that all files of a package have: SOURCE_DATE_EPOCH, else that of the last commit. */
async function sourceDate(): Promise<Date> {
  const text = Deno.env.get("SOURCE_DATE_EPOCH") ||
    (await run("git", ["log", "-1", "--format=%ct"], { cwd: ROOT }).catch(() => "")).trim();
  return /^\d+$/.test(text) ? new Date(Number(text) * 1000) : new Date();
}

async function packageTarget(
  target: string,
  { date, fast }: { date: Date; fast: boolean },
): Promise<void> {
  const binary = `${DIST}/chloe-${VERSION}-${target}/chloe`;
  if (!await Deno.stat(binary).then(({ isFile }) => isFile, () => false)) {
    throw new Error(
      `Cannot package: there is no ${binary}; scripts/deno task compile --target ${target} makes it`,
    );
  }
  const build = { binary, target, version: VERSION, date, folder: DIST, fast };
  for (const path of [await buildDeb(build), await buildRpm(build)]) {
    await writeSum(path);
    const { size } = await Deno.stat(path);
    say(`dist/${path.slice(DIST.length + 1)}: ${(size / 1e6).toFixed(1)} MB`);
  }
}

/** The sums of the archives that are there, by target. */
async function archiveSums(): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const target of Object.values(FORMULA_TARGETS)) {
    const path = `${DIST}/chloe-${VERSION}-${target}.tar.gz.sha256`;
    const text = await Deno.readTextFile(path).catch(() => null);
    if (text !== null) sums[target] = text.split(/\s/)[0]!;
  }
  return sums;
}

async function writeFormula(): Promise<void> {
  const sums = await archiveSums();
  const missing = Object.values(FORMULA_TARGETS).filter((target) => sums[target] === undefined);
  if (missing.length > 0) {
    say(`no dist/chloe.rb: it needs the archives for ${missing.join(", ")} too`);
    return;
  }
  await Deno.writeTextFile(`${DIST}/chloe.rb`, await formula(VERSION, sums));
  say("dist/chloe.rb");
}

/** The text of `install.sh` for a release. */
export async function installScript(version: string, downloads: string): Promise<string> {
  const template = await Deno.readTextFile(`${ROOT}scripts/package/install.sh`);
  return fill(template, { VERSION: version, DOWNLOADS: downloads });
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  try {
    const date = await sourceDate();
    const fast = Deno.args.includes("--fast");
    for (const target of targetsFor(Deno.args.filter((word) => word !== "--fast"))) {
      if (target.includes("linux")) await packageTarget(target, { date, fast });
    }
    await Deno.writeTextFile(`${DIST}/install.sh`, await installScript(VERSION, DOWNLOADS));
    await writeFormula();
  } catch (error) {
    Deno.stderr.writeSync(new TextEncoder().encode(`${(error as Error).message}\n`));
    Deno.exit(1);
  }
}
