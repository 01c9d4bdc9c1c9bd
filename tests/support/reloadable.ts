/**
 * A Chloe whose config file the test rewrites while it runs.
 *
 * @module
 */
import { type ChloeProcess, runChloe, startChloe } from "./chloe_process.ts";
import type { Address } from "./server.ts";
import { eventually } from "./within.ts";

/** What became of a reload, as the server notes it beside its pid file. */
export interface Note {
  readonly ok: boolean;
  readonly count: number;
  readonly atMs: number;
  readonly changed?: readonly string[];
  readonly restart?: readonly string[];
  readonly problems?: readonly string[];
}

/** A `chloe serve` with a config file and a pid file of its own. */
export interface Reloadable extends ChloeProcess, Address {
  readonly configFile: string;
  readonly pidFile: string;
  write(config: string): Promise<void>;
  /** Writes the config, sends SIGHUP, and waits for what becomes of it. */
  reload(config?: string): Promise<Note>;
  /** Runs `chloe reload`. */
  command(): ReturnType<typeof runChloe>;
}

/**
 * Starts one. Its port is the file's, `port = 0` where that names none.
 *
 * @param args More flags.
 */
export async function startReloadable(
  config: string,
  { args = [], by = [] }: { args?: readonly string[]; by?: readonly string[] } = {},
): Promise<Reloadable> {
  const folder = await Deno.makeTempDir({ prefix: "chloe-reload-" });
  const configFile = `${folder}/chloe.toml`;
  const pidFile = `${folder}/run/chloe.pid`;
  const write = (text: string) =>
    Deno.writeTextFile(configFile, /^port *=/m.test(text) ? text : `port = 0\n${text}`);
  const read = async (): Promise<Note> => JSON.parse(await Deno.readTextFile(`${pidFile}.reload`));
  await write(config);
  const chloe = await startChloe({
    command: ["serve", "--config", configFile, "--pid-file", pidFile],
    args,
    by,
  });
  // It listens before it has the first note.
  await eventually(() => read().catch(() => undefined), "the first note");
  return {
    ...chloe,
    hostname: "127.0.0.1",
    configFile,
    pidFile,
    write,
    async reload(config) {
      if (config !== undefined) await write(config);
      const { count } = await read();
      const askedMs = Date.now();
      chloe.signal("SIGHUP");
      return await eventually(async () => {
        const note = await read();
        return note.count > count && note.atMs >= askedMs ? note : undefined;
      }, "the end of a reload");
    },
    command: () => runChloe(["reload", "--pid-file", pidFile]),
    async [Symbol.asyncDispose]() {
      await chloe[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
