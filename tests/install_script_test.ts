/**
 * `install.sh`, as it is run from a release: against archives that are good, changed, cut off or not there.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { installScript } from "../scripts/package.ts";
import type { Finished } from "./support/chloe_process.ts";
import { isInstalled } from "./support/packages.ts";
import { within } from "./support/within.ts";

const VERSION = "1.2.3";
const NAME = `chloe-${VERSION}-${Deno.build.target}`;
const ARCHIVE = `/v${VERSION}/${NAME}.tar.gz`;
const SUM = `${ARCHIVE}.sha256`;

/** A program that stands for Chloe: the script does not look further than what it says its version is. */
const PROGRAM = `#!/bin/sh\necho "chloe ${VERSION}"\n`;

/** A site with a release, whose files a test can change, and a folder to install into. */
class Release implements AsyncDisposable {
  readonly files: Record<string, Uint8Array<ArrayBuffer>>;
  /** Files that are said to be longer than what comes. */
  readonly cutOff = new Set<string>();
  readonly #folder: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #listener: Deno.Listener;

  private constructor(folder: string, files: Record<string, Uint8Array<ArrayBuffer>>) {
    this.#folder = folder;
    this.files = files;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const file = this.files[new URL(request.url).pathname];
      return file === undefined ? new Response(null, { status: 404 }) : new Response(file);
    });
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#cut();
  }

  static async make(program = PROGRAM): Promise<Release> {
    const folder = await Deno.makeTempDir({ prefix: "chloe-install-" });
    await Deno.mkdir(`${folder}/${NAME}`);
    await Deno.writeTextFile(`${folder}/${NAME}/chloe`, program, { mode: 0o755 });
    const tar = await new Deno.Command("tar", { args: ["-czf", "-", "-C", folder, NAME] }).output();
    const archive = new Uint8Array(tar.stdout);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", archive)).toHex();
    const sum = new TextEncoder().encode(`${digest}  ${NAME}.tar.gz\n`);
    return new Release(folder, { [ARCHIVE]: archive, [SUM]: sum });
  }

  get prefix(): string {
    return `${this.#folder}/prefix`;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Where the archive ends before its end. */
  get cutUrl(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  /** Answers with the file, but ends in the midst of an archive. */
  async #cut(): Promise<void> {
    for await (const connection of this.#listener) {
      using _closing = connection;
      const buffer = new Uint8Array(4096);
      const size = await connection.read(buffer) ?? 0;
      const path = new TextDecoder().decode(buffer.subarray(0, size)).split(" ")[1]!;
      const file = this.files[path]!;
      const part = path === ARCHIVE ? file.subarray(0, file.length / 2) : file;
      const head = `HTTP/1.1 200 OK\r\ncontent-length: ${file.length}\r\nconnection: close\r\n\r\n`;
      const writer = connection.writable.getWriter();
      await writer.write(new TextEncoder().encode(head));
      await writer.write(part);
      await writer.close().catch(() => {});
    }
  }

  /** Runs the script as `curl | sh` does. */
  async install(
    { env = {}, script, args = [] }: {
      env?: Record<string, string>;
      script?: string;
      args?: string[];
    } = {},
  ): Promise<Finished> {
    const child = new Deno.Command("sh", {
      args: ["-s", "--", ...args],
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH")!,
        HOME: this.#folder,
        TMPDIR: this.#folder,
        PREFIX: this.prefix,
        ...env,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = child.output();
    const writer = child.stdin.getWriter();
    const text = script ?? await installScript(VERSION, this.url);
    await writer.write(new TextEncoder().encode(text)).then(() => writer.close()).catch(() => {});
    const { code, stdout, stderr } = await within(output, "install.sh to end");
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: decode(stdout), stderr: decode(stderr) };
  }

  /** What stands under PREFIX, and in the folder for temporary files. */
  async left(): Promise<string[]> {
    const { stdout } = await new Deno.Command("find", {
      args: [this.#folder, "-mindepth", "1", "-type", "f", "-not", "-path", `*/${NAME}/*`],
    }).output();
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "")
      .map((path) => path.slice(this.#folder.length + 1));
  }

  async putOld(): Promise<void> {
    await Deno.mkdir(`${this.prefix}/bin`, { recursive: true });
    const old = `#!/bin/sh\necho "chloe 0.9.0"\n`;
    await Deno.writeTextFile(`${this.prefix}/bin/chloe`, old, { mode: 0o755 });
  }

  async version(): Promise<string> {
    const { stdout } = await new Deno.Command(`${this.prefix}/bin/chloe`, { args: ["--version"] })
      .output();
    return new TextDecoder().decode(stdout).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#server.shutdown();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

const isPossible = Deno.build.os !== "windows" && (isInstalled("curl") || isInstalled("wget"));

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isPossible && !Deno.env.get("CI"), fn });
}

test("install.sh puts one file in place, and says what is next", async () => {
  await using release = await Release.make();
  const { code, stdout, stderr } = await release.install();
  assertEquals([code, stderr], [0, ""]);
  assertEquals(await release.left(), ["prefix/bin/chloe"]);
  assertEquals(await release.version(), `chloe ${VERSION}`);
  assertStringIncludes(stdout, `${release.prefix}/bin/chloe: chloe ${VERSION}\n`);
  assertStringIncludes(stdout, `Add ${release.prefix}/bin to your PATH`);
});

test("install.sh --help says what there is, and any other argument is refused: nothing is installed", async () => {
  await using release = await Release.make();
  const help = await release.install({ args: ["--help"] });
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const name of ["PREFIX", "CHLOE_VERSION", "CHLOE_DOWNLOADS"]) {
    assertStringIncludes(help.stdout, name);
  }
  const refused = await release.install({ args: ["--prefix=/opt"] });
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "it takes no arguments, but PREFIX");
  assertEquals(await release.left(), []);
});

