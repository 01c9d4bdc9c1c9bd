/**
 * Builds the package for Fedora, Red Hat, SUSE and their kin.
 *
 * @module
 */
import { DESCRIPTION, HOMEPAGE, MAINTAINER, SUMMARY } from "./about.ts";
import { type Build, copy, layOut, packageVersion, ROOT, scratch, settle } from "./files.ts";
import { run } from "./run.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "x86_64",
  "aarch64-unknown-linux-gnu": "aarch64",
};

/** Builds the package; resolves to its path. Needs rpmbuild. */
export async function buildRpm(build: Build): Promise<string> {
  const architecture = ARCHITECTURES[build.target];
  if (architecture === undefined) throw new Error(`Cannot make an .rpm for ${build.target}`);
  const version = packageVersion(build.version);
  await using work = await scratch();
  const root = `${work.path}/root`;
  await layOut(root, { build, zsh: "/usr/share/zsh/site-functions" });
  await copy(`${ROOT}LICENSE`, `${root}/usr/share/licenses/chloe/LICENSE`);
  await settle(root, build);
  const defines = {
    _topdir: `${work.path}/top`,
    _rpmdir: work.path,
    _rpmfilename: "chloe.rpm",
    chloe_version: version,
    chloe_url: HOMEPAGE,
    chloe_summary: SUMMARY,
    chloe_description: DESCRIPTION.join("\n"),
    chloe_maintainer: MAINTAINER,
    chloe_date: changelogDate(build.date),
    chloe_root: root,
    _binary_payload: build.fast ? "w1.gzdio" : "w6.xzdio",
    use_source_date_epoch_as_buildtime: "1",
    _buildhost: "localhost",
  };
  await run("rpmbuild", [
    "-bb",
    `--target=${architecture}`,
    ...Object.entries(defines).flatMap(([name, value]) => ["--define", `${name} ${value}`]),
    `${ROOT}scripts/package/rpm/chloe.spec`,
  ], { env: { SOURCE_DATE_EPOCH: String(Math.floor(build.date.getTime() / 1000)) } });
  await Deno.mkdir(build.folder, { recursive: true });
  const path = `${build.folder}/chloe-${version}-1.${architecture}.rpm`;
  await copy(`${work.path}/chloe.rpm`, path);
  return path;
}

/** A date as rpm's changelogs have it: `Sat Nov 28 2026`. */
function changelogDate(date: Date): string {
  const [day, number, month, year] = date.toUTCString().replace(",", "").split(" ");
  return `${day} ${month} ${number} ${year}`;
}
