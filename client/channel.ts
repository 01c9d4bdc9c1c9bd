import type { Json, Presence, Push } from "../src/protocol/frames.ts";
import { type Client, json } from "./client.ts";
import { ChloeError } from "./errors.ts";
import { MAX_BUFFERED } from "./constants.ts";
import type { MessageHandler, SubscribeOptions } from "./subscriptions.ts";

/**
 * One channel, by {@linkcode Chloe.channel}. A handle and nothing more: two of the same name are the same
 * channel.
 *
 * @typeParam T What its messages hold; nobody checks that they do.
 * @example
 * ```ts
 * const news = chloe.channel("news");
 * for await (const { data } of news) console.log(data);
 * ```
 */
export class Channel<T = Json> implements AsyncIterable<Push<T>> {
  /** The channel's name, as it was given. */
  readonly name: string;
  private readonly core: Client;

  /** @ignore */
  constructor(core: Client, name: string) {
    this.core = core;
    this.name = name;
  }

  /**
   * Subscribes, now and after every reconnection. Resolves when Chloe has said yes, rejects with what she said
   * else.
   *
   * @param handler Takes each message; without one, messages go to those of `onmessage`.
   */
  subscribe(handler?: MessageHandler<T>, options?: SubscribeOptions): Promise<void> {
    return this.core.subscriptions.add(this.name, {
      ...options,
      handler: handler as MessageHandler | undefined,
    });
  }

  /** Takes a handler away, or all of them; with the last one the channel is left. */
  unsubscribe(handler?: MessageHandler<T>): void {
    this.core.subscriptions.remove(this.name, handler as MessageHandler | undefined);
  }

  /**
   * Publishes to all who are in the channel, where its rule lets pages do so. Resolves when Chloe has taken
   * it; rejects with a {@linkcode ChloeError}.
   *
   * @param data Anything that JSON can say; a TypeError is thrown where it cannot.
   */
  publish(data: unknown): Promise<void> {
    return this.core.ask(
      `"publish":{"channel":${json(this.name)},"data":${json(data)}}`,
      () => undefined,
    );
  }

  /** Asks who is in the channel, where its rule lets pages know. Rejects with a {@linkcode ChloeError}. */
  presence(): Promise<Presence> {
    return this.core.ask(
      `"presence":{"channel":${json(this.name)}}`,
      (ok) => ok as unknown as Presence,
    );
  }

  /**
   * The channel's messages from now on, until the loop is left, the page unsubscribes or the connection is
   * closed. Throws a {@linkcode ChloeError} where the channel is refused, or taken away; `queue_full` where
   * over 20,000 messages wait.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Push<T>, void, void> {
    const { subscriptions, handlers } = this.core;
    const messages: Push[] = [];
    let ended = false;
    let failure: ChloeError | undefined;
    let wake = () => {};
    const end = (why?: ChloeError) => {
      ended = true;
      failure = why;
      wake();
    };
    const handler = (_data: unknown, message: Push) => {
      if (ended) return;
      if (messages.push(message) > MAX_BUFFERED) {
        messages.length = 0;
        end(new ChloeError("queue_full", "loop too slow"));
      }
      wake();
    };
    const off = handlers.on("close", () => end());
    try {
      subscriptions.add(this.name, { handler, ended: end }).catch(end);
      for (;;) {
        while (messages[0]) yield messages.shift() as Push<T>;
        if (failure && failure.code !== "closed") throw failure;
        if (ended) return;
        await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      off();
      subscriptions.remove(this.name, handler);
    }
  }
}
