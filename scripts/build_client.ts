/**
 * Builds client/ into client/dist/, which the server hands out and the binary holds.
 *
 * `deno run -A scripts/build_client.ts` writes the files; `--check` writes nothing and fails where they are
 * not what the sources make.
 *
 * @module
 */
import * as esbuild from "esbuild";
import config from "../deno.json" with { type: "json" };
import { innerMembers } from "./client_names.ts";
import { createProgram } from "./client_program.ts";
import { publicTypes } from "./client_types.ts";

const ROOT = new URL("../", import.meta.url);
const CLIENT = new URL("client/", ROOT);
const DIST = new URL("dist/", CLIENT);

/** The client as a module, whose types are the public ones, and as a classic script. */
const MODULE = "client/mod.ts";
const GLOBAL = "client/global.ts";

/** What every script has in common. */
const SCRIPT = {
  absWorkingDir: pathOf(ROOT),
  bundle: true,
  charset: "utf8",
  define: { CHLOE_VERSION: JSON.stringify(config.version), globalThis: "self" },
  format: "iife",
  legalComments: "none",
  logLevel: "silent",
  outdir: "client/dist",
  sourcemap: "linked",
  target: "es2018",
  // The configuration is this, and not whatever tsconfig.json is found above.
  tsconfigRaw: { compilerOptions: { strict: true, useDefineForClassFields: false } },
  write: false,
} as const satisfies esbuild.BuildOptions;

const BUILDS: readonly esbuild.BuildOptions[] = [
  { ...SCRIPT, entryPoints: { chloe: GLOBAL } },
  {
    ...SCRIPT,
    entryPoints: { chloe: MODULE },
    format: "esm",
    // Also outside of browsers.
    define: { CHLOE_VERSION: JSON.stringify(config.version) },
    // For Deno, which looks here for the types.
    banner: { js: '// @ts-self-types="./chloe.d.ts"' },
    outExtension: { ".js": ".mjs" },
    // The year of import.meta, by which the module knows where it came from.
    target: "es2020",
  },
  { ...SCRIPT, entryPoints: { status: "client/status/status.ts" }, minify: true, sourcemap: false },
  {
    ...SCRIPT,
    entryPoints: { status: "client/status/status.css" },
    minify: true,
    sourcemap: false,
  },
];

/** Files that go as they are. */
const COPIES = ["client/status/status.html", "client/status/status.svg"];

/** A platform where tabs cannot share a connection, for a build that does without that part. */
const NO_TABS = `export const createTabConnection = null;`;

const withoutTabs: esbuild.Plugin = {
  name: "without-tabs",
  setup(build) {
    build.onLoad({ filter: /\/client\/tabs\/member\.ts$/ }, () => ({ contents: NO_TABS }));
  },
};

/**
 * The minified script; the members that are the client's own get short names.
 *
 * @param plugins What changes it.
 */
function minified(
  members: readonly string[],
  plugins: esbuild.Plugin[] = [],
): esbuild.BuildOptions {
  return {
    ...SCRIPT,
    plugins,
    entryPoints: { "chloe.min": GLOBAL },
    minify: true,
    ...(members.length > 0 && { mangleProps: new RegExp(`^(${members.join("|")})$`) }),
  };
}

/** Builds everything in memory: the files of client/dist by name. */
export async function buildClient(): Promise<Map<string, Uint8Array>> {
  const { types, members } = analyse();
  const files = new Map<string, Uint8Array>();
  files.set("chloe.d.ts", new TextEncoder().encode(types));
  try {
    for (const options of [...BUILDS, minified(members)]) {
      const { outputFiles = [] } = await esbuild.build(options);
      for (const { path, contents } of outputFiles) files.set(nameOf(path), contents);
    }
  } finally {
    await esbuild.stop();
  }
  for (const path of COPIES) files.set(nameOf(path), await Deno.readFile(new URL(path, ROOT)));
  return files;
}

/** Builds `chloe.min.js` as it is without what lets tabs share a connection, to be measured. */
export async function buildWithoutTabs(): Promise<Uint8Array> {
  try {
    const { outputFiles = [] } = await esbuild.build(minified(analyse().members, [withoutTabs]));
    return outputFiles.find(({ path }) => path.endsWith(".js"))!.contents;
  } finally {
    await esbuild.stop();
  }
}

/** The public types of the client, and the members that are its own. */
function analyse(): { readonly types: string; readonly members: readonly string[] } {
  const program = createProgram([MODULE, GLOBAL].map((path) => pathOf(new URL(path, ROOT))));
  const types = publicTypes(program, pathOf(new URL(MODULE, ROOT)));
  return { types, members: innerMembers(program, { folder: pathOf(CLIENT), publicTypes: types }) };
}

/** The names of files in client/dist that are missing, out of date or of no use. */
export async function staleFiles(files: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const stale = new Set(files.keys());
  for await (const { name } of Deno.readDir(DIST)) {
    const wanted = files.get(name);
    const found = await Deno.readFile(new URL(name, DIST));
    if (wanted && isEqual(wanted, found)) stale.delete(name);
    else stale.add(name);
  }
  return [...stale].sort();
}

/** Replaces client/dist by these files. */
async function write(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await Deno.mkdir(DIST, { recursive: true });
  for (const name of await staleFiles(files)) {
    const contents = files.get(name);
    if (contents) await Deno.writeFile(new URL(name, DIST), contents);
    else await Deno.remove(new URL(name, DIST));
  }
}

function pathOf({ pathname }: URL): string {
  return decodeURIComponent(pathname);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

if (import.meta.main) {
  const files = await buildClient();
  if (Deno.args.includes("--check")) {
    const stale = await staleFiles(files);
    if (stale.length > 0) {
      const names = stale.join(", ");
      // deno-lint-ignore no-console -- it is a command
      console.error(`client/dist is not what client/ makes: ${names}\nRun: deno task build:client`);
      Deno.exit(1);
    }
  } else {
    await write(files);
  }
}
