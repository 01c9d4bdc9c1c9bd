import { type ChloeError, NOBODYS_FAULT } from "./errors.ts";

/** A promise, and the means to settle it from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  /** Rejects with the error; without one resolves with the value. */
  settle(error: ChloeError | undefined, value?: T): void;
}

/**
 * Makes one. A page that does not look at a promise need not catch what is nobody's mistake: that the
 * connection was closed or the session lost, or what may succeed later. Any other rejection is reported as
 * unhandled, as it is with all promises.
 */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: ChloeError) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return {
    promise,
    settle(error, value) {
      if (!error) return resolve(value as T);
      if (error.retry || NOBODYS_FAULT.test(error.code)) promise.catch(() => {});
      reject(error);
    },
  };
}
