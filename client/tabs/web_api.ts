/**
 * What is used of the platform where its own types are not at hand. Members are called what the platform calls
 * them: the minified build keeps every name of this file.
 *
 * @module
 */

/** As much of a BroadcastChannel as is used. */
export interface Bus {
  // deno-lint-ignore no-explicit-any
  onmessage: ((event: { data: any }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** As much of the Web Locks API as is used. */
export interface Locks {
  request(
    name: string,
    options: { readonly signal?: AbortSignal; readonly steal?: boolean },
    callback: () => Promise<void> | void,
  ): Promise<unknown>;
}
