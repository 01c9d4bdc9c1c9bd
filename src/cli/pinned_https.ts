import { X509Certificate } from "node:crypto";
import tls from "node:tls";
import type { Exchange, ExchangeEvents, Outgoing } from "./request.ts";

/** The longest head of an answer. */
const MAX_HEAD_BYTES = 64 * 1024;

const END_OF_HEAD = new TextEncoder().encode("\r\n\r\n");

/**
 * Asks a server of this machine by TLS. Its certificate is for the name that browsers know, and may be signed
 * by nobody: that it is the one in `certFile` says that this is the right server. It is HTTP/1.0, by hand:
 * Deno 2.7's node:https asks nobody whose certificate it cannot verify.
 *
 * @param outgoing.certFile `null`: any certificate will do.
 */
export function exchangePinned(
  url: URL,
  { method, headers, body, certFile }: Outgoing & { readonly certFile: string | null },
  events: ExchangeEvents,
): Exchange {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  let isOver = false;
  const fail = (error: Error) => {
    if (!isOver) events.onError(error);
    isOver = true;
    socket.destroy();
  };
  const answer = new AnswerReader(events);
  const socket = tls.connect(
    { host, port: Number(url.port || 443), rejectUnauthorized: false },
    () => {
      const why = certFile === null ? null : whyNot(certFile, socket.getPeerCertificate(true));
      if (why !== null) return fail(new Error(why));
      const bytes = new TextEncoder().encode(body);
      const lines = Object.entries({ host: url.host, ...headers, "content-length": bytes.length })
        .map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`${method} ${url.pathname}${url.search} HTTP/1.0\r\n${lines.join("")}\r\n`);
      socket.write(bytes);
    },
  );
  socket.on("data", (chunk: Uint8Array) => {
    if (isOver) return;
    const why = answer.take(chunk);
    if (why !== null) fail(new Error(why));
  });
  socket.on("error", fail);
  socket.on("end", () => {
    if (isOver) return;
    if (!answer.isWhole) return fail(new Error("the connection broke off"));
    isOver = true;
    socket.destroy();
    events.onEnd();
  });
  socket.on("close", () => fail(new Error("the connection broke off")));
  return { destroy: fail };
}

/** Why a peer is not the server whose certificate is in `certFile`, or `null`. */
function whyNot(certFile: string, shown: { readonly fingerprint256?: string }): string | null {
  let own: string;
  try {
    own = new X509Certificate(Deno.readTextFileSync(certFile)).fingerprint256;
  } catch {
    return `cannot read ${certFile}, by whose certificate the server is known; ` +
      "run this as a user that may, or name the server by the name in it, with --url";
  }
  return shown.fingerprint256 === own
    ? null
    : `what answers there has another certificate than ${certFile}; if that is new, wait a moment`;
}

/** Reads an answer whose body ends with the connection. */
class AnswerReader {
  readonly #events: ExchangeEvents;
  #head: Uint8Array | null = new Uint8Array();
  /** How much of the body is to come; `Infinity` where nobody said. */
  #left = Infinity;

  constructor(events: ExchangeEvents) {
    this.#events = events;
  }

  /** Whether the connection may end now. */
  get isWhole(): boolean {
    return this.#head === null && (this.#left === Infinity || this.#left <= 0);
  }

  /** @returns What is wrong with it, or `null`. */
  take(chunk: Uint8Array): string | null {
    if (this.#head === null) {
      this.#left -= chunk.length;
      this.#events.onData(chunk);
      return null;
    }
    const head = new Uint8Array(this.#head.length + chunk.length);
    head.set(this.#head);
    head.set(chunk, this.#head.length);
    this.#head = head;
    const end = endOfHead(head);
    if (end === -1) return head.length > MAX_HEAD_BYTES ? "the answer is too long" : null;
    const text = new TextDecoder().decode(head.subarray(0, end));
    const [, status] = /^HTTP\/1\.\d (\d{3})/.exec(text) ?? [];
    if (status === undefined) return "what answers there does not speak HTTP";
    this.#head = null;
    this.#left = Number(/^content-length: *(\d+) *$/im.exec(text)?.[1] ?? Infinity);
    this.#events.onHead(Number(status));
    const rest = head.subarray(end + END_OF_HEAD.length);
    return rest.length === 0 ? null : this.take(rest);
  }
}

function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at !== -1; at = bytes.indexOf(13, at + 1)) {
    if (END_OF_HEAD.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
