/**
 * The package for Debian: built, linted, installed, upgraded under a connected client, removed and purged.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { parse } from "@std/toml";
import { Chloe } from "../client/mod.ts";
import { buildDeb, DEPENDS } from "../scripts/package/deb.ts";
import { VERSION } from "../scripts/package/about.ts";
import { freePort } from "./support/app_process.ts";
import { CHLOE_BIN } from "./support/chloe_process.ts";
import { startHeldApp } from "./support/held_app.ts";
import { request } from "./support/http.ts";
import { type Machine, startMachine } from "./support/machine.ts";
import { packageFolder, packageTest, testBuild } from "./support/packages.ts";
import { eventually, within } from "./support/within.ts";

const SERVICE = "chloe.service";
const CONFIG = "/etc/chloe/chloe.toml";
const SECRETS = "/etc/chloe/secrets.toml";
const NEXT_VERSION = `${VERSION}+1`;

/** The keys of a package's file of secrets. */
interface Keys {
  readonly secret: string;
  readonly api_keys: readonly string[];
  readonly token: { readonly secret: string };
}

/** Runs a line of shell on the machine. @throws Error where it fails. @returns What it said. */
async function run(machine: Machine, line: string): Promise<string> {
  const { code, stdout, stderr } = await machine.run(line);
  assertEquals(code, 0, `${line}:\n${stdout}${stderr}`);
  return stdout + stderr;
}

/** All that is called after Chloe where packages put things, and who is. */
async function traces(machine: Machine): Promise<string[]> {
  const { stdout } = await machine.run(
    "find /etc /usr /var /run /lib/systemd -xdev -iname '*chloe*' 2>/dev/null | grep -v ^/var/cache/man | sort; " +
      "getent passwd chloe; getent group chloe; dpkg-query -W chloe 2>/dev/null",
  );
  return stdout.split("\n").filter((line) => line !== "");
}

async function keysOf(machine: Machine): Promise<Keys> {
  return parse(await Deno.readTextFile(machine.root + SECRETS)) as unknown as Keys;
}

