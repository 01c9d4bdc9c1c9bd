import { createHash, randomBytes } from "node:crypto";
import type { Target } from "../hub/hub_options.ts";
import { IdempotencyStore } from "./idempotency.ts";
import { checkMessage, type Delivery } from "./send_schema.ts";

/** Where messages go: the hub. */
export interface Publisher {
  /**
   * Publishes JSON text on one line, but not to the session `except`.
   *
   * @returns How many sessions it was queued for.
   */
  publish(target: Target, data: string, except?: string): number;
  /** Whether there is room for what is published; default: always. */
  hasRoom?(): boolean;
}

/** How a message went. */
export interface Sent {
  /** The app's id for the message, or one that was made for it. */
  readonly id: string;
  /** How many sessions it was queued for. */
  readonly matched: number;
}

/** How a request's messages went, or why none was sent. */
export type SendResult =
  | { readonly ok: true; readonly sent: readonly Sent[] }
  | { readonly ok: false; readonly status: 409 | 503; readonly message: string };

/** The id of a whole request, which its sender repeats when it sends the same again. */
export interface RequestId {
  readonly id: string;
  readonly body: Uint8Array;
  /** For how long the request could be sent again, in milliseconds of the time of day. */
  readonly untilMs: number;
}

/** How a sender is set up. */
export interface MessageSenderOptions {
  readonly publisher: Publisher;
  /** Bound of one message's data, in bytes of its JSON text. */
  readonly messageBytes: number;
  /** For tests. */
  readonly store?: IdempotencyStore;
}

/** Publishes the app's messages, each once. */
export class MessageSender {
  messageBytes: number;
  readonly #publisher: Publisher;
  readonly #store: IdempotencyStore;
  readonly #idPrefix = `msg_${randomBytes(9).toString("base64url")}_`;
  #ids = 0;

  constructor({ publisher, messageBytes, store = new IdempotencyStore() }: MessageSenderOptions) {
    this.messageBytes = messageBytes;
    this.#publisher = publisher;
    this.#store = store;
  }

  /**
   * Checks and sends one message, as JSON has it: for the actions in the app's answers.
   *
   * @returns What is wrong with it, or `null` where it was sent.
   */
  sendUnchecked(message: unknown): string | null {
    const delivery = checkMessage(message, { messageBytes: this.messageBytes });
    if ("status" in delivery) return delivery.message;
    const result = this.send([delivery]);
    return result.ok ? null : result.message;
  }

  /**
   * Sends messages, all or none. What was sent before under the same id is not sent again: its first result
   * is given. It is all done when this returns.
   */
  send(deliveries: readonly Delivery[], request?: RequestId): SendResult {
    const requestDigest = request === undefined ? "" : digestOf(request.body);
    if (request !== undefined) {
      const known = this.#store.find(requestKey(request.id), requestDigest);
      if (known.kind === "conflict") return conflict("webhook-id", request.id);
      if (known.kind === "repeat") return { ok: true, sent: JSON.parse(known.answer) };
    }

    if (this.#publisher.hasRoom?.() === false) {
      return {
        ok: false,
        status: 503,
        message: "Cannot queue more: too much waits for readers (limits.queued_bytes), try later",
      };
    }

    // What most apps send: one message, and no id to remember.
    const [only] = deliveries;
    if (request === undefined && deliveries.length === 1 && only!.id === undefined) {
      return { ok: true, sent: [{ id: this.#nextId(), matched: this.#publish(only!) }] };
    }

    // First whether each may be sent, then the sending: nothing can fail in between.
    const uses = new Map<string, { digest: string; sent: Sent | null }>();
    let newIds = request === undefined ? 0 : 1;
    for (const { id, targets, data, except } of deliveries) {
      if (id === undefined) continue;
      const digest = digestOf(JSON.stringify([targets, data, except]));
      const use = uses.get(id);
      if (use !== undefined) {
        if (use.digest !== digest) return conflict("id", id);
        continue;
      }
      const known = this.#store.find(messageKey(id), digest);
      if (known.kind === "conflict") return conflict("id", id);
      if (known.kind === "new") newIds++;
      uses.set(id, { digest, sent: known.kind === "repeat" ? JSON.parse(known.answer) : null });
    }
    if (newIds > 0 && !this.#store.hasRoom(newIds)) {
      return {
        ok: false,
        status: 503,
        message: "Cannot remember more ids: send fewer with an id in 5 minutes, or try later",
      };
    }

    const sent = deliveries.map((delivery) => {
      const { id } = delivery;
      const use = id === undefined ? undefined : uses.get(id)!;
      if (use?.sent) return use.sent;
      const ownId = id ?? (deliveries.length === 1 ? request?.id : undefined);
      const result = { id: ownId ?? this.#nextId(), matched: this.#publish(delivery) };
      if (use !== undefined) {
        use.sent = result;
        const answer = JSON.stringify(result);
        this.#store.put(messageKey(result.id), { digest: use.digest, answer });
      }
      return result;
    });
    if (request !== undefined) {
      this.#store.put(requestKey(request.id), {
        digest: requestDigest,
        answer: JSON.stringify(sent),
        untilMs: request.untilMs,
      });
    }
    return { ok: true, sent };
  }

  #publish({ targets, data, except }: Delivery): number {
    let matched = 0;
    for (const target of targets) matched += this.#publisher.publish(target, data, except);
    return matched;
  }

  #nextId(): string {
    return this.#idPrefix + (++this.#ids).toString(36);
  }
}

function messageKey(id: string): string {
  return `id ${id}`;
}

function requestKey(id: string): string {
  return `webhook-id ${id}`;
}

function digestOf(body: string | Uint8Array): string {
  return createHash("sha256").update(body).digest("base64");
}

function conflict(member: string, id: string): SendResult {
  return {
    ok: false,
    status: 409,
    message: `${member}: ${JSON.stringify(id)} was used for something else in the last 5 minutes`,
  };
}
