/**
 * Checks that the rooms of ARCHITECTURE.md import each other in one direction only. Part of the lint task.
 *
 * @module
 */

/** What each room may import beside itself. Rooms on one level never import each other. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ["cli"],
  cli: ["server", "config", "signing", "web", "protocol"],
  server: [
    ...["metrics", "http", "transports", "relay", "hub", "tokens"],
    ...["config", "signing", "web", "protocol"],
  ],
  metrics: ["http", "relay", "hub", "tokens", "web", "protocol"],
  http: ["hub", "signing", "web", "protocol"],
  transports: ["hub", "web", "protocol"],
  relay: ["hub", "signing", "web", "protocol"],
  hub: ["protocol"],
  tokens: ["signing", "protocol"],
  config: ["signing", "web", "protocol"],
  signing: [],
  web: ["protocol"],
  protocol: [],
  client: ["protocol"],
};

/** Rooms that take nothing from outside the repository but std: they run in browsers. */
const PURE = ["protocol", "client"];

/** One import: by a file, of a file or of a module from elsewhere. Files are paths inside the repository. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

/** The room that a file is in, or `null` where it is in none, as scripts and tests are. */
export function roomOf(path: string): string | null {
  if (path === "main.ts") return "main";
  const [top, second, third] = path.split("/");
  if (top === "client") return "client";
  if (top !== "src") return null;
  return third === undefined ? "server" : second ?? null; // src/server.ts and its helpers stand alone
}

/** Why an import is not allowed, or `null`. */
export function objection({ from, to }: Import): string | null {
  const room = roomOf(from);
  if (room === null || from.endsWith("_test.ts")) return null;
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) return `${room} is no room that scripts/check_layers.ts knows`;
  if (/^[a-z]+:/.test(to)) {
    const bare = PURE.includes(room) && !to.startsWith("npm:deno-std@");
    return bare ? `${room} imports nothing from outside` : null;
  }
  if (to === "deno.json") return null;
  if (to.endsWith("_test.ts")) return "only tests import tests";
  const target = roomOf(to);
  if (target === null) return `${room} must not import ${to.split("/")[0]}/`;
  if (target === room || allowed.includes(target)) return null;
  return `${room} must not import ${target}`;
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

async function* sourceFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && name !== "dist") yield* sourceFiles(path);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield path;
  }
}

/** The imports of every file in the rooms, whether the program reaches it or not. */
async function readImports(root: string): Promise<Import[]> {
  const files = [`${root}/main.ts`];
  for (const folder of ["src", "client"]) {
    for await (const file of sourceFiles(`${root}/${folder}`)) files.push(file);
  }
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(all, files.map((file) => `import "file://${file}";\n`).join(""));
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", `${root}/deno.json`, all],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("Cannot read the imports: deno info failed");
    const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
    const inside = (url: string) => url.replace(`file://${root}/`, "");
    return graph.modules.flatMap(({ specifier, dependencies = [] }) =>
      dependencies.map(({ specifier: written, code, type }) => ({
        from: inside(specifier),
        to: inside(code?.specifier ?? type?.specifier ?? written),
      }))
    ).filter(({ from }) => files.includes(`${root}/${from}`));
  } finally {
    await Deno.remove(all);
  }
}

if (import.meta.main) {
  const imports = await readImports(new URL("..", import.meta.url).pathname.replace(/\/$/, ""));
  const lines = imports.flatMap((each) => {
    const why = objection(each);
    return why === null ? [] : [`${each.from} imports ${each.to}: ${why}\n`];
  });
  await Deno.stderr.write(new TextEncoder().encode(lines.join("")));
  if (lines.length > 0) Deno.exit(1);
  await Deno.stdout.write(new TextEncoder().encode(`Checked ${imports.length} imports\n`));
}