test("install.sh goes to ~/.local where no place is named and one is not root", async () => {
  await using release = await Release.make();
  // `id -u`, as anybody but root.
  const script = (await installScript(VERSION, release.url)).replaceAll("$(id -u)", "1000");
  const { code } = await release.install({ script, env: { PREFIX: "" } });
  assertEquals(code, 0);
  assertEquals(await release.left(), [".local/bin/chloe"]);
});

test("install.sh replaces an older version", async () => {
  await using release = await Release.make();
  await release.putOld();
  const { code, stdout } = await release.install();
  assertEquals(code, 0);
  assertEquals(await release.version(), `chloe ${VERSION}`);
  assertStringIncludes(stdout, "(was: chloe 0.9.0)");
});

/** What goes wrong, and what of it is said. */
const REFUSALS: Readonly<
  Record<string, { change(release: Release): Record<string, string> | void; said: RegExp }>
> = {
  "a sum that is another's": {
    change({ files }) {
      files[SUM] = new TextEncoder().encode(`${"0".repeat(64)}  ${NAME}.tar.gz\n`);
    },
    said: /the sum of .+ is [0-9a-f]{64}, not 0{64}/,
  },
  "an archive that was changed": {
    change({ files }) {
      files[ARCHIVE]![files[ARCHIVE]!.length - 1]! ^= 1;
    },
    said: /it was cut off or changed on its way/,
  },
  "a page in place of the sum": {
    change({ files }) {
      files[SUM] = new TextEncoder().encode("<html>Not what you want</html>\n");
    },
    said: /is no sum/,
  },
  "an archive that was cut off": {
    change: ({ cutUrl }) => ({ CHLOE_DOWNLOADS: cutUrl }),
    said: /did not come whole/,
  },
  "an archive that was cut off by who made it": {
    change({ files }) {
      files[ARCHIVE] = files[ARCHIVE]!.slice(0, 100);
    },
    said: /it was cut off or changed on its way/,
  },
  "no archive of this version": {
    change: () => ({ CHLOE_VERSION: "9.9.9" }),
    said: /no chloe-9\.9\.9-.+ at .+: is there a version 9\.9\.9\?/,
  },
  "an archive that is missing": {
    change({ files }) {
      delete files[ARCHIVE];
    },
    said: /did not come whole/,
  },
};

for (const [name, { change, said }] of Object.entries(REFUSALS)) {
  test(`install.sh changes nothing after ${name}`, async () => {
    await using release = await Release.make();
    await release.putOld();
    const env = change(release) ?? {};
    const { code, stdout, stderr } = await release.install({ env });
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, said);
    assertStringIncludes(stderr, "Nothing was changed.");
    assertEquals(await release.version(), "chloe 0.9.0");
    assertEquals(await release.left(), ["prefix/bin/chloe"]);
  });
}

test("install.sh changes nothing where the program does not run", async () => {
  await using release = await Release.make("#!/bin/sh\nexit 1\n");
  await release.putOld();
  const { code, stderr } = await release.install();
  assertEquals(code, 1);
  assertStringIncludes(stderr, "the program does not run on this machine");
  assertEquals(await release.version(), "chloe 0.9.0");
});

test("install.sh says for which machines there is a Chloe", async () => {
  await using release = await Release.make();
  const script = (await installScript(VERSION, release.url))
    .replaceAll("$(uname -m)", "riscv64");
  const { code, stderr } = await release.install({ script });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "there is no Chloe for Linux on riscv64");
  assertEquals(await release.left(), []);
});

test("install.sh does not put a file where a folder is", async () => {
  await using release = await Release.make();
  await Deno.mkdir(`${release.prefix}/bin/chloe`, { recursive: true });
  const { code, stderr } = await release.install();
  assertEquals(code, 1);
  assertStringIncludes(stderr, "is a folder: choose another place with PREFIX");
});

test("install.sh says so where it may not write", async () => {
  await using release = await Release.make();
  await Deno.writeTextFile(release.prefix, "a file");
  const { code, stderr } = await release.install();
  assertEquals(code, 1);
  assertStringIncludes(stderr, `no right to write to ${release.prefix}/bin`);
});

test("install.sh does nothing where it was cut off itself", async () => {
  await using release = await Release.make();
  const whole = await installScript(VERSION, release.url);
  for (let at = 1; at < 8; at++) {
    const script = whole.slice(0, Math.floor(whole.length * at / 8));
    await release.install({ script });
    assertEquals(await release.left(), []);
  }
});

Deno.test({
  name: "install.sh and the packages' scripts are sh that shellcheck has nothing against",
  ignore: !isInstalled("shellcheck") && !Deno.env.get("CI"),
  async fn() {
    const here = new URL("../scripts/package/", import.meta.url).pathname;
    const files = ["install.sh", "deb/preinst", "deb/postinst", "deb/prerm", "deb/postrm"];
    const { code, stdout } = await new Deno.Command("shellcheck", {
      args: ["--shell=sh", ...files.map((file) => here + file)],
    }).output();
    assert(code === 0, new TextDecoder().decode(stdout));
  },
});
