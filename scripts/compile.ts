/**
 * Builds the binary: `deno task compile [--target host|all|<triple>]`. For each target
 * `dist/chloe-<version>-<target>/chloe`, and beside that folder a `.tar.gz` of it with its `.sha256`.
 *
 * The program is bundled first, and the bundle compiled without a config file: `deno compile` would else put
 * every package of the lock file into the binary. DENORT_BIN names the base binary where Deno's download host
 * cannot be reached; it is of one target, so it goes with `--target host` alone.
 *
 * @module
 */
import denoConfig from "../deno.json" with { type: "json" };
import { DENO_RUN_FLAGS } from "../src/cli/version.ts";
import { textFiles, write, writeSum } from "./package/files.ts";

const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
];

const MAX_BYTES = 110 * 1000 * 1000;

const root = new URL("..", import.meta.url).pathname;
const dist = `${root}dist`;

/** The triples that `--target` asks for. Throws on one that Chloe is not built for. */
export function targetsFor(args: readonly string[]): string[] {
  const [flag = "--target=host", ...rest] = args;
  const target = flag === "--target" ? rest[0] : /^--target=(.+)$/.exec(flag)?.[1];
  const known = [...TARGETS, "host", "all"];
  if (
    target === undefined || !known.includes(target) || rest.length > (flag === "--target" ? 1 : 0)
  ) {
    throw new Error(`Cannot compile: use --target with one of ${known.join(", ")}`);
  }
  if (target === "all") return TARGETS;
  if (target !== "host") return [target];
  if (!TARGETS.includes(Deno.build.target)) {
    throw new Error(`Cannot compile for this machine: Chloe is not built for ${Deno.build.target}`);
  }
  return [Deno.build.target];
}

async function run(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const { code } = await new Deno.Command(command, {
    args: [...args],
    cwd: root,
    env,
    stdin: "null",
  }).spawn().status;
  if (code !== 0) {
    const name = command.slice(command.lastIndexOf("/") + 1);
    throw new Error(`Cannot compile: ${name} ${args[0]} ended with exit code ${code}`);
  }
}

/** One file of JavaScript, beside the client files that it reads through `import.meta.dirname`. */
async function bundle(): Promise<string> {
  const folder = `${dist}/bundle`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(`${folder}/client/dist`, { recursive: true });
  await run(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--platform=deno",
    `--output=${folder}/chloe.js`,
    "main.ts",
  ]);
  for await (const { name, isFile } of Deno.readDir(`${root}client/dist`)) {
    if (isFile) await Deno.copyFile(`${root}client/dist/${name}`, `${folder}/client/dist/${name}`);
  }
  return folder;
}

async function compile(target: string, bundled: string, output: string): Promise<void> {
  await run(Deno.execPath(), [
    "compile",
    "--quiet",
    "--no-config",
    "--no-npm",
    "--no-check",
    ...denoConfig.unstable.map((feature) => `--unstable-${feature}`),
    ...DENO_RUN_FLAGS,
    `--include=${bundled}/client/dist`,
    // The host's own base is not asked for by name, so that DENORT_BIN is used.
    ...(target === Deno.build.target ? [] : [`--target=${target}`]),
    `--output=${output}`,
    `${bundled}/chloe.js`,
  ], { RUST_MIN_STACK: "16777216" }); // Deno 2.7's compiler overflows its stack with less
}

async function build(target: string, bundled: string): Promise<void> {
  const name = `chloe-${denoConfig.version}-${target}`;
  const folder = `${dist}/${name}`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await compile(target, bundled, `${dist}/${name}.new`);
  await Deno.mkdir(folder);
  await Deno.rename(`${dist}/${name}.new`, `${folder}/chloe`);
  const { size } = await Deno.stat(`${folder}/chloe`);
  if (size > MAX_BYTES) throw new Error(`Cannot ship ${name}: ${size} bytes are over ${MAX_BYTES}`);
  for (const file of ["LICENSE", "README.md", "CHANGELOG.md", "chloe.example.toml"]) {
    await Deno.copyFile(root + file, `${folder}/${file}`).catch(() => {});
  }
  const texts = textFiles({ version: denoConfig.version, date: new Date() });
  for (const [file, text] of Object.entries(texts)) await write(`${folder}/${file}`, text);
  const archive = `${name}.tar.gz`;
  await run("tar", ["-czf", `${dist}/${archive}`, "-C", dist, name]);
  await writeSum(`${dist}/${archive}`);
  const bytes = (await Deno.stat(`${dist}/${archive}`)).size;
  say(
    `dist/${name}/chloe: ${(size / 1e6).toFixed(1)} MB; dist/${archive}: ${
      (bytes / 1e6).toFixed(1)
    } MB`,
  );
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  try {
    const targets = targetsFor(Deno.args);
    const bundled = await bundle();
    for (const target of targets) await build(target, bundled);
  } catch (error) {
    Deno.stderr.writeSync(new TextEncoder().encode(`${(error as Error).message}\n`));
    Deno.exit(1);
  }
}
