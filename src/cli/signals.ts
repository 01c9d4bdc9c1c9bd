const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * A signal that comes again within this time is the first one still: at a terminal Ctrl-C reaches the whole
 * group of processes, and `deno task` hands it on once more.
 */
const ECHO_MS = 300;

/** Waits for the signals that ask a server to stop. */
export interface StopSignals extends Disposable {
  /** Resolves at the first signal, with its name. */
  readonly asked: Promise<string>;
}

/** Listens from now on. A second signal ends the program at once, with 1. */
export function stopSignals(): StopSignals {
  const { promise, resolve } = Promise.withResolvers<string>();
  let askedAt: number | null = null;
  const listeners = STOP_SIGNALS.map((signal) => {
    const listener = () => {
      askedAt ??= performance.now();
      resolve(signal);
      if (performance.now() - askedAt > ECHO_MS) Deno.exit(1);
    };
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return {
    asked: promise,
    [Symbol.dispose]: () => listeners.forEach((remove) => remove()),
  };
}

/** Waits for the signal that asks a server to read its config anew, SIGHUP. */
export interface ReloadSignals {
  /** Has `reload` called at each: at once, where one came before. */
  onReload(reload: () => void): void;
  /** Resolves where it says something else: that the terminal was closed from which the server was started. */
  readonly orphaned: Promise<string>;
}

/** Listens from now on, and until the end of the process: no hang-up kills it, however late. */
export function reloadSignals(): ReloadSignals {
  const { promise: orphaned, resolve } = Promise.withResolvers<string>();
  const terminals = TERMINALS.filter((stream) => stream.isTerminal());
  let reload: (() => void) | null = null;
  let isWanted = false;
  Deno.addSignalListener("SIGHUP", () => {
    // Nobody could stop it from there any more.
    const isOrphan = terminals.length > 0 && terminals.every((stream) => !stream.isTerminal());
    if (isOrphan) return resolve("SIGHUP");
    if (reload === null) isWanted = true;
    else reload();
  });
  return {
    orphaned,
    onReload(callback) {
      reload = callback;
      if (isWanted) callback();
    },
  };
}

const TERMINALS = [Deno.stdin, Deno.stdout, Deno.stderr];
