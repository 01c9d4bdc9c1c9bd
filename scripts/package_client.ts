/**
 * Makes the npm package `chloe-client` of what is built in client/dist: `dist/npm/chloe-client/`, and beside it
 * the tarball. Publishing it is `npm publish` of that tarball.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);
const NAME = "chloe-client";

/** The files of the package, by where they come from. */
const FILES = {
  "chloe.mjs": "client/dist/chloe.mjs",
  "chloe.mjs.map": "client/dist/chloe.mjs.map",
  "chloe.min.js": "client/dist/chloe.min.js",
  "chloe.min.js.map": "client/dist/chloe.min.js.map",
  "chloe.d.ts": "client/dist/chloe.d.ts",
  "README.md": "scripts/package_client.md",
  "LICENSE": "LICENSE",
};

const MANIFEST = {
  name: NAME,
  version: config.version,
  description: "Client of Chloe, a realtime web server for apps that only speak HTTP",
  keywords: [
    "chloe",
    "realtime",
    "websocket",
    "event-stream",
    "long-polling",
    "pubsub",
    "channels",
    "client",
  ],
  license: config.license,
  type: "module",
  exports: {
    ".": { types: "./chloe.d.ts", import: "./chloe.mjs", default: "./chloe.mjs" },
    "./chloe.min.js": "./chloe.min.js",
    "./package.json": "./package.json",
  },
  // For tools that do not know `exports`.
  main: "./chloe.mjs",
  module: "./chloe.mjs",
  types: "./chloe.d.ts",
  unpkg: "./chloe.min.js",
  jsdelivr: "./chloe.min.js",
  files: Object.keys(FILES),
  // The module has none. The script has one: it defines the global.
  sideEffects: ["./chloe.min.js"],
  engines: { node: ">=20" },
};

/**
 * Writes the package into a folder, which it makes anew, and packs it.
 *
 * @param folder Where the package's own folder and the tarball go.
 * @returns The path of the tarball.
 * @throws Error where client/dist lacks a file, or npm fails.
 */
export async function packageClient(folder: string): Promise<string> {
  const target = `${folder}/${NAME}`;
  await Deno.remove(target, { recursive: true }).catch(() => {});
  await Deno.mkdir(target, { recursive: true });
  for (const [name, source] of Object.entries(FILES)) {
    await Deno.copyFile(new URL(source, ROOT), `${target}/${name}`);
  }
  await Deno.writeTextFile(`${target}/package.json`, JSON.stringify(MANIFEST, null, 2) + "\n");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["pack", "--silent", "--pack-destination", folder],
    cwd: target,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`Cannot pack ${NAME}: ${new TextDecoder().decode(stderr)}`);
  return `${folder}/${NAME}-${config.version}.tgz`;
}

if (import.meta.main) {
  const tarball = await packageClient(decodeURIComponent(new URL("dist/npm", ROOT).pathname));
  // deno-lint-ignore no-console -- it is a command
  console.log(tarball);
}
