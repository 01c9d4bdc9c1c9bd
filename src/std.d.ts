// The registry's `deno-std` ships no types: each module that Chloe uses is declared here, as narrowly as it
// is used. A module that is not declared is silently `any`, so add to this file with each new import.

declare module "@std/async/deadline" {
  /** Rejects with a DOMException named TimeoutError where `promise` takes longer than `ms`. */
  export function deadline<T>(promise: Promise<T>, ms: number): Promise<T>;
}

declare module "@std/async/delay" {
  /** Resolves after `ms` milliseconds. */
  export function delay(ms: number): Promise<void>;
}

declare module "@std/toml" {
  /** Parses TOML text. Throws a SyntaxError that says where it stopped. */
  export function parse(text: string): Record<string, unknown>;
}

declare module "@std/yaml" {
  /** Parses a YAML document. Throws a SyntaxError that says where it stopped. */
  export function parse(text: string): unknown;
}

declare module "@std/assert" {
  // deno-lint-ignore no-explicit-any
  type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;
  export class AssertionError extends Error {}
  export function assert(condition: unknown, message?: string): asserts condition;
  export function assertEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    message?: string,
  ): asserts actual is T;
  export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
  export function assertMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertStringIncludes(actual: string, expected: string, message?: string): void;
  export function assertArrayIncludes<T>(
    actual: ArrayLike<T>,
    expected: ArrayLike<T>,
    message?: string,
  ): void;
  export function assertObjectMatch(actual: object, expected: object, message?: string): void;
  export function assertGreater<T>(actual: T, expected: T, message?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
  export function assertLess<T>(actual: T, expected: T, message?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
  export function assertThrows<E extends Error>(
    fn: () => unknown,
    errorClass?: ErrorClass<E>,
    messageIncludes?: string,
  ): E;
  export function assertRejects<E extends Error>(
    fn: () => PromiseLike<unknown>,
    errorClass?: ErrorClass<E>,
    messageIncludes?: string,
  ): Promise<E>;
  export function fail(message?: string): never;
}

declare module "@std/path/dirname" {
  /** The folder that `path` is in, as text alone: `/a/b` gives `/a`, `b` gives `.`. */
  export function dirname(path: string): string;
}

declare module "@std/text/levenshtein-distance" {
  /** How many characters must be put in, left out or changed to make one text of the other. */
  export function levenshteinDistance(a: string, b: string): number;
}
