import { assert, assertEquals } from "@std/assert";
import denoConfig from "../../deno.json" with { type: "json" };
import { isMissing } from "../../tests/support/app_process.ts";
import { ROOT } from "./files.ts";

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
}

interface Workflow {
  readonly name: string;
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: unknown;
  readonly jobs: Readonly<
    Record<string, {
      readonly "runs-on": string;
      readonly "timeout-minutes": number;
      readonly needs?: string | readonly string[];
      readonly steps: readonly Step[];
    }>
  >;
}

/** Reads YAML, as Ruby does. */
async function yaml(path: string): Promise<Workflow> {
  const { code, stdout, stderr } = await new Deno.Command("ruby", {
    // YAML 1.1 takes the key `on` for true.
    args: [
      ...["-ryaml", "-rjson", "-e"],
      "puts JSON.generate(YAML.safe_load(File.read(ARGV[0])).transform_keys { |key| key == true ? 'on' : key })",
      path,
    ],
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function steps(workflow: Workflow): readonly Step[] {
  return Object.values(workflow.jobs).flatMap((job) => job.steps);
}

for (const name of ["ci", "release"]) {
  Deno.test({
    name: `.github/workflows/${name}.yml is a workflow, and calls only what is there`,
    ignore: isMissing("ruby"),
    async fn() {
      const workflow = await yaml(`${ROOT}.github/workflows/${name}.yml`);
      assert(workflow.name !== "" && Object.keys(workflow.on).length > 0);
      // What is not granted here nobody has: a job that writes says so itself.
      assertEquals(workflow.permissions, { contents: "read" });
      for (const [id, job] of Object.entries(workflow.jobs)) {
        assert(job["runs-on"] && job["timeout-minutes"] > 0, id);
        for (const other of [job.needs ?? []].flat()) assert(other in workflow.jobs, other);
        for (const step of job.steps) {
          assertEquals(Number("uses" in step) + Number("run" in step), 1, JSON.stringify(step));
          if (step.uses) assert(/^actions\/[\w-]+@v\d+$/.test(step.uses), step.uses);
        }
      }
      for (const { run = "" } of steps(workflow)) {
        for (const [, task] of run.matchAll(/scripts\/deno task (\S+)/g)) {
          assert(task! in denoConfig.tasks, task);
        }
        for (const [path] of run.matchAll(/(?<![\w/.*-])(?:\.ci|scripts)\/[\w/.-]+/g)) {
          assert((await Deno.stat(ROOT + path)).isFile, path);
        }
        const shell = new Deno.Command("bash", { args: ["-n", "-c", run] });
        assertEquals((await shell.output()).code, 0, run);
      }
    },
  });
}

Deno.test({
  name: "a release has what docs/install.md says that it has, and CI runs .ci/run",
  ignore: isMissing("ruby"),
  async fn() {
    const release = await yaml(`${ROOT}.github/workflows/release.yml`);
    assertEquals(release.on, { push: { tags: ["v*"] } });
    const upload = steps(release).find(({ uses }) => uses?.startsWith("actions/upload-artifact"));
    assertEquals(upload?.with?.path?.trim().split("\n"), [
      ...["dist/*.tar.gz", "dist/*.deb", "dist/*.rpm", "dist/*.sha256"],
      ...["dist/chloe.rb", "dist/install.sh"],
    ]);
    const runs = steps(release).map(({ run = "" }) => run);
    assert(runs.includes("scripts/deno task compile --target all"));
    assert(runs.includes("scripts/deno task package --target all"));
    assert(runs.some((run) => run.startsWith("gh release create")));
    const ci = await yaml(`${ROOT}.github/workflows/ci.yml`);
    assert(steps(ci).some(({ run }) => run === ".ci/run"));
  },
});

Deno.test("the Containerfile copies what is there, and runs as its own user", async () => {
  const text = await Deno.readTextFile(`${ROOT}scripts/package/Containerfile`);
  const lines = text.replaceAll(/^#.*\n/gm, "").replaceAll(/\s*\\\n\s*/g, " ").split("\n")
    .filter((line) => line !== "");
  const known =
    /^(FROM|ARG|RUN|COPY|USER|ENV|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD) \S/;
  for (const line of lines) assert(known.test(line), line);
  assertEquals(lines.filter((line) => line.startsWith("COPY")), [
    // What scripts/compile.ts makes.
    "COPY dist/chloe-${VERSION}-${TARGET}/chloe /usr/local/bin/chloe",
  ]);
  const user = lines.findIndex((line) => line === "USER chloe");
  assert(user > 0 && user < lines.findIndex((line) => line.startsWith("ENTRYPOINT")));
});
