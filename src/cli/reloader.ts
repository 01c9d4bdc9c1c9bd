/**
 * Reads the config anew for a running server, from where it came from.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { problemLine } from "../config/problems.ts";
import type { Reloaded, RunningServer } from "../server.ts";
import { type Options, readConfig } from "./config_options.ts";
import { reason } from "./failure.ts";
import type { Logs } from "./logging.ts";
import type { ReloadNote } from "./reload_note.ts";

const logger = getLogger(["chloe", "cli"]);

/** What is reloaded, and from where. */
export interface ReloaderOptions {
  /** What the server was started with. */
  readonly options: Options;
  /** The config file that was found then; from now on it has to be there. */
  readonly file: string | undefined;
  readonly server: Pick<RunningServer, "reload">;
  readonly logs: Pick<Logs, "configure">;
  /** Where what becomes of it is noted. */
  readonly note: Pick<ReloadNote, "write"> | null;
  /** Called before and after, for whoever started the server; neither may reject. */
  starting?(): Promise<void>;
  done?(): Promise<void>;
}

/** Reloads a server's config as often as it is asked to, and once for what is asked in the meantime. */
export class Reloader {
  readonly #options: ReloaderOptions;
  /** A file that was lost is not a config of defaults: what was found once must be found again. */
  #file: string | undefined;
  #isWanted = false;
  #isRunning = false;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#file = options.file;
  }

  /** Reloads, soon. */
  request(): void {
    this.#isWanted = true;
    if (!this.#isRunning) this.#run();
  }

  async #run(): Promise<void> {
    const { starting, done } = this.#options;
    this.#isRunning = true;
    await starting?.();
    while (this.#isWanted) {
      this.#isWanted = false;
      const atMs = Date.now();
      const reloaded = await this.#reload().catch((error): Reloaded => {
        logger.error("Cannot reload: {error}", { error });
        return { ok: false, problems: [`an error inside Chloe: ${reason(error)}`] };
      });
      report(reloaded);
      this.#options.note?.write(reloaded, atMs);
    }
    await done?.();
    this.#isRunning = false;
    if (this.#isWanted) this.request();
  }

  async #reload(): Promise<Reloaded> {
    const { options, server, logs } = this.#options;
    const loaded = await readConfig({ ...options, config: this.#file ?? options.config });
    if (loaded.problems !== undefined) {
      return { ok: false, problems: loaded.problems.map(problemLine) };
    }
    for (const warning of loaded.warnings) logger.warn("{warning}", { warning });
    const reloaded = await server.reload(loaded.config);
    if (reloaded.ok) {
      this.#file = loaded.file;
      logs.configure(loaded.config.log);
    }
    return reloaded;
  }
}

function report(reloaded: Reloaded): void {
  if (!reloaded.ok) {
    for (const problem of reloaded.problems) {
      logger.error("The new config is refused, the old one stays in force: {problem}", { problem });
    }
    return;
  }
  const { changed, restart } = reloaded;
  logger.info("Reloaded the config: {changed}", {
    changed: changed.length === 0 ? "nothing to change" : `changed ${changed.join(", ")}`,
  });
  if (restart.length > 0) {
    logger.warn("Changed in the config, but in force only after a restart: {restart}", {
      restart: restart.join(", "),
    });
  }
}
