import { Connection, type Loop } from "./loop.ts";
import type { Marks } from "./marks.ts";

const encoder = new TextEncoder();

const CR = 13;
const LF = 10;

const LAST_MODIFIED = /^last-modified: *([^\r\n]*)/im;
const ETAG = /^etag: *([^\r\n]*)/im;

const CONTENT_LENGTH = encoder.encode("content-length:");

/** Where the head of an answer ends; -1 where that has not come. */
function headEnd(buffer: Uint8Array, start: number, end: number): number {
  for (let at = start + 3; at < end; at++) {
    if (
      buffer[at] === LF && buffer[at - 1] === CR && buffer[at - 2] === LF && buffer[at - 3] === CR
    ) return at + 1;
  }
  return -1;
}

/** The length of the body that a head announces; -1 where it does not. Bytes, not text: it is done for each. */
function contentLength(buffer: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (buffer[at] !== LF) continue;
    let index = 0;
    // Letters alone differ by this bit from their small ones; the others have it set.
    while (
      index < CONTENT_LENGTH.length && (buffer[at + 1 + index]! | 32) === CONTENT_LENGTH[index]
    ) index++;
    if (index < CONTENT_LENGTH.length) continue;
    let length = 0;
    for (let digit = at + 1 + index; buffer[digit] !== CR; digit++) {
      if (buffer[digit] !== 32) length = length * 10 + buffer[digit]! - 48;
    }
    return length;
  }
  return -1;
}

function text(buffer: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...buffer.subarray(start, Math.min(end, start + 4096)));
}

/** A connection that is kept and asks one thing at a time. */
export abstract class HttpConnection extends Connection {
  readonly loop: Loop;
  /** The marks of the bodies, where they are to be counted. */
  readonly #marks: Marks | null;
  /** Whether heads and bodies are wanted as text. */
  readonly #isRead: boolean;
  /** How much of a body is still to come; -1 while the head is. */
  #remaining = -1;
  #head = "";
  #status = 0;
  #body = "";
  #found = 0;

  constructor(loop: Loop, marks: Marks | null, isRead: boolean) {
    super();
    this.loop = loop;
    this.#marks = marks;
    this.#isRead = isRead;
  }

  /** Takes an answer: its texts where they are wanted, 4 KiB of the body, and how many marks it held. */
  abstract answer(status: number, head: string, body: string, found: number): void;

  /** Writes a request. */
  request(bytes: Uint8Array<ArrayBuffer>): void {
    this.loop.send(this, bytes);
  }

