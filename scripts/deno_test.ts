/**
 * `scripts/deno`, which finds the pinned Deno: with programs of the test's own in place of Deno and npm.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const SCRIPT = new URL("deno", import.meta.url).pathname;
const VERSION = "9.8.7";

/** What the script needs of the system. */
const TOOLS = "sh dirname cat uname mkdir mktemp tar gzip chmod mv rm".split(" ");

/** A program that says what it is, if it is asked with `-V`, and else what it was run with. */
function fakeDeno(name: string, version: string): string {
  return [
    "#!/bin/sh",
    `if [ "$1" = -V ]; then echo "deno ${version}"; exit; fi`,
    `echo "${name} $* $DENO_TLS_CA_STORE"`,
  ].join("\n");
}

/** Where the script finds its programs and keeps what it fetched. */
async function makeWorld() {
  const folder = await Deno.makeTempDir({ prefix: "chloe-deno-" });
  const path = `${folder}/bin`;
  await Deno.mkdir(path);
  for (const tool of TOOLS) {
    const found = new Deno.Command("sh", { args: ["-c", `command -v ${tool}`] }).outputSync();
    await Deno.symlink(new TextDecoder().decode(found.stdout).trim(), `${path}/${tool}`);
  }
  const add = async (file: string, text: string) => {
    await Deno.writeTextFile(file, text, { mode: 0o755 });
  };
  return {
    folder,
    add: (program: string, text: string) => add(`${path}/${program}`, text),
    async addFetched() {
      const cache = `${folder}/cache/chloe/deno-${VERSION}`;
      await Deno.mkdir(cache, { recursive: true });
      await add(`${cache}/deno`, fakeDeno("fetched", VERSION));
    },
    run(...args: string[]) {
      const { code, stdout, stderr } = new Deno.Command(SCRIPT, {
        args,
        clearEnv: true,
        env: { PATH: path, XDG_CACHE_HOME: `${folder}/cache`, DENO_VERSION: VERSION },
        stdin: "null",
      }).outputSync();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code, out: out!, err: err! };
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("scripts/deno runs the Deno on PATH where that is the pinned version", async () => {
  await using world = await makeWorld();
  await world.add("deno", fakeDeno("own", VERSION));
  assertEquals(world.run("task", "x"), { code: 0, out: "own task x system,mozilla\n", err: "" });
});

Deno.test("scripts/deno runs what it fetched before where PATH has another version, or none", async () => {
  await using world = await makeWorld();
  await world.addFetched();
  assertEquals(world.run("task").out, "fetched task system,mozilla\n");
  await world.add("deno", fakeDeno("own", `${VERSION}9`));
  assertEquals(world.run("task").out, "fetched task system,mozilla\n");
});

Deno.test("scripts/deno fetches the package of npm's registry once, and runs the program itself", async () => {
  await using world = await makeWorld();
  const asked = `${world.folder}/asked`;
  await Deno.mkdir(`${world.folder}/package`);
  await Deno.writeTextFile(`${world.folder}/package/deno`, fakeDeno("fetched", VERSION));
  await world.add(
    "npm",
    `#!/bin/sh\necho "$*" >>'${asked}'\ntar -czf deno.tgz -C '${world.folder}' package\n`,
  );
  const first = world.run("task");
  assertEquals([first.code, first.out], [0, "fetched task system,mozilla\n"]);
  assertStringIncludes(first.err, `fetching Deno ${VERSION}`);
  assertEquals(world.run("again"), { code: 0, out: "fetched again system,mozilla\n", err: "" });
  assertMatch(
    await Deno.readTextFile(asked),
    new RegExp(`^pack --silent @deno/[a-z0-9-]+@${VERSION.replaceAll(".", "\\.")}\n$`),
  );
});

Deno.test("scripts/deno says how to get Deno where there is neither Deno nor npm", async () => {
  await using world = await makeWorld();
  const { code, out, err } = world.run("task");
  assertEquals([code, out], [1, ""]);
  assertStringIncludes(err, `Cannot find Deno ${VERSION}`);
  assertStringIncludes(err, "https://docs.deno.com/");
});

Deno.test("scripts/deno says why npm could not fetch it, and leaves nothing behind", async () => {
  await using world = await makeWorld();
  await world.add("npm", "#!/bin/sh\necho no such thing >&2\nexit 1\n");
  const { code, out, err } = world.run("task");
  assertEquals([code, out], [1, ""]);
  assertStringIncludes(err, "no such thing");
  assertEquals([...Deno.readDirSync(`${world.folder}/cache/chloe`)], []);
});
