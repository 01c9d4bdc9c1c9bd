/**
 * Compares the size of chloe.min.js with that of other realtime clients, as a Markdown table:
 * `deno task sizes:client`, with `--write` to put it into docs/client.md, and with `--ours` to measure only our
 * own, which needs no network. Each of the others is bundled as its users would bundle it, whole.
 *
 * @module
 */
import * as esbuild from "esbuild";
import config from "../deno.json" with { type: "json" };
import { buildWithoutTabs } from "./build_client.ts";

const ROOT = new URL("../", import.meta.url);
const DOCUMENT = new URL("docs/client.md", ROOT);

/** What the table stands between. */
const TABLE = /(<!-- sizes -->\n)([^]*?)(<!-- \/sizes -->)/;

/** The others: version, and a module that keeps their main part from being dropped as unused. */
const PEERS: Readonly<Record<string, { readonly version: string; readonly use: string }>> = {
  "centrifuge": { version: "5.8.0", use: 'export { Centrifuge } from "centrifuge";' },
  "faye": { version: "1.4.3", use: 'import faye from "faye"; export default faye;' },
  "pusher-js": { version: "8.6.0", use: 'import Pusher from "pusher-js"; export default Pusher;' },
  "socket.io-client": { version: "4.8.4", use: 'export { io } from "socket.io-client";' },
};

/** A line of the table. */
export interface Size {
  readonly name: string;
  readonly version: string;
  /** Bytes of the minified script. */
  readonly minified: number;
  /** Bytes of that in gzip, as `gzip -9` makes it. */
  readonly gzip: number;
}

/** What our own lines begin with. */
const OWN = "chloe";

/** Our own sizes: that of the file which the server hands out, and what it would be with less in it. */
export async function ownSizes(): Promise<Size[]> {
  const script = await Deno.readFile(new URL("client/dist/chloe.min.js", ROOT));
  return [
    await sizeOf(OWN, config.version, script),
    await sizeOf(`${OWN} without shared tabs`, config.version, await buildWithoutTabs()),
  ];
}

/** The lines of the table in a text; none where it has none. */
export function tableIn(text: string): Size[] {
  const rows = TABLE.exec(text)?.[2]?.matchAll(
    /^\| +([\w. -]*\S) +\| +([\w.-]+) +\| +(\d+) \| +(\d+) \|$/gm,
  );
  return [...rows ?? []].map(([, name, version, minified, gzip]) => ({
    name: name!,
    version: version!,
    minified: Number(minified),
    gzip: Number(gzip),
  }));
}

/** The Markdown of the table, the smallest first. */
function table(sizes: readonly Size[]): string {
  const rows = sizes.toSorted((a, b) => a.gzip - b.gzip)
    .map(({ name, version, minified, gzip }) => [name, version, String(minified), String(gzip)]);
  const head = ["library", "version", "minified, bytes", "gzip, bytes"];
  const widths = head.map((text, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length), text.length)
  );
  const line = (row: readonly string[]) =>
    `| ${
      row.map((text, at) => at < 2 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)).join(
        " | ",
      )
    } |`;
  const rule = widths.map((width, at) => at < 2 ? "-".repeat(width) : "-".repeat(width - 1) + ":");
  return [head, rule, ...rows].map(line).join("\n") + "\n";
}

async function sizeOf(name: string, version: string, script: Uint8Array): Promise<Size> {
  const gzip = new Deno.Command("gzip", { args: ["-9nc"], stdin: "piped", stdout: "piped" })
    .spawn();
  const [zipped] = await Promise.all([
    new Response(gzip.stdout).bytes(),
    new Blob([script as Uint8Array<ArrayBuffer>]).stream().pipeTo(gzip.stdin),
    gzip.status,
  ]);
  return { name, version, minified: script.length, gzip: zipped.length };
}

/** Installs the others in a folder of their own, as they are no part of Chloe, and bundles each. */
async function peerSizes(): Promise<Size[]> {
  const folder = await Deno.makeTempDir({ prefix: "chloe_sizes_" });
  try {
    await Deno.writeTextFile(`${folder}/package.json`, '{ "private": true }\n');
    const packages = Object.entries(PEERS).map(([name, { version }]) => `${name}@${version}`);
    const { success } = await new Deno.Command("npm", {
      args: ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", ...packages],
      cwd: folder,
      stdin: "null",
    }).spawn().status;
    if (!success) throw new Error(`Cannot install ${packages.join(" ")}: see the lines above`);
    const sizes: Size[] = [];
    for (const [name, { version, use }] of Object.entries(PEERS)) {
      sizes.push(await sizeOf(name, version, await bundle(use, folder)));
    }
    return sizes;
  } finally {
    await esbuild.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** A script made of a module as scripts/build_client.ts makes ours. */
async function bundle(use: string, folder: string): Promise<Uint8Array> {
  const { outputFiles } = await esbuild.build({
    bundle: true,
    charset: "utf8",
    format: "iife",
    // What is exported is reached through it, so nothing of it is dropped.
    globalName: "peer",
    legalComments: "none",
    logLevel: "error",
    minify: true,
    platform: "browser",
    stdin: { contents: use, resolveDir: folder },
    target: "es2018",
    write: false,
  });
  return outputFiles[0]!.contents;
}

if (import.meta.main) {
  const text = await Deno.readTextFile(DOCUMENT);
  const others = Deno.args.includes("--ours")
    ? tableIn(text).filter(({ name }) => !name.startsWith(OWN))
    : await peerSizes();
  const markdown = table([...await ownSizes(), ...others]);
  // deno-lint-ignore no-console -- it is a command
  console.log(markdown.trimEnd());
  if (Deno.args.includes("--write")) {
    if (!TABLE.test(text)) throw new Error("Cannot write: docs/client.md has no <!-- sizes -->");
    await Deno.writeTextFile(DOCUMENT, text.replace(TABLE, `$1\n${markdown}\n$3`));
  }
}
