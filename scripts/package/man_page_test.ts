import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isInstalled } from "../../tests/support/packages.ts";
import { createCli } from "../../src/cli/run.ts";
import { synopsis } from "../../src/cli/synopsis.ts";
import { keys } from "../../src/config/keys.ts";
import { manPage } from "./man_page.ts";

const PAGE = manPage({ version: "1.2.3", date: new Date("2026-01-02T03:04:05Z") });

Deno.test("manPage() names every command, flag and variable of the program", () => {
  const text = PAGE.replaceAll("\\-", "-");
  const { commands } = synopsis(createCli({ clientDir: "" }).program);
  for (const { name, usage, options } of commands) {
    const section = text.split(`.SS "chloe ${name} ${usage}"\n`)[1]?.split("\n.S")[0];
    assert(section !== undefined, name);
    for (const flag of options.flatMap(({ names }) => names)) {
      assertStringIncludes(section, `\\fB${flag}\\fR`);
    }
  }
  for (const { variable } of keys) assertStringIncludes(text, `.B ${variable}\n`);
  assertStringIncludes(text, '.TH CHLOE 1 "2026-01-02" "Chloe 1.2.3"');
});

Deno.test({
  name: "manPage() is troff that groff has nothing against",
  ignore: !isInstalled("groff") && !Deno.env.get("CI"),
  async fn() {
    const file = await Deno.makeTempFile({ suffix: ".1" });
    await Deno.writeTextFile(file, PAGE);
    const { code, stdout, stderr } = await new Deno.Command("groff", {
      args: ["-man", "-Tutf8", "-ww", file],
    }).output();
    await Deno.remove(file);
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    // deno-lint-ignore no-control-regex -- how groff makes letters bold
    const text = new TextDecoder().decode(stdout).replaceAll(/\x1b\[\d*m|.\x08/g, "");
    assertStringIncludes(text, "chloe serve [options]");
    assertStringIncludes(text, "CHLOE_APP_URL");
  },
});
