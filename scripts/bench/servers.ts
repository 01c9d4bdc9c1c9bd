import { createApiKey, createWebhookSecret } from "../../src/signing/secrets.ts";
import { DENO_RUN_FLAGS } from "../../src/cli/version.ts";
import type { Kind, Target } from "./targets.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The npm packages of the peers, of which `--peers` installs these versions. */
export const PACKAGES = { "socket.io": "4.8.4", ws: "8.23.0" } as const;

/** Where Debian puts nchan. */
const NCHAN = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/** How long a server may take to listen. */
const START_MS = 20_000;

/** How long one may take to end before it is killed. */
const STOP_MS = 5000;

/** Which core the server has, and which the load: unless there is but one, or no `taskset`. */
export interface Cores {
  readonly server: readonly string[];
  readonly load: readonly string[];
}

/** Finds out whether processes can be kept apart. */
export async function findCores(): Promise<Cores> {
  const apart = navigator.hardwareConcurrency > 1 && await findProgram("taskset") !== null;
  return {
    server: apart ? ["taskset", "-c", "0"] : [],
    load: apart ? ["taskset", "-c", "1"] : [],
  };
}

/** The path of a program, or `null`. Debian's daemons are in folders that not every user's PATH has. */
export async function findProgram(name: string): Promise<string | null> {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    const info = await Deno.stat(path).catch(() => null);
    if (info?.isFile) return path;
  }
  return null;
}

/** How a server is started. */
export interface StartOptions {
  /** A folder for its files. */
  readonly folder: string;
  readonly cores: Cores;
  /** Chloe's binary, where it is not to run from source. */
  readonly binary?: string;
  /** The most files that it may have open. */
  readonly files?: number;
  /** More of Chloe's config: whole tables, rules first. */
  readonly config?: string;
  /** Flags of V8 or Deno, for profiles. */
  readonly denoFlags?: readonly string[];
  /** Where Chloe's app is. */
  readonly appUrl?: string;
}

/** A server that listens, until it is disposed of. */
export interface RunningServer extends AsyncDisposable {
  readonly target: Target;
}

/** A port that nobody has now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Which peers there are on this machine; of each that is not, how to get it. */
export async function findPeers(): Promise<{ found: Kind[]; missing: string[] }> {
  const found: Kind[] = [];
  const missing: string[] = [];
  const hasNchan = await findProgram("nginx") !== null &&
    await Deno.stat(NCHAN).then(() => true, () => false);
  if (hasNchan) found.push("nchan");
  else {missing.push(
      "nchan: apt-get install --no-install-recommends nginx-light libnginx-mod-nchan",
    );}
  if (await findProgram("nats-server") !== null) found.push("nats");
  else missing.push("NATS: apt-get install nats-server");
  if (await findProgram("node") !== null && await findProgram("npm") !== null) {
    found.push("socket.io", "ws");
  } else missing.push("Socket.IO and ws: install Node.js with npm");
  return { found, missing };
}

