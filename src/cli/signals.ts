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
