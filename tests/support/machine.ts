/**
 * A machine that a package is installed on, as root: this one's Debian in a container with a systemd of its own,
 * whose changes are gone with it. Where the kernel does not let one be made, this machine itself, where the test
 * starts the service as its unit says; that only where CI is set, on a machine that is thrown away.
 *
 * The network is this machine's either way.
 *
 * @module
 */
import type { Finished } from "./chloe_process.ts";
import { Unit } from "./unit.ts";
import { within } from "./within.ts";

/** A machine to install on. */
export interface Machine extends AsyncDisposable {
  /** Whether it is a container with systemd. */
  readonly hasSystemd: boolean;
  /** Where its files are for this process: a path that stands before theirs. */
  readonly root: string;
  /** Runs a line of shell there, as root, with nobody at the terminal. */
  run(line: string): Promise<Finished>;
  /**
   * The process of a service that dpkg has just started, or started anew: without systemd this does so.
   *
   * @param before The process that has to be gone.
   */
  started(service: string, before?: number): Promise<number>;
  /** Lets a service stop before its package goes: with systemd the package does so. */
  removing(service: string): Promise<void>;
}

/** Makes a machine. Disposing ends it. */
export async function startMachine(): Promise<Machine> {
  const machine = Deno.env.get("CHLOE_TEST_MACHINE") === "here" ? null : await startContainer();
  if (machine !== null) return machine;
  if (!Deno.env.get("CI")) {
    throw new Error("Cannot make a container, and this is no machine for it");
  }
  return thisMachine();
}

/** Becomes the container: `$1` is an empty folder, `$2` what the container is called. */
const BOOT = `set -e
base=$1 name=$2
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
: >"$base/root/etc/machine-id"
rm -f "$base/root/usr/sbin/policy-rc.d" # images of Debian have one that lets no service start
mount -t tmpfs tmpfs /run # what systemd-nspawn notes there is gone with it
for cgroup in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if [ -w "$cgroup/cgroup.procs" ]; then mkdir "$cgroup/$name" && echo $$ >"$cgroup/$name/cgroup.procs"; fi
done
exec systemd-nspawn --quiet --boot --directory="$base/root" --machine="$name" --register=no --keep-unit \
  --link-journal=no --console=pipe --notify-ready=yes -- --unit=basic.target`;

/** The groups of processes that BOOT made. */
const REMOVE_GROUPS =
  `for cgroup in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if [ -d "$cgroup/$0" ]; then find "$cgroup/$0" -depth -type d -exec rmdir {} +; fi
done`;

let containers = 0;

/** A container over the files of this machine; null where none can be made. */
async function startContainer(): Promise<Machine | null> {
  const folder = await Deno.makeTempDir({ prefix: "chloe-machine-" });
  const name = `chloe-test-${Deno.pid}-${++containers}`;
  await Deno.mkdir(`${folder}/base`);
  const NOTIFY_SOCKET = `${folder}/notify`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: NOTIFY_SOCKET });
  const child = new Deno.Command("setpriv", {
    // Nothing of the container outlives this process, whatever becomes of it: the end of the first process of
    // a space of process ids is the end of all.
    args: [
      ...["--pdeathsig=KILL", "unshare", "--mount", "--pid", "--mount-proc", "--fork"],
      ...["--kill-child=KILL", "sh", "-c", BOOT, "sh", `${folder}/base`, name],
    ],
    env: { NOTIFY_SOCKET },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const complaint = new Response(child.stderr).text();
  const ended = child.status.then(async () => {
    socket.close();
    await finish("sh", ["-c", REMOVE_GROUPS, name]);
    await Deno.remove(folder, { recursive: true }).catch(() => {}); // the mounts were the container's
  });
  const end = async () => {
    kill(child.pid, "SIGKILL");
    await ended;
    return await complaint;
  };
  const booted = booting(socket).then(() => true, () => false);
  const hasBooted = await within(Promise.race([booted, ended.then(() => false)]), "it to boot")
    .catch(() => false);
  if (!hasBooted) {
    reportNoContainer(await end());
    return null;
  }
  // systemd-nspawn, and its only child: the first process of the container.
  const pid = await childOf(await childOf(child.pid));
  const run = (line: string) =>
    finish("nsenter", [
      ...["-t", String(pid), "-m", "-u", "-i", "-p", "-C", "-r", "-w"],
      ...["sh", "-c", `cd /; ${line}`],
    ]);
  return {
    hasSystemd: true,
    root: `/proc/${pid}/root`,
    run,
    async started(service) {
      const property = async (name: string) =>
        (await run(`systemctl show -P ${name} ${service}`)).stdout.trim();
      const state = await property("ActiveState");
      if (state !== "active") {
        const { stdout } = await run(`journalctl -n 30 -o cat -u ${service}`);
        throw new Error(`${service} is ${state}:\n${stdout}`);
      }
      return Number(await property("MainPID"));
    },
    removing: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => void await end(),
  };
}

/** Resolves when the container has booted: systemd-nspawn tells its service manager so. */
async function booting(socket: Deno.DatagramConn): Promise<void> {
  for (;;) {
    const [bytes] = await socket.receive();
    if (/^READY=1$/m.test(new TextDecoder().decode(bytes))) return;
  }
}

async function childOf(pid: number): Promise<number> {
  const { stdout } = await finish("ps", ["-o", "pid=", "--ppid", String(pid)]);
  const children = stdout.trim().split(/\s+/).filter((word) => word !== "");
  if (children.length !== 1) throw new Error(`Process ${pid} has children ${children.join(", ")}`);
  return Number(children[0]);
}

function reportNoContainer(why: string): void {
  // deno-lint-ignore no-console -- which of the two was tested has to be seen
  console.warn(`no container with systemd: ${why.trim() || "it did not boot"}`);
}

function thisMachine(): Machine {
  const running = new Map<string, Unit>();
  const stop = async (service: string) => {
    await running.get(service)?.stop();
    running.delete(service);
  };
  return {
    hasSystemd: false,
    root: "",
    run: (line) => finish("sh", ["-c", `cd /; ${line}`]),
    async started(service) {
      await stop(service);
      const unit = await Unit.start(service);
      running.set(service, unit);
      return unit.pid;
    },
    removing: stop,
    async [Symbol.asyncDispose]() {
      for (const service of [...running.keys()]) await stop(service);
      // Nothing where the test came to its end; else it would be in the way of what comes next.
      await finish("dpkg", ["--purge", "--force-all", "chloe"]);
    },
  };
}

/** A safety net: dpkg may have a lot to do on a busy machine. */
const PATIENCE_S = 300;

async function finish(program: string, args: readonly string[]): Promise<Finished> {
  const { code, stdout, stderr } = await new Deno.Command("timeout", {
    args: [String(PATIENCE_S), program, ...args],
    clearEnv: true,
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      LC_ALL: "C.UTF-8",
    },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
