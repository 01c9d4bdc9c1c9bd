/**
 * The files of a package, in the places where Linux has them.
 *
 * @module
 */
import { dirname } from "@std/path/dirname";
import { bashCompletion, fishCompletion, zshCompletion } from "../../src/cli/completion_scripts.ts";
import { createCli } from "../../src/cli/run.ts";
import { synopsis } from "../../src/cli/synopsis.ts";
import { manPage } from "./man_page.ts";
import { run } from "./run.ts";

/** The repository's folder. */
export const ROOT: string = decodeURIComponent(new URL("../../", import.meta.url).pathname);

const HERE = `${ROOT}scripts/package`;

/** What a package is made of, and as what. */
export interface Build {
  /** The compiled program. */
  readonly binary: string;
  /** The triple that it is compiled for. */
  readonly target: string;
  /** The package's version, as deno.json spells it. */
  readonly version: string;
  /** The time of all files. */
  readonly date: Date;
  /** Where the package goes. */
  readonly folder: string;
  /** Compress little, in little time. */
  readonly fast?: boolean;
}

/** The text files that come with the program in every form, by the names that they have in an archive. */
export function textFiles({ version, date }: { version: string; date: Date }) {
  const program = synopsis(createCli({ clientDir: "" }).program);
  return {
    "chloe.1": manPage({ version, date }),
    "completions/chloe.bash": bashCompletion(program),
    "completions/_chloe": zshCompletion(program),
    "completions/chloe.fish": fishCompletion(program),
  } as const;
}

/**
 * Lays the files out that the packages of all systems have. The caller adds its own and calls
 * {@linkcode settle}.
 *
 * @param root An empty folder that stands for `/`.
 */
export async function layOut(
  root: string,
  { build, zsh }: { readonly build: Build; readonly zsh: string },
): Promise<void> {
  await copy(build.binary, `${root}/usr/bin/chloe`);
  await copy(`${HERE}/chloe.toml`, `${root}/etc/chloe/chloe.toml`);
  await copy(`${HERE}/chloe.service`, `${root}/usr/lib/systemd/system/chloe.service`);
  for (const name of ["chloe.example.toml", "CHANGELOG.md", "README.md"]) {
    await copy(ROOT + name, `${root}/usr/share/doc/chloe/${name}`);
  }
  const texts = textFiles(build);
  await write(`${root}/usr/share/man/man1/chloe.1`, texts["chloe.1"]);
  await run("gzip", ["-9n", `${root}/usr/share/man/man1/chloe.1`]);
  await write(
    `${root}/usr/share/bash-completion/completions/chloe`,
    texts["completions/chloe.bash"],
  );
  await write(`${root}${zsh}/_chloe`, texts["completions/_chloe"]);
  await write(
    `${root}/usr/share/fish/vendor_completions.d/chloe.fish`,
    texts["completions/chloe.fish"],
  );
}

/** Gives all files the permissions and the time that they have in the package. */
export async function settle(root: string, { date }: Build): Promise<void> {
  await run("chmod", ["-R", "u=rwX,go=rX", root]);
  await run("chmod", ["0755", `${root}/usr/bin/chloe`]);
  const time = `@${Math.floor(date.getTime() / 1000)}`;
  await run("find", [root, "-exec", "touch", "--no-dereference", `--date=${time}`, "{}", "+"]);
}

/** Copies a file, and makes its folder. */
export async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.copyFile(from, to);
}

/** Writes a file, and makes its folder. */
export async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** Writes the SHA-256 of a file beside it, as sha256sum does. @returns The sum. */
export async function writeSum(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  const sum = new Uint8Array(digest).toHex();
  await Deno.writeTextFile(`${path}.sha256`, `${sum}  ${path.slice(path.lastIndexOf("/") + 1)}\n`);
  return sum;
}

/** A folder for the time of a build. */
export async function scratch(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "chloe-package-" });
  await Deno.chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A version in which what comes before a release sorts before it, as dpkg and rpm want it. */
export function packageVersion(version: string): string {
  return version.replace("-", "~");
}
