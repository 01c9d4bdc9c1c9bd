import denoConfig from "../../deno.json" with { type: "json" };

/** Chloe's version, as deno.json has it. */
export const VERSION: string = denoConfig.version;

/** What `--version` prints. */
export const VERSION_LINE = `chloe ${VERSION}, Deno ${Deno.version.deno}`;

/**
 * The flags with which Deno runs Chloe from its source; the daemon is started with the same, and the binary has them.
 * `start` needs run and sys, to make and to know a daemon.
 */
export const DENO_RUN_FLAGS: readonly string[] = denoConfig.tasks.chloe.command.split(" ")
  .filter((word) => word.startsWith("--"));