/** Installs the peers' npm packages into a folder, with what uses them. */
export async function installPackages(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const name of ["socketio.mjs", "ws.mjs"]) {
    await Deno.copyFile(new URL(`peers/${name}`, import.meta.url), `${folder}/${name}`);
  }
  const { success, stderr } = await new Deno.Command("npm", {
    args: [
      ...["install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", folder],
      ...Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`),
    ],
  }).output();
  if (!success) {
    throw new Error(`Cannot install the peers by npm: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Starts a server of a kind, with nothing off that is on by default. */
export async function startServer(kind: Kind, options: StartOptions): Promise<RunningServer> {
  await Deno.mkdir(options.folder, { recursive: true });
  const port = freePort();
  switch (kind) {
    case "chloe":
      return await startChloe(port, options);
    case "nchan":
      return await startNchan(port, options);
    case "nats":
      return await startNats(port, options);
    default:
      return await startNode(kind, port, options);
  }
}

async function startChloe(port: number, options: StartOptions): Promise<RunningServer> {
  const { folder, binary, config = '[[channel]]\npattern = "bench:*"\n', appUrl } = options;
  const apiKey = createApiKey();
  const tokenSecret = createApiKey();
  const file = `${folder}/chloe.toml`;
  const lines = [
    ...[`host = "127.0.0.1"`, `port = ${port}`, `state_dir = "${folder}/state"`],
    ...[`secret = ["${createWebhookSecret()}"]`, `api_keys = ["${apiKey}"]`],
    ...["[token]", `secret = ["${tokenSecret}"]`],
    ...appUrl === undefined ? [] : ["[app]", `url = "${appUrl}"`],
    config,
  ];
  await Deno.writeTextFile(file, lines.join("\n"), { mode: 0o600 });
  const flags = [...DENO_RUN_FLAGS, ...options.denoFlags ?? []];
  const program = binary === undefined
    ? [Deno.execPath(), "run", ...flags, `${ROOT}main.ts`]
    : [binary];
  const words = [...program, "serve", "--config", file, "--log-format", "json"];
  return await run(words, { kind: "chloe", port, apiKey, tokenSecret }, options);
}

async function startNchan(port: number, options: StartOptions): Promise<RunningServer> {
  const { folder } = options;
  const file = `${folder}/nginx.conf`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path ${folder}/${name};`
  );
  await Deno.writeTextFile(
    file,
    `load_module ${NCHAN};
${Deno.uid() === 0 ? "user root;" : ""}
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 25000; }
http {
  access_log off;
  keepalive_requests 100000000;
  nchan_shared_memory_size 512M;
  ${temporary.join(" ")}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location ~ ^/sub/(.+)$ {
      nchan_subscriber websocket eventsource longpoll;
      nchan_channel_id $1;
      nchan_websocket_ping_interval 25;
    }
    location ~ ^/pub/(.+)$ {
      nchan_publisher;
      nchan_channel_id $1;
      nchan_message_buffer_length 100;
    }
  }
}
`,
  );
  const nginx = await findProgram("nginx");
  return await run([nginx!, "-p", folder, "-c", file], { kind: "nchan", port }, options);
}

async function startNats(port: number, options: StartOptions): Promise<RunningServer> {
  const file = `${options.folder}/nats.conf`;
  const publishPort = freePort();
  await Deno.writeTextFile(
    file,
    `listen: "127.0.0.1:${publishPort}"
websocket { host: "127.0.0.1", port: ${port}, no_tls: true }
`,
  );
  const nats = await findProgram("nats-server");
  return await run([nats!, "-c", file], { kind: "nats", port, publishPort }, options);
}

async function startNode(
  kind: "socket.io" | "ws",
  port: number,
  options: StartOptions,
): Promise<RunningServer> {
  const script = kind === "ws" ? "ws.mjs" : "socketio.mjs";
  const words = ["node", `${peersFolder(options.folder)}/${script}`, `${port}`];
  return await run(words, { kind, port }, options);
}

/** Where a server's folder has the peers' packages beside it. */
export function peersFolder(folder: string): string {
  return new URL("peers", `file://${folder}`).pathname;
}

async function run(
  words: readonly string[],
  target: Omit<Target, "pid">,
  { folder, cores, files }: StartOptions,
): Promise<RunningServer> {
  const log = await Deno.open(`${folder}/log`, { write: true, create: true, truncate: true });
  log.close();
  const limit = files === undefined ? "$(ulimit -Hn)" : files;
  const shell = `ulimit -n ${limit} && exec "$@" >>"${folder}/log" 2>&1`;
  const [program, ...args] = [...cores.server, "/bin/sh", "-c", shell, "sh", ...words];
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let isOver = false;
  const ended = child.status.then(() => {
    isOver = true;
  });
  const stop = async () => {
    if (!isOver) child.kill("SIGTERM");
    const timer = setTimeout(() => isOver || child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  };
  const deadline = performance.now() + START_MS;
  while (!await answers(target.port)) {
    if (isOver || performance.now() > deadline) {
      await stop();
      const text = await Deno.readTextFile(`${folder}/log`);
      throw new Error(`Cannot start ${target.kind}: it does not listen. ${text.slice(-2000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { target: { ...target, pid: child.pid }, [Symbol.asyncDispose]: stop };
}

async function answers(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/** Starts the app that the relay's messages go to, on the load's core. */
export async function startApp(
  { folder, cores }: StartOptions,
): Promise<RunningServer & { url: string }> {
  await Deno.mkdir(folder, { recursive: true });
  const port = freePort();
  const script = new URL("relay_app.ts", import.meta.url).pathname;
  const words = [Deno.execPath(), "run", "--allow-net", script, `${port}`];
  const options = { folder, cores: { ...cores, server: cores.load } };
  const app = await run(words, { kind: "ws", port }, options);
  return { ...app, url: `http://127.0.0.1:${port}/` };
}
