/**
 * A machine that a package is installed on, as root: this one's Debian in a container with a systemd of its own,
 * whose changes are gone with it. Where the kernel does not let one be made, this machine itself, where the test
 * starts the service as its unit says; that only where CI is set, on a machine that is thrown away.
 *
 * The network is this machine's either way.
 *
 * @module
 */
import { type Finished } from "./chloe_process.ts";
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

const BOOT = `set -e
base=$1
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
: >"$base/root/etc/machine-id"
rm -f "$base/root/usr/sbin/policy-rc.d" # images of Debian have one that lets no service start
exec systemd-nspawn --quiet --boot --directory="$base/root" --register=no --keep-unit --link-journal=no \\
  --console=pipe --notify-ready=yes --kill-signal=SIGRTMIN+3 -- --unit=basic.target`;

/** A container over the files of this machine; null where none can be made. */
async function startContainer(): Promise<Machine | null> {
  const folder = await Deno.makeTempDir({ prefix: "chloe-machine-" });
  await Deno.mkdir(`${folder}/base`);
  const NOTIFY_SOCKET = `${folder}/notify`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: NOTIFY_SOCKET });
  const child = new Deno.Command("unshare", {
    // Whatever becomes of this process, nothing of the container outlives it.
    args: ["-m", "setpriv", "--pdeathsig", "KILL", "sh", "-c", BOOT, "sh", `${folder}/base`],
    env: { NOTIFY_SOCKET },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const complaint = new Response(child.stderr).text();
  const ended = child.status.then(async () => {
    socket.close();
    await Deno.remove(folder, { recursive: true }).catch(() => {}); // the mounts were the container's
  });
  const told = leader(socket).catch(() => null);
  const pid = await within(Promise.race([told, ended.then(() => null)]), "a container to boot")
    .catch(() => null);
  if (pid === null) {
    kill(child.pid, "SIGKILL");
    await ended;
    reportNoContainer(await complaint);
    return null;
  }
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
    async [Symbol.asyncDispose]() {
      kill(child.pid, "SIGTERM");
      await within(ended, "the container to end").catch(() => kill(child.pid, "SIGKILL"));
      await ended;
      await complaint;
    },
  };
}

/** The first process of the container, as soon as it has booted: what systemd-nspawn tells a service manager. */
async function leader(socket: Deno.DatagramConn): Promise<number | null> {
  let pid: number | null = null;
  for (;;) {
    const [bytes] = await socket.receive();
    const text = new TextDecoder().decode(bytes);
    const found = /^X_NSPAWN_LEADER_PID=(\d+)$/m.exec(text)?.[1];
    if (found !== undefined) pid = Number(found);
    if (/^READY=1$/m.test(text)) return pid;
  }
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
    },
  };
}

async function finish(program: string, args: readonly string[]): Promise<Finished> {
  const output = new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      LC_ALL: "C.UTF-8",
    },
    stdin: "null",
  }).output();
  const { code, stdout, stderr } = await within(output, `the end of ${args.at(-1)}`);
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
