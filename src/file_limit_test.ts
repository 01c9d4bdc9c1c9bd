import { assertEquals } from "@std/assert";
import denoConfig from "../deno.json" with { type: "json" };
import { fileLimit } from "./file_limit.ts";

async function output(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await new Deno.Command(program, { args: [...args] }).output();
  return new TextDecoder().decode(stdout).trim();
}

const limit = await output("/bin/sh", ["-c", "ulimit -n"]);

Deno.test("fileLimit() is the limit of this process", async () => {
  assertEquals(await fileLimit(), limit === "unlimited" ? 1_000_000 : Number(limit));
});

for (const name of ["start", "dev", "chloe"] as const) {
  Deno.test(`fileLimit() needs no more than what \`task ${name}\` permits`, async () => {
    const flags = denoConfig.tasks[name].command.split(" ").filter((word) =>
      /^--(no|all)/.test(word)
    );
    const module = new URL("file_limit.ts", import.meta.url).href;
    const program = `import { fileLimit } from "${module}"; console.log(await fileLimit(-1));`;
    const url = `data:application/typescript,${encodeURIComponent(program)}`;
    const text = await output(Deno.execPath(), ["run", ...flags, url]);
    assertEquals(text, limit === "unlimited" ? "1000000" : limit);
  });
}
