import { assertEquals } from "@std/assert";
import { loadConfig, type LoadOptions } from "./load.ts";
import { problemLine } from "./problems.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/** A folder with config files, `chloe.toml` and those that it includes. */
async function folder(files: Readonly<Record<string, string>>) {
  const path = await Deno.makeTempDir({ prefix: "chloe-include-" });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  const load = (options: LoadOptions = {}) =>
    loadConfig({ file: `${path}/chloe.toml`, ...options });
  return {
    path,
    load,
    /** Lines for what is wrong, with the folder's path left out. */
    async problems(options: LoadOptions = {}): Promise<string[]> {
      const { problems = [] } = await load(options);
      return problems.map((problem) => problemLine(problem).replaceAll(`${path}/`, ""));
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("include adds the keys of other files, in tables too, by their path from the file", async () => {
  await using files = await folder({
    "chloe.toml": `include = ["secrets.toml", "more.toml"]\nport = 1\n[token]\nrequired = true`,
    "secrets.toml":
      `secret = "${SECRET}"\n[token]\nsecret = "tok_0123456789abcdef0123456789abcdef"`,
    "more.toml": `[log]\nlevel = "debug"`,
  });
  const { config, file } = await files.load();
  assertEquals(config!.port, 1);
  assertEquals(config!.secret, [SECRET]);
  assertEquals(config!.token.required, true);
  assertEquals(config!.token.secret.length, 1);
  assertEquals(config!.log.level, "debug");
  assertEquals(file, `${files.path}/chloe.toml`);
});

Deno.test("include takes one name as well as a list", async () => {
  await using files = await folder({ "chloe.toml": `include = "a.toml"`, "a.toml": "port = 7" });
  assertEquals((await files.load()).config!.port, 7);
});

Deno.test("include lets no key be in two files, and says in which", async () => {
  await using files = await folder({
    "chloe.toml": `include = "secrets.toml"\nsecret = "${SECRET}"\n[app]\ntimeout = "1s"`,
    "secrets.toml": `secret = "${OTHER_SECRET}"\n[app]\ntimeout = "2s"\nurl = "http://127.0.0.1/"`,
  });
  assertEquals(await files.problems(), [
    "secrets.toml: secret: is in another file as well: take it out of one of them",
    "secrets.toml: app.timeout: is in another file as well: take it out of one of them",
  ]);
});

Deno.test("include says what is wrong by the file that has it", async () => {
  await using files = await folder({
    "chloe.toml": `include = ["none.toml", "broken.toml", "bad.toml", "deep.toml"]\nport = 8901`,
    "broken.toml": `secret = "unfinished`,
    "bad.toml": `secret = "none"\nnonsense = 1\n[app]\ntimeout = "soon"`,
    "deep.toml": `include = ["bad.toml"]`,
  });
  const problems = await files.problems();
  const sources = problems.map((line) => line.split(": ").slice(0, 2).join(": "));
  assertEquals(sources.sort(), [
    "bad.toml: app.timeout",
    "bad.toml: nonsense",
    "bad.toml: secret[0]",
    "broken.toml: Cannot read it as TOML",
    "deep.toml: include",
    "none.toml: Cannot read the file",
  ]);
});

Deno.test("CHLOE_INCLUDE stands in for the file's own list", async () => {
  await using files = await folder({
    "chloe.toml": `include = ["none.toml"]`,
    "a.toml": "port = 7",
  });
  const { config } = await files.load({ env: { CHLOE_INCLUDE: `${files.path}/a.toml` } });
  assertEquals(config!.port, 7);
});

Deno.test("include refuses what is no list of names", async () => {
  await using files = await folder({ "chloe.toml": "include = [1]" });
  assertEquals(await files.problems(), ["chloe.toml: include[0]: must be a file's path"]);
});
