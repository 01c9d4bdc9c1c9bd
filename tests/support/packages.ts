/**
 * Packages for tests, of the binary that `CHLOE_BIN` names.
 *
 * @module
 */
import type { Build } from "../../scripts/package/files.ts";
import { CHLOE_BIN } from "./chloe_process.ts";

/** What a test needs that wants to build and install packages. */
export interface Needs {
  readonly programs: readonly string[];
  /** Whether it installs something. */
  readonly root?: boolean;
}

/**
 * A test of packages. It is passed over where there is no binary to be packaged, or, unless CI is set, where
 * something that it needs is missing.
 */
export function packageTest(
  name: string,
  { programs, root = false, fn }: Needs & { fn(t: Deno.TestContext): Promise<void> },
): void {
  const isPossible = Deno.build.os === "linux" && programs.every(isInstalled) &&
    (!root || Deno.uid() === 0);
  Deno.test({ name, ignore: CHLOE_BIN === undefined || (!Deno.env.get("CI") && !isPossible), fn });
}

/** Whether a program is to be had. */
export function isInstalled(program: string): boolean {
  return ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

/** How to build a package into `folder`, quickly. */
export function testBuild(folder: string, version: string): Build {
  return {
    binary: CHLOE_BIN!,
    target: Deno.build.target,
    version,
    date: new Date("2026-01-02T03:04:05Z"),
    folder,
    fast: true,
  };
}

/** A folder for packages that goes away with the test. */
export async function packageFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "chloe-packages-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
