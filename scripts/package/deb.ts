/**
 * Builds the package for Debian and Ubuntu.
 *
 * @module
 */
import { DESCRIPTION, HOMEPAGE, MAINTAINER, SUMMARY } from "./about.ts";
import { type Build, copy, layOut, packageVersion, ROOT, scratch, settle, write } from "./files.ts";
import { run } from "./run.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "amd64",
  "aarch64-unknown-linux-gnu": "arm64",
};

/** Scripts that dpkg runs, see deb-postinst(5). */
const SCRIPTS = ["preinst", "postinst", "prerm", "postrm"];

/** What the program needs; a test compares the libc with what the binary names. */
export const DEPENDS = "adduser, libc6 (>= 2.27), libgcc-s1";

/** Builds the package; resolves to its path. Needs dpkg-deb. */
export async function buildDeb(build: Build): Promise<string> {
  const architecture = ARCHITECTURES[build.target];
  if (architecture === undefined) throw new Error(`Cannot make a .deb for ${build.target}`);
  const version = packageVersion(build.version);
  await using work = await scratch();
  const root = `${work.path}/chloe`;
  const doc = `${root}/usr/share/doc/chloe`;
  const here = `${ROOT}scripts/package/deb`;
  await layOut(root, { build, zsh: "/usr/share/zsh/vendor-completions" });
  await write(`${doc}/copyright`, await copyright());
  await write(`${doc}/changelog`, changelog(version, build.date));
  await run("gzip", ["-9n", `${doc}/changelog`]);
  await copy(`${here}/lintian-overrides`, `${root}/usr/share/lintian/overrides/chloe`);
  await settle(root, build);

  const sums = await run("sh", ["-c", "find usr -type f | LC_ALL=C sort | xargs md5sum"], {
    cwd: root,
  });
  const kilobytes = (await run("du", ["-sk", root])).split("\t")[0]!;
  await write(`${root}/DEBIAN/md5sums`, sums);
  await write(`${root}/DEBIAN/conffiles`, "/etc/chloe/chloe.toml\n");
  await write(
    `${root}/DEBIAN/control`,
    [
      "Package: chloe",
      `Version: ${version}`,
      `Architecture: ${architecture}`,
      `Maintainer: ${MAINTAINER}`,
      `Installed-Size: ${kilobytes}`,
      `Depends: ${DEPENDS}`,
      "Section: web",
      "Priority: optional",
      `Homepage: ${HOMEPAGE}`,
      `Description: ${SUMMARY}`,
      ...DESCRIPTION.map((line) => ` ${line}`),
      "",
    ].join("\n"),
  );
  for (const script of SCRIPTS) {
    await copy(`${here}/${script}`, `${root}/DEBIAN/${script}`);
    await Deno.chmod(`${root}/DEBIAN/${script}`, 0o755);
  }
  await Deno.mkdir(build.folder, { recursive: true });
  const path = `${build.folder}/chloe_${version}_${architecture}.deb`;
  const compression = build.fast ? ["-Zgzip", "-z1"] : ["-Zxz"];
  await run("dpkg-deb", ["--root-owner-group", ...compression, "--build", root, path], {
    env: { SOURCE_DATE_EPOCH: String(Math.floor(build.date.getTime() / 1000)) },
  });
  return path;
}

/** Debian's form of the license, see https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. */
async function copyright(): Promise<string> {
  const [, holders, terms] = /^MIT License\n\nCopyright \(c\) (.+)\n\n([\s\S]+)$/.exec(
    await Deno.readTextFile(`${ROOT}LICENSE`),
  ) ?? [];
  if (terms === undefined) throw new Error("Cannot package: LICENSE does not read as it did");
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: chloe",
    `Source: ${HOMEPAGE}`,
    "",
    "Files: *",
    `Copyright: ${holders}`,
    "License: Expat",
    ...terms.trimEnd().split("\n").map((line) => line === "" ? " ." : ` ${line}`),
    "",
  ].join("\n");
}

function changelog(version: string, date: Date): string {
  const time = date.toUTCString().replace("GMT", "+0000");
  return [
    `chloe (${version}) stable; urgency=medium`,
    "",
    "  * What is new is in /usr/share/doc/chloe/CHANGELOG.md.",
    "",
    ` -- ${MAINTAINER}  ${time}`,
    "",
  ].join("\n");
}