  override take(start: number, end: number): number {
    const { buffer, now } = this.loop;
    let at = start;
    while (at < end || this.#remaining === 0) {
      if (this.#remaining < 0) {
        const stop = headEnd(buffer, at, end);
        if (stop < 0) return at;
        this.#begin(buffer, at, stop);
        at = stop;
      }
      const stop = Math.min(end, at + this.#remaining);
      let scanned = stop;
      if (this.#marks !== null) {
        scanned = Math.min(stop, this.#marks.scan(buffer, at, stop, now));
        this.#found += this.#marks.found;
      }
      if (this.#isRead && this.#body.length < 4096) this.#body += text(buffer, at, scanned);
      this.#remaining -= scanned - at;
      at = scanned;
      if (this.#remaining > 0) return at;
      this.#remaining = -1;
      this.answer(this.#status, this.#head, this.#body, this.#found);
      if (this.isOver) return end;
    }
    return at;
  }

  #begin(buffer: Uint8Array, start: number, stop: number): void {
    const digit = (index: number) => buffer[start + index]! - 48;
    this.#status = digit(9) * 100 + digit(10) * 10 + digit(11); // behind `HTTP/1.1 `
    const length = contentLength(buffer, start, stop);
    if (length < 0 && this.#status !== 204 && this.#status !== 304) {
      throw new Error(`An answer has no content-length: ${text(buffer, start, stop)}`);
    }
    this.#remaining = Math.max(0, length);
    if (this.#isRead) this.#head = text(buffer, start, stop);
    this.#body = "";
    this.#found = 0;
  }
}

/** A request with a body. */
export function post(
  path: string,
  port: number,
  headers: string,
  body: string,
): Uint8Array<ArrayBuffer> {
  const { length } = encoder.encode(body);
  return encoder.encode(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}` +
      `Content-Length: ${length}\r\n\r\n${body}`,
  );
}

/** Whose connections wait for each other's turn. */
class Worker extends HttpConnection {
  onAnswer: (status: number) => void;
  readonly #first: Uint8Array<ArrayBuffer>;

  constructor(
    loop: Loop,
    first: Uint8Array<ArrayBuffer>,
    onAnswer: (status: number) => void,
  ) {
    super(loop, null, false);
    this.#first = first;
    this.onAnswer = onAnswer;
  }

  override begin(): void {
    this.request(this.#first);
  }

  override answer(status: number): void {
    this.onAnswer(status);
  }

  override end(): void {
    this.onAnswer(0);
  }
}

/** As many connections as this publish at once; what comes beyond waits. */
const MAX_PUBLISHERS = 64;

/** How many requests wait for a connection before more is dropped, and counted as failed. */
const MAX_WAITING = 100_000;

/** POSTs without waiting for the answers of those before. */
export class HttpPublisher {
  answered = 0;
  failed = 0;
  readonly #loop: Loop;
  readonly #port: number;
  readonly #free: Worker[] = [];
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];
  #workers = 0;

  constructor(loop: Loop, port: number) {
    this.#loop = loop;
    this.#port = port;
  }

  /** Sends a request, now where a connection is free or may be made. */
  send(request: Uint8Array<ArrayBuffer>): void {
    const free = this.#free.pop();
    if (free !== undefined) free.request(request);
    else if (this.#workers < MAX_PUBLISHERS) this.#hire(request);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(request);
    else this.failed++;
  }

  #hire(request: Uint8Array<ArrayBuffer>): void {
    this.#workers++;
    const worker = new Worker(this.#loop, request, (status) => {
      if (worker.isOver) {
        this.#workers--;
        const index = this.#free.indexOf(worker);
        if (index >= 0) {
          this.#free.splice(index, 1); // servers close what asks nothing for a while
          return;
        }
      }
      if (status >= 200 && status < 300) this.answered++;
      else this.failed++;
      const next = this.#waiting.shift();
      if (worker.isOver) {
        if (next !== undefined) this.#hire(next);
      } else if (next !== undefined) worker.request(next);
      else this.#free.push(worker);
    });
    this.#loop.open(worker, this.#port);
  }
}

/** So many connections, each of which asks the same again as soon as it was answered. */
export class HttpFlood {
  answered = 0;
  failed = 0;
  #stopped = false;

  constructor(loop: Loop, port: number, connections: number, request: Uint8Array<ArrayBuffer>) {
    for (let index = 0; index < connections; index++) {
      const worker: Worker = new Worker(loop, request, (status) => {
        if (status >= 200 && status < 300) this.answered++;
        else this.failed++;
        if (!worker.isOver && !this.#stopped) worker.request(request);
      });
      loop.open(worker, port);
    }
  }

  /** Asks nothing more. */
  stop(): void {
    this.#stopped = true;
  }
}

/** A publisher to NATS: its own protocol on TCP. */
export class NatsPublisher extends Connection {
  readonly #loop: Loop;
  readonly #before: string[] = [];

  constructor(loop: Loop) {
    super();
    this.#loop = loop;
  }

  override begin(): void {
    this.#loop.send(this, encoder.encode('CONNECT {"verbose":false,"pedantic":false}\r\n'));
    for (const text of this.#before) this.#loop.send(this, encoder.encode(text));
  }

  override take(start: number, end: number): number {
    const text = String.fromCharCode(...this.#loop.buffer.subarray(start, end));
    if (text.includes("PING\r\n")) this.#loop.send(this, encoder.encode("PONG\r\n"));
    if (text.includes("-ERR")) throw new Error(`NATS says ${text}`);
    return end;
  }

  /** Publishes a text. */
  publish(subject: string, text: string): void {
    const message = `PUB ${subject} ${text.length}\r\n${text}\r\n`;
    if (this.isMade) this.#loop.send(this, encoder.encode(message));
    else this.#before.push(message);
  }
}

/** What all HTTP subscribers of a load share. */
export interface Listeners {
  readonly loop: Loop;
  readonly marks: Marks;
  readonly port: number;
  ready: number;
  ended: number;
  readonly closes: Map<string, number>;
}

/** A subscriber by event stream. */
export class EventStream extends Connection {
  readonly #all: Listeners;
  readonly #path: string;
  #isOpen = false;

  constructor(all: Listeners, path: string) {
    super();
    this.#all = all;
    this.#path = path;
  }

  override begin(): void {
    const { loop, port } = this.#all;
    loop.send(
      this,
      encoder.encode(
        `GET ${this.#path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n\r\n`,
      ),
    );
  }

  override take(start: number, end: number): number {
    const { loop, marks, closes } = this.#all;
    let at = start;
    if (!this.#isOpen) {
      at = headEnd(loop.buffer, start, end);
      if (at < 0) return start;
      const status = String.fromCharCode(...loop.buffer.subarray(start, start + 12));
      if (status !== "HTTP/1.1 200") {
        closes.set(status, (closes.get(status) ?? 0) + 1);
        loop.drop(this);
        this.end();
        return end;
      }
      this.#isOpen = true;
      this.#all.ready++;
    }
    return Math.min(end, marks.scan(loop.buffer, at, end, loop.now));
  }

  override end(): void {
    if (this.#isOpen) this.#all.ready--;
    this.#all.ended++;
  }
}

/** A subscriber by long-poll of Chloe's: it connects, and holds a poll at all times. */
export class ChloePoll extends HttpConnection {
  readonly #all: Listeners;
  readonly #channel: string;
  #resume = "";
  #received = 0;

  constructor(all: Listeners, channel: string) {
    super(all.loop, all.marks, true);
    this.#all = all;
    this.#channel = channel;
  }

  #post(body: unknown): void {
    const json = JSON.stringify(body);
    this.request(post("/chloe/poll", this.#all.port, "Content-Type: text/plain\r\n", json));
  }

  override begin(): void {
    this.#post({ connect: { subscribe: { [this.#channel]: {} } } });
  }

  override answer(status: number, _head: string, body: string, found: number): void {
    if (status !== 200) throw new Error(`Chloe answers a poll with ${status} ${body}`);
    if (this.#resume === "") {
      this.#resume = /"resume":"([^"]+)"/.exec(body)?.[1] ?? "";
      if (this.#resume === "") throw new Error(`Chloe lets no poll in: ${body}`);
      this.#all.ready++;
    }
    this.#received += found;
    this.#post({ resume: this.#resume, received: this.#received });
  }

  override end(): void {
    this.#all.ready--;
    this.#all.ended++;
  }
}

/** A subscriber by long-poll of nchan's. */
export class NchanPoll extends HttpConnection {
  readonly #all: Listeners;
  readonly #path: string;

  constructor(all: Listeners, path: string) {
    super(all.loop, all.marks, true);
    this.#all = all;
    this.#path = path;
  }

  override begin(): void {
    this.#ask("");
    this.#all.ready++;
  }

  #ask(after: string): void {
    this.request(encoder.encode(
      `GET ${this.#path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#all.port}\r\n${after}\r\n`,
    ));
  }

  override answer(status: number, head: string, body: string): void {
    if (status !== 200 && status !== 304) {
      throw new Error(`nchan answers a poll with ${status} ${body}`);
    }
    this.#ask(
      `If-Modified-Since: ${LAST_MODIFIED.exec(head)?.[1]}\r\n` +
        `If-None-Match: ${ETAG.exec(head)?.[1]}\r\n`,
    );
  }

  override end(): void {
    this.#all.ready--;
    this.#all.ended++;
  }
}
