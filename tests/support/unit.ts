/**
 * A systemd unit of type notify, started without systemd: its own command line, as its user, with the folders,
 * the limit and the variables that it asks for.
 *
 * @module
 */
import { within } from "./within.ts";

const FOLDERS = ["/etc/systemd/system", "/usr/lib/systemd/system"];

/** A unit that runs. */
export class Unit {
  readonly #child: Deno.ChildProcess;
  readonly #log: Promise<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#log = new Response(child.stderr).text();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Starts the unit called `name` and waits until it says that it is ready. */
  static async start(name: string): Promise<Unit> {
    const settings = await readUnit(name);
    const one = (key: string) => settings.get(key)?.at(-1) ?? "";
    const user = one("User");
    const folder = await Deno.makeTempDir({ prefix: "chloe-unit-" });
    await Deno.chmod(folder, 0o755);
    const NOTIFY_SOCKET = `${folder}/notify`;
    const socket = Deno.listenDatagram({ transport: "unixpacket", path: NOTIFY_SOCKET });
    await Deno.chmod(NOTIFY_SOCKET, 0o666);
    try {
      for (const [base, key] of [["/var/lib", "StateDirectory"], ["/run", "RuntimeDirectory"]]) {
        if (one(key!) === "") continue;
        await execute("install", [
          ...["-d", "-o", user, "-g", one("Group"), "-m", one(`${key}Mode`) || "0755"],
          `${base}/${one(key!)}`,
        ]);
      }
      const child = new Deno.Command("sh", {
        args: [
          // Where root may not raise the limit, systemd too takes what it may.
          ...["-c", 'ulimit -n "$0" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"'],
          ...[one("LimitNOFILE"), "setpriv"],
          ...[`--reuid=${user}`, `--regid=${one("Group")}`, "--init-groups"],
          ...["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--pdeathsig=KILL"],
          ...one("ExecStart").split(/\s+/),
        ],
        cwd: one("WorkingDirectory") || "/",
        clearEnv: true,
        env: {
          PATH: "/usr/local/bin:/usr/bin:/bin",
          ...Object.fromEntries((settings.get("Environment") ?? []).map((pair) => {
            const at = pair.indexOf("=");
            return [pair.slice(0, at), pair.slice(at + 1)];
          })),
          NOTIFY_SOCKET,
          STATE_DIRECTORY: `/var/lib/${one("StateDirectory")}`,
        },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const unit = new Unit(child);
      const ended = child.status.then(async () => {
        throw new Error(`${name} ended before it was ready:\n${await unit.#log}`);
      });
      await within(Promise.race([ready(socket), ended]), `${name} to be ready`);
      ended.catch(() => {}); // it ends later, which is no failure
      return unit;
    } finally {
      socket.close();
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Sends SIGTERM and waits for the end. @throws Error where it does not end well. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const { code } = await within(this.#child.status, "the service to end");
    if (code !== 0) throw new Error(`The service ended with ${code}:\n${await this.#log}`);
    await this.#log;
  }
}

async function ready(socket: Deno.DatagramConn): Promise<void> {
  for (;;) {
    const [bytes] = await socket.receive();
    if (/^READY=1$/m.test(new TextDecoder().decode(bytes))) return;
  }
}

/** The settings of a unit and its drop-ins, in their order. */
async function readUnit(name: string): Promise<Map<string, string[]>> {
  const settings = new Map<string, string[]>();
  for (const path of [`${FOLDERS[1]}/${name}`, `${FOLDERS[0]}/${name}.d/test.conf`]) {
    const text = await Deno.readTextFile(path).catch(() => "");
    for (const [, key, value] of text.matchAll(/^(\w+)=(.*)$/gm)) {
      settings.set(key!, [...settings.get(key!) ?? [], value!]);
    }
  }
  return settings;
}

async function execute(program: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
}
