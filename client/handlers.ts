// deno-lint-ignore no-explicit-any
type AnyHandler = (...args: any[]) => void;

/** The page's functions by the name of what they wait for. */
export interface Handlers<Events extends { [Name in keyof Events]: AnyHandler }> {
  /** Adds one; the function returned takes it away again. */
  on<Name extends keyof Events>(name: Name, handler: Events[Name]): () => void;
  /** Calls those that are there now; says whether there were any. */
  emit<Name extends keyof Events>(name: Name, ...args: Parameters<Events[Name]>): boolean;
  readonly guard: Guard;
}

/** Calls a function of the page's: what it throws is reported, and keeps nothing else from happening. */
export type Guard = <Args extends unknown[]>(
  handler: (...args: Args) => void,
  ...args: Args
) => void;

/** Makes an empty set of handlers, whose faults go to `report`. */
export function createHandlers<Events extends { [Name in keyof Events]: AnyHandler }>(
  report: (error: unknown) => void,
): Handlers<Events> {
  const guard: Guard = (handler, ...args) => {
    try {
      handler(...args);
    } catch (error) {
      report(error);
    }
  };
  const lists = new Map<keyof Events, readonly AnyHandler[]>();
  const list = (name: keyof Events) => lists.get(name) || [];
  return {
    guard,
    on(name, handler) {
      lists.set(name, [...list(name), handler]);
      return () => {
        lists.set(name, list(name).filter((other) => other !== handler));
      };
    },
    emit(name, ...args) {
      const handlers = list(name);
      for (const handler of handlers) guard(handler, ...args);
      return handlers.length > 0;
    },
  };
}
