import { getLogger } from "@logtape/logtape";

const logger = getLogger(["chloe", "cli"]);

/**
 * The last net under a server: an error that nobody caught is logged as the bug it is, and the sessions that
 * it has nothing to do with live on.
 */
export function catchStrays(): Disposable {
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    logger.error("An error was not caught: {error}", { error: event.error });
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    logger.error("A rejection was not caught: {error}", { error: event.reason });
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("error", onError);
      globalThis.removeEventListener("unhandledrejection", onRejection);
    },
  };
}