/** Whether a Chloe answers on the port. */
async function answers(port: number): Promise<boolean> {
  try {
    using exchange = await request({ hostname: "127.0.0.1", port }, "/healthz");
    return (await exchange.head()).status === 200;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

packageTest("the .deb has what it has to, in its place, and lintian finds no error", {
  programs: ["dpkg-deb", "lintian"],
  async fn() {
    await using folder = await packageFolder();
    const deb = await buildDeb(testBuild(folder.path, VERSION));
    const [list, control] = await Promise.all(["--contents", "--field"].map(async (flag) => {
      const { stdout } = await new Deno.Command("dpkg-deb", { args: [flag, deb] }).output();
      return new TextDecoder().decode(stdout);
    }));
    const files = list!.split("\n").filter((line) => !line.startsWith("d"));
    for (
      const [mode, path] of [
        ["-rwxr-xr-x", "./usr/bin/chloe"],
        ["-rw-r--r--", "./etc/chloe/chloe.toml"],
        ["-rw-r--r--", "./usr/lib/systemd/system/chloe.service"],
        ["-rw-r--r--", "./usr/share/man/man1/chloe.1.gz"],
        ["-rw-r--r--", "./usr/share/bash-completion/completions/chloe"],
        ["-rw-r--r--", "./usr/share/zsh/vendor-completions/_chloe"],
        ["-rw-r--r--", "./usr/share/fish/vendor_completions.d/chloe.fish"],
        ["-rw-r--r--", "./usr/share/doc/chloe/chloe.example.toml"],
      ]
    ) {
      const line = files.find((line) => line.endsWith(` ${path}`));
      assert(line?.startsWith(`${mode} root/root `), `${path}: ${line}`);
    }
    assertMatch(control!, new RegExp(`^Version: ${VERSION.replaceAll(".", "\\.")}$`, "m"));
    const lint = await new Deno.Command("lintian", {
      args: ["--fail-on", "error", "--allow-root", deb],
      env: { LC_ALL: "C.UTF-8" },
    }).output();
    assertEquals(lint.code, 0, new TextDecoder().decode(lint.stdout));
  },
});

packageTest("the same source gives the same .deb", {
  programs: ["dpkg-deb"],
  async fn() {
    const sums = [];
    for (let i = 0; i < 2; i++) {
      await using folder = await packageFolder();
      const deb = await Deno.readFile(await buildDeb(testBuild(folder.path, VERSION)));
      sums.push(new Uint8Array(await crypto.subtle.digest("SHA-256", deb)).toHex());
    }
    assertEquals(sums[0], sums[1]);
  },
});

packageTest("the .deb asks for the libc that the binary needs", {
  programs: ["objdump"],
  async fn() {
    const { stdout } = await new Deno.Command("objdump", { args: ["-p", CHLOE_BIN!] }).output();
    const needed = [...new TextDecoder().decode(stdout).matchAll(/ GLIBC_2\.(\d+)/g)]
      .map(([, minor]) => Number(minor));
    assertEquals(/libc6 \(>= 2\.(\d+)\)/.exec(DEPENDS)?.[1], String(Math.max(...needed)));
  },
});

packageTest("the .deb is installed, used, upgraded, removed and purged", {
  programs: ["dpkg", "dpkg-deb", "deb-systemd-helper", "adduser", "setpriv", "systemd-analyze"],
  root: true,
  async fn(t) {
    await using folder = await packageFolder();
    await using app = startHeldApp();
    await using machine = await startMachine();
    const step = async (name: string, fn: () => Promise<void>) => {
      if (!await t.step(name, fn)) throw new Error(`What follows needs: ${name}`);
    };
    const port = freePort();
    const url = `http://127.0.0.1:${port}`;
    const put = async (version: string) => {
      const deb = await buildDeb(testBuild(folder.path, version));
      await Deno.copyFile(deb, `${machine.root}/root/chloe.deb`);
      await Deno.remove(deb);
    };
    const write = (path: string, text: string) => Deno.writeTextFile(machine.root + path, text);
    const read = (path: string) => Deno.readTextFile(machine.root + path);
    // What a Chloe that somebody ran here by hand has left is taken away by the purge as well.
    await run(machine, "rm -rf /var/log/chloe /var/lib/chloe /run/chloe");
    const clean = await traces(machine);
    // As an administrator would, who has something else on that port.
    await run(machine, `mkdir -p /etc/systemd/system/${SERVICE}.d`);
    await write(
      `/etc/systemd/system/${SERVICE}.d/test.conf`,
      `[Service]\nEnvironment=CHLOE_PORT=${port}\n`,
    );
    await put(VERSION);
    let pid = 0;
    let keys: Keys;

    await step("not beside a person whose name is chloe", async () => {
      await run(machine, "useradd --uid 12345 --no-create-home chloe");
      const { code, stderr } = await machine.run("dpkg -i /root/chloe.deb");
      assertNotEquals(code, 0);
      assertStringIncludes(stderr, "Chloe would run as the user chloe, who is a person");
      await run(machine, "userdel chloe");
      assertEquals(
        (await machine.run("dpkg-query -W chloe")).stdout.replace(/^chloe\t$/m, ""),
        "\n",
      );
      assertEquals(await exists(machine, "/usr/bin/chloe"), false);
    });

    await step("over a config that somebody made by hand, which stays in force", async () => {
      const mine = `# mine\nhost = "127.0.0.1"\n[log]\nlevel = "debug"\n`;
      await run(machine, "mkdir -p /etc/chloe");
      await write(CONFIG, mine);
      const said = await run(machine, "dpkg -i /root/chloe.deb");
      assertStringIncludes(said, `Kept your ${CONFIG}; the package's own is ${CONFIG}.dpkg-dist`);
      assertEquals(await read(CONFIG), mine);
      assertStringIncludes(await read(`${CONFIG}.dpkg-dist`), 'include = ["secrets.toml"]');
      assertEquals(await state(machine), "installed");
      pid = await machine.started(SERVICE);
      assert(await answers(port));
      await machine.removing(SERVICE);
      await run(machine, "dpkg --purge chloe");
      assertEquals(await traces(machine), [...clean, `/etc/systemd/system/${SERVICE}.d`].sort());
    });

    await step("it starts as its own user, with keys that nobody else may read", async () => {
      await run(machine, "dpkg -i /root/chloe.deb");
      pid = await machine.started(SERVICE);
      assert(await answers(port));
      assertEquals(await run(machine, `stat -c '%U:%G %a' ${SECRETS}`), "root:chloe 640\n");
      keys = await keysOf(machine);
      const status = await read(`/proc/${pid}/status`);
      const uid = (await run(machine, "id -u chloe")).trim();
      assertMatch(status, new RegExp(`^Uid:\\s${uid}\\s${uid}\\s`, "m"));
      assertMatch(status, /^NoNewPrivs:\s1$/m);
      assertMatch(status, /^CapBnd:\s0+$/m);
      const limits = await read(`/proc/${pid}/limits`);
      const [, files] = /^Max open files +(\d+) /m.exec(limits) ?? [];
      // Where root may not raise it, it is what root has.
      const most = (await run(machine, "ulimit -Hn")).trim();
      assert(files === "1048576" || files === most, limits);
      if (machine.hasSystemd) {
        const log = await run(machine, "journalctl -o cat -u chloe");
        assertStringIncludes(log, '" listens on ');
        assert(!log.includes(keys.api_keys[0]!));
        assertStringIncludes(await run(machine, "systemctl status chloe"), `Listening on ${url}`);
      }
    });

    await step("the unit is right, and exposes little", async () => {
      const unit = `/usr/lib/systemd/system/${SERVICE}`;
      assertEquals(await run(machine, `systemd-analyze verify ${unit}`), "");
      const [, score] = /Overall exposure level for chloe.service: ([\d.]+)/.exec(
        await run(machine, `systemd-analyze security --no-pager --offline=true ${unit}`),
      ) ?? [];
      assert(Number(score) < 3, score);
    });

    await step("man page and completions are there", async () => {
      assertStringIncludes(
        await run(machine, "zcat /usr/share/man/man1/chloe.1.gz"),
        ".TH CHLOE 1",
      );
      await run(machine, "bash -n /usr/share/bash-completion/completions/chloe");
    });

    await step("whose config was changed goes on by it", async () => {
      app.secrets = [keys.secret];
      const config = (await read(CONFIG)).replace(
        /^# url = .*$/m,
        `url = "${app.url}"\ntimeout = "60s"\nevents = ["message", "restarted"]`,
      );
      assertStringIncludes(config, app.url);
      await write(CONFIG, config);
      assertStringIncludes(await run(machine, "chloe check"), `ok: ${CONFIG}`);
      if (machine.hasSystemd) await run(machine, "systemctl restart chloe");
      const before = pid;
      pid = await machine.started(SERVICE, before);
      assertNotEquals(pid, before);
    });

    const received: unknown[] = [];
    const arrives = (wanted: unknown) =>
      eventually(() => Promise.resolve(received.includes(wanted) || undefined), String(wanted));
    const send = async (data: string, key: string) => {
      using exchange = await request({ hostname: "127.0.0.1", port }, "/send", {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        body: `${new URLSearchParams({ data })}`,
      });
      return (await exchange.head()).status;
    };
    const client = new Chloe(url, {
      // Tries come soon after each other.
      environment: {
        random: () => 0.001,
        WebSocket: WebSocket,
        fetch: (url, init) => fetch(url, init),
      },
    });
    try {
      await step("a message goes round: browser, Chloe, app, /send, browser", async () => {
        client.onmessage((data) => received.push(data));
        await within(client.connect(), "the client to connect");
        assertEquals(await within(client.send("ping"), "the app's reply"), { handled: "ping" });
        assertEquals(app.events.at(-1)?.data, "ping");
        assertEquals(await send("hello", keys.api_keys[0]!), 200);
        await arrives("hello");
        assertEquals(await send("hello", "chk_nobodys"), 401);
      });

      await step("an upgrade drains, keeps the config, and the client comes back", async () => {
        const [config, secrets] = await Promise.all([read(CONFIG), read(SECRETS)]);
        await put(NEXT_VERSION);
        const held = app.hold();
        const reply = client.send("under way");
        await held.reached;
        const upgraded = run(machine, "dpkg -i /root/chloe.deb").then(async () => {
          const before = pid;
          pid = await machine.started(SERVICE, before);
          assertNotEquals(pid, before);
        });
        // It takes nothing new any more, and waits for the app.
        await eventually(async () => {
          using exchange = await request({ hostname: "127.0.0.1", port }, "/readyz");
          return (await exchange.head()).status === 503 || undefined;
        }, "the drain");
        held.release();
        assertEquals(await within(reply, "the reply"), { handled: "under way" });
        await upgraded;
        const version = await run(machine, "dpkg-query -W -f '${Version}' chloe");
        assertEquals(version, NEXT_VERSION);
        assertEquals([await read(CONFIG), await read(SECRETS)], [config, secrets]);
        assertEquals(await within(client.send("again"), "a reply"), { handled: "again" });
        assertEquals(await send("after", keys.api_keys[0]!), 200);
        await arrives("after");
        await eventually(
          () => Promise.resolve(app.events.some(({ type }) => type === "restarted") || undefined),
          "the event restarted",
        );
        assertEquals(app.unsigned, 0);
      });

      await step("a wrong config is said, and what runs goes on", async () => {
        const config = await read(CONFIG);
        await write(CONFIG, `${config}nonsense = 1\n`);
        await put(`${VERSION}+2`);
        const said = await run(machine, "dpkg -i /root/chloe.deb");
        assertStringIncludes(said, `${CONFIG}: app.nonsense: there is no such key`);
        assertStringIncludes(said, `Mend ${CONFIG}`);
        assertEquals(await state(machine), "installed");
        assertEquals(await within(client.send("still"), "a reply"), { handled: "still" });
        assertStringIncludes(await read(`/proc/${pid}/status`), "chloe");
        await write(CONFIG, config);
      });
    } finally {
      client.close();
    }

    await step("removal stops it and keeps config, keys and state", async () => {
      await machine.removing(SERVICE);
      await run(machine, "dpkg -r chloe");
      assertEquals(await answers(port), false);
      assertEquals(await exists(machine, "/usr/bin/chloe"), false);
      assertEquals((await keysOf(machine)).secret, keys.secret);
      assertStringIncludes(await read(CONFIG), app.url);
      assertStringIncludes(await run(machine, "ls /var/lib/chloe"), "boot-");
    });

    await step("purge leaves nothing", async () => {
      await run(machine, "dpkg --purge chloe");
      await run(machine, `rm -r /etc/systemd/system/${SERVICE}.d /root/chloe.deb`);
      assertEquals(await traces(machine), clean);
    });
  },
});

async function state(machine: Machine): Promise<string> {
  return await run(machine, "dpkg-query -W -f '${db:Status-Status}' chloe");
}

async function exists(machine: Machine, path: string): Promise<boolean> {
  return (await machine.run(`test -e ${path}`)).code === 0;
}
