/**
 * Projects that install packages of npm's registry, each in a folder of its own.
 *
 * @module
 */

/** Whether a test that needs npm, and Node 20 or later, is passed over. Never where `CI` is set. */
export const isNpmMissing = !Deno.env.get("CI") && !hasNpm();

function hasNpm(): boolean {
  try {
    const isNew = "process.exit(process.versions.node.split('.')[0] < 20 ? 1 : 0)";
    return [["npm", "--version"], ["node", "-e", isNew]].every(([program, ...args]) =>
      new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "null" })
        .outputSync().success
    );
  } catch {
    return false;
  }
}

/** A project of somebody who uses npm. Disposing removes its folder. */
export interface NpmProject extends AsyncDisposable {
  readonly folder: string;
  /** Runs a program in the folder, and gives what it printed. @throws Error where it fails. */
  run(program: string, args: readonly string[]): Promise<string>;
}

/** Writes a project's files by their path, and installs packages there. */
export async function createNpmProject(
  files: Readonly<Record<string, string>>,
  packages: readonly string[],
): Promise<NpmProject> {
  const folder = await Deno.makeTempDir({ prefix: "chloe_npm_" });
  const remove = () => Deno.remove(folder, { recursive: true });
  const run = async (program: string, args: readonly string[]) => {
    const { success, code, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: folder,
      stdin: "null",
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (!success) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${out}${err}`);
    return out!;
  };
  try {
    const manifest = { name: "a-project", private: true, type: "module" };
    await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify(manifest));
    for (const [path, text] of Object.entries(files)) {
      const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
      await Deno.mkdir(`${folder}/${parent}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/${path}`, text);
    }
    const how = ["--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier", "--silent"];
    await run("npm", ["install", ...how, ...packages]);
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, run, [Symbol.asyncDispose]: remove };
}
