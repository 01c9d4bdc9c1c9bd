/**
 * The proxies of docs/deploy/, each as a process of its own that runs the very file which stands there: only
 * ports and paths are others.
 *
 * @module
 */
import { freePort, startApp } from "./app_process.ts";
import type { CertificateFolder } from "./certificates.ts";
import { findProgram } from "./programs.ts";

const DEPLOY = new URL("../../docs/deploy/", import.meta.url);

/** What a config becomes where it is run. */
interface Place {
  readonly folder: CertificateFolder;
  /** Where the proxy listens, and where Chloe does. */
  readonly port: number;
  readonly chloePort: number;
}

/** A proxy that docs/deploy/ has a config for. */
export interface Proxy {
  readonly name: string;
  /** Whether its tests are passed over. Never where `CI` is set. */
  readonly isMissing: boolean;
  /** Starts it before a Chloe. Disposing ends it. @returns Its port on 127.0.0.1, where it speaks TLS. */
  start(
    chloePort: number,
    folder: CertificateFolder,
  ): Promise<{ readonly port: number } & AsyncDisposable>;
}

interface Program {
  readonly name: string;
  readonly paths: readonly string[];
  /** The file in docs/deploy/. */
  readonly file: string;
  /** What stands there and what it becomes; each has to be there. */
  replace(place: Place): readonly (readonly [from: string | RegExp, to: string])[];
  /** Files besides, by their names. */
  more?(place: Place): Readonly<Record<string, string>>;
  /** The words behind the program's name. */
  args(folder: string): readonly string[];
}

function proxy({ name, paths, file, replace, more, args }: Program): Proxy {
  const program = findProgram(name.toUpperCase(), paths);
  return {
    name,
    isMissing: !Deno.env.get("CI") && program === null,
    async start(chloePort, folder) {
      if (program === null) throw new Error(`Cannot test ${name}: it is not installed`);
      const place = { folder, port: freePort(), chloePort };
      const { path } = folder;
      let text = await Deno.readTextFile(new URL(file, DEPLOY));
      for (const [from, to] of replace(place)) {
        const changed = text.replaceAll(from, () => to);
        if (changed === text) throw new Error(`Cannot run ${file}: there is no ${from} in it`);
        text = changed;
      }
      const files = { [file]: text, ...more?.(place) };
      for (const [name, text] of Object.entries(files)) {
        await Deno.writeTextFile(`${path}/${name}`, text);
      }
      const process = await startApp([program, ...args(path)], {
        port: place.port,
        cwd: path,
        env: { HOME: path, XDG_DATA_HOME: path, XDG_CONFIG_HOME: path },
      });
      return { port: place.port, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
    },
  };
}

const CERT = "/etc/ssl/chloe/fullchain.pem";
const KEY = "/etc/ssl/chloe/privkey.pem";
const CHLOE = "127.0.0.1:8901";

/** Who may read what root has written for the test. */
const isRoot = Deno.uid() === 0;

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

const APACHE_MODULES = [
  ...["mpm_event", "authz_core", "socache_shmcb", "ssl", "headers", "reqtimeout"],
  ...["proxy", "proxy_http"],
];

/** All of them. */
export const PROXIES: readonly Proxy[] = [
  proxy({
    name: "nginx",
    paths: ["/usr/sbin/nginx", "/opt/homebrew/bin/nginx"],
    file: "nginx.conf",
    replace: ({ folder, port, chloePort }) => [
      [CHLOE, `127.0.0.1:${chloePort}`],
      ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`],
      [CERT, folder.cert],
      [KEY, folder.key],
    ],
    more: ({ folder: { path } }) => ({
      "main.conf": [
        ...(isRoot ? ["user root;"] : []),
        "daemon off;",
        "worker_processes 1;",
        `pid ${path}/nginx.pid;`,
        "events { worker_connections 1024; }",
        "http {",
        "access_log off;",
        ...TEMPORARY.map((name) => `${name}_temp_path ${path}/${name};`),
        `include ${path}/nginx.conf;`,
        "}",
      ].join("\n"),
    }),
    args: (path) => ["-p", path, "-e", "stderr", "-c", `${path}/main.conf`],
  }),
  proxy({
    name: "haproxy",
    paths: ["/usr/sbin/haproxy", "/opt/homebrew/bin/haproxy"],
    file: "haproxy.cfg",
    replace: ({ folder, port, chloePort }) => [
      [CHLOE, `127.0.0.1:${chloePort}`],
      ["bind :443", `bind 127.0.0.1:${port}`],
      ["/etc/haproxy/chloe.pem", `${folder.path}/both.pem`],
      [/maxconn 50000/g, "maxconn 500"],
    ],
    more: ({ folder }) => ({
      "both.pem": Deno.readTextFileSync(folder.cert) + Deno.readTextFileSync(folder.key),
    }),
    args: (path) => ["-db", "-f", `${path}/haproxy.cfg`],
  }),
  proxy({
    name: "caddy",
    paths: ["/usr/bin/caddy", "/opt/homebrew/bin/caddy"],
    file: "Caddyfile",
    replace: ({ folder, port, chloePort }) => [
      [CHLOE, `127.0.0.1:${chloePort}`],
      ["\tservers {", "\tadmin off\n\tauto_https off\n\tservers {"],
      ["chloe.example.com {", `https://127.0.0.1:${port} {\n\tbind 127.0.0.1`],
      ["# tls ", "tls "],
      [CERT, folder.cert],
      [KEY, folder.key],
    ],
    args: (path) => ["run", "--adapter", "caddyfile", "--config", `${path}/Caddyfile`],
  }),
  proxy({
    name: "apache2",
    paths: ["/usr/sbin/apache2"],
    file: "apache.conf",
    replace: ({ folder, port, chloePort }) => [
      [CHLOE, `127.0.0.1:${chloePort}`],
      ["*:443", `127.0.0.1:${port}`],
      [CERT, folder.cert],
      [KEY, folder.key],
    ],
    more: ({ folder: { path }, port }) => ({
      "main.conf": [
        ...APACHE_MODULES.map((name) =>
          `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
        ),
        `ServerRoot ${path}`,
        "ServerName 127.0.0.1",
        `DefaultRuntimeDir ${path}`,
        `PidFile ${path}/apache.pid`,
        "ErrorLog /dev/stderr",
        "StartServers 1",
        ...(isRoot ? ["User www-data", "Group www-data"] : []),
        `Listen 127.0.0.1:${port}`,
        `Include ${path}/apache.conf`,
      ].join("\n"),
    }),
    args: (path) => ["-D", "FOREGROUND", "-f", `${path}/main.conf`],
  }),
];
