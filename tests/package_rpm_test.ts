/**
 * The package for Fedora and its kin: built, listed, linted, and installed as far as Debian's rpm can.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/toml";
import { VERSION } from "../scripts/package/about.ts";
import { buildRpm } from "../scripts/package/rpm.ts";
import { type Machine, startMachine } from "./support/machine.ts";
import { packageFolder, packageTest, testBuild } from "./support/packages.ts";

/** What rpmlint has against it with no reason that counts: nobody has signed what a test builds. */
const ALLOWED = ["no-signature"];

async function run(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, text);
  return text;
}

packageTest("the .rpm has what it has to, and could be installed", {
  programs: ["rpmbuild", "rpm"],
  root: true,
  async fn() {
    await using folder = await packageFolder();
    const rpm = await buildRpm(testBuild(folder.path, VERSION));
    const list = await run("rpm", ["-qp", "--list", rpm]);
    for (
      const path of [
        "/etc/chloe/chloe.toml",
        "/usr/bin/chloe",
        "/usr/lib/systemd/system/chloe.service",
        "/usr/share/man/man1/chloe.1.gz",
        "/usr/share/bash-completion/completions/chloe",
        "/usr/share/zsh/site-functions/_chloe",
        "/usr/share/fish/vendor_completions.d/chloe.fish",
        "/usr/share/licenses/chloe/LICENSE",
      ]
    ) {
      assert(list.split("\n").includes(path), path);
    }
    assertEquals(await run("rpm", ["-qp", "--configfiles", rpm]), "/etc/chloe/chloe.toml\n");
    // %config(noreplace): an upgrade leaves a changed one as it is.
    assertStringIncludes(
      await run("rpm", ["-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", rpm]),
      "/etc/chloe/chloe.toml cn\n",
    );
    const scripts = await run("rpm", ["-qp", "--scripts", rpm]);
    for (const kind of ["preinstall", "postinstall", "preuninstall", "postuninstall"]) {
      assertMatch(scripts, new RegExp(`^${kind} scriptlet`, "m"));
    }
    assertEquals(
      await run("rpm", ["-qp", "--qf", "%{NAME} %{VERSION} %{LICENSE}", rpm]),
      `chloe ${VERSION} MIT`,
    );
    // What it depends on is known by other names here.
    await run("rpm", ["-i", "--test", "--nodeps", "--dbpath", `${folder.path}/db`, rpm]);
  },
});

packageTest("rpmlint finds no error in the .rpm but that nobody signed it", {
  programs: ["rpmbuild", "rpmlint"],
  async fn() {
    await using folder = await packageFolder();
    const rpm = await buildRpm(testBuild(folder.path, VERSION));
    const { stdout } = await new Deno.Command("rpmlint", { args: [rpm] }).output();
    const text = new TextDecoder().decode(stdout);
    assertStringIncludes(text, "1 packages and 0 specfiles checked");
    const errors = [...text.matchAll(/^\S+: E: (\S+)/gm)].map(([, error]) => error!);
    assertEquals(errors.filter((error) => !ALLOWED.includes(error)), [], text);
  },
});

packageTest("the .rpm is installed, started, and erased with its config kept", {
  programs: ["rpmbuild", "rpm", "systemd-nspawn"],
  root: true,
  async fn(t) {
    await using machine = await startMachine();
    // dpkg's own machine is no place for another's packages.
    const ignore = !machine.hasSystemd;
    await t.step({ name: "in a container", ignore, fn: () => installs(machine) });
  },
});

async function installs(machine: Machine): Promise<void> {
  await using folder = await packageFolder();
  const rpm = await buildRpm(testBuild(folder.path, VERSION));
  await Deno.copyFile(rpm, `${machine.root}/root/chloe.rpm`);
  const run = async (line: string) => {
    const { code, stdout, stderr } = await machine.run(line);
    assertEquals(code, 0, `${line}:\n${stdout}${stderr}`);
    return stdout + stderr;
  };
  await run("mkdir -p /etc/systemd/system/chloe.service.d /etc/chloe");
  await Deno.writeTextFile(
    `${machine.root}/etc/systemd/system/chloe.service.d/test.conf`,
    "[Service]\nEnvironment=CHLOE_PORT=0\n",
  );
  const mine = '# mine\n[log]\nlevel = "debug"\n';
  await Deno.writeTextFile(`${machine.root}/etc/chloe/chloe.toml`, mine);
  await run("rpm -i --nodeps /root/chloe.rpm");
  // A config that was there stays, and the package's is beside it.
  const read = (path: string) => Deno.readTextFile(machine.root + path);
  assertEquals(await read("/etc/chloe/chloe.toml"), mine);
  await run("mv /etc/chloe/chloe.toml.rpmnew /etc/chloe/chloe.toml");
  assertEquals(await run("stat -c '%U:%G %a' /etc/chloe/secrets.toml"), "root:chloe 640\n");
  const { secret } = parse(await read("/etc/chloe/secrets.toml")) as { secret: string };
  assertMatch(secret, /^whsec_/);
  await run("systemctl start chloe");
  await machine.started("chloe.service");
  await run("rpm -e chloe");
  assertEquals((await machine.run("systemctl is-active chloe")).stdout, "inactive\n");
  assertEquals((await machine.run("test -e /usr/bin/chloe")).code, 1);
  assertStringIncludes(await read("/etc/chloe/secrets.toml"), secret);
}
