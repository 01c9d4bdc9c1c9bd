/**
 * WebDriver BiDi, as much of it as tests need: commands and their answers over one WebSocket.
 *
 * @see https://w3c.github.io/webdriver-bidi/
 *
 * @module
 */

/** What a command was answered, or what an event tells: see its section of the specification. */
// deno-lint-ignore no-explicit-any -- every command has an answer of its own
export type BidiValue = any;

/** A WebSocket to a browser. */
export interface BidiConnection {
  /** Sends a command. @throws Error with the browser's words where it refuses, or when it is gone. */
  send(method: string, params?: Record<string, unknown>): Promise<BidiValue>;
  /** Resolves when it is closed. */
  close(): Promise<void>;
}

interface Pending {
  readonly method: string;
  readonly resolve: (result: BidiValue) => void;
  readonly reject: (error: Error) => void;
}

/** Connects to a browser. @param onEvent Hears of what the session subscribed to. */
export async function connectBidi(
  url: string,
  onEvent: (method: string, params: BidiValue) => void,
): Promise<BidiConnection> {
  const socket = new WebSocket(url);
  const closed = new Promise<void>((resolve) => socket.onclose = () => resolve());
  const pending = new Map<number, Pending>();
  let lastId = 0;

  socket.onmessage = ({ data }) => {
    const { id, method, params, type, result, error, message } = JSON.parse(data);
    if (type === "event") return onEvent(method, params);
    const command = pending.get(id);
    pending.delete(id);
    if (type === "success") command?.resolve(result);
    else command?.reject(new Error(`Cannot do ${command.method}: ${error}: ${message}`));
  };
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`Cannot connect to the browser: ${url}`));
  });
  socket.onerror = () => {};
  closed.then(() => {
    for (const { method, reject } of pending.values()) {
      reject(new Error(`Cannot do ${method}: the browser is gone`));
    }
  });

  return {
    send(method, params = {}) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        if (socket.readyState !== WebSocket.OPEN) {
          return reject(new Error(`Cannot do ${method}: the browser is gone`));
        }
        pending.set(id, { method, resolve, reject });
        socket.send(JSON.stringify({ id, method, params }));
      });
    },
    close() {
      socket.close();
      return closed;
    },
  };
}
