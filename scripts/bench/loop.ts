import {
  close,
  connect,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  Poll,
  read,
  sleep,
  write,
} from "./libc.ts";

/** What a connection may leave of what arrived, to be read again with what follows. */
export const CARRY_BYTES = 4096;

const READ_BYTES = 256 * 1024;

/** How long a loop that dozes lets pass between two looks. */
const DOZE_MICROS = 1000;

/** So many connections share a source address, which has 28,000 ports. */
const CONNECTIONS_PER_SOURCE = 10_000;

/** A socket of the load's: what to do when it is there, when bytes arrive, and at its end. */
export abstract class Connection {
  fd = -1;
  /** Whether the connection was made. */
  isMade = false;
  /** Whether it is over, by whichever side. */
  isOver = false;
  /** What was left of the last bytes. */
  carry: Uint8Array<ArrayBuffer> | null = null;
  /** What there was no room to write. */
  readonly waiting: Uint8Array<ArrayBuffer>[] = [];

  /** The connection was made: write. */
  abstract begin(): void;

  /**
   * Takes the bytes of `loop.buffer` from `start` to `end`.
   *
   * @returns Where it stopped: the rest, `CARRY_BYTES` at most, comes again with what follows.
   */
  abstract take(start: number, end: number): number;

  /** The server ended it, or it could not be made. */
  end(): void {}
}

/** The connections of one load, served by one thread that never waits for anything but them. */
export class Loop {
  /** What arrives is read into it. */
  readonly buffer = new Uint8Array(CARRY_BYTES + READ_BYTES);
  /** When the bytes that are being taken were read, in milliseconds since the process began. */
  now = performance.now();
  /** How many bytes arrived. */
  bytesRead = 0;
  readonly #area = this.buffer.subarray(CARRY_BYTES);
  readonly #poll = new Poll();
  readonly #connections: (Connection | undefined)[] = [];
  readonly #dozes: boolean;
  #begun = 0;

  /**
   * @param dozes Whether it looks for what arrived once a millisecond in place of being woken by it. To wake a
   * process costs who writes to it several microseconds where both are on one machine, which no server pays whose
   * readers are elsewhere.
   */
  constructor({ dozes }: { readonly dozes: boolean }) {
    this.#dozes = dozes;
  }

  /** Begins a connection to a port of this machine. */
  open(connection: Connection, port: number): void {
    const fd = connect(port, 2 + Math.floor(this.#begun++ / CONNECTIONS_PER_SOURCE) % 200);
    connection.fd = fd;
    this.#connections[fd] = connection;
    this.#poll.add(fd, EPOLLOUT);
  }

  /** Writes, now or as soon as there is room. `bytes` must not change afterwards. */
  send(connection: Connection, bytes: Uint8Array<ArrayBuffer>): void {
    if (connection.isOver) return;
    if (connection.waiting.length > 0) {
      connection.waiting.push(bytes);
      return;
    }
    const count = Math.max(0, write(connection.fd, bytes));
    if (count === bytes.length) return;
    connection.waiting.push(bytes.subarray(count));
    this.#poll.change(connection.fd, EPOLLIN | EPOLLOUT);
  }

  /** Reads nothing more of a connection, which stays: a reader that stalls. */
  stall(connection: Connection): void {
    if (!connection.isOver) this.#poll.remove(connection.fd);
  }

  /** Closes a connection with no word. */
  drop(connection: Connection): void {
    if (connection.isOver) return;
    connection.isOver = true;
    this.#connections[connection.fd] = undefined;
    close(connection.fd);
  }

  /** Does what there is to do, and waits for more until the time, in milliseconds as of `performance.now()`. */
  runUntil(time: number): void {
    do {
      this.turn(Math.max(0, Math.floor(time - performance.now())));
    } while (performance.now() < time);
  }

  /** Does what there is to do, and waits `ms` at most where there is nothing. */
  turn(ms: number): void {
    let count = this.#poll.wait(this.#dozes ? 0 : ms);
    if (this.#dozes && count === 0 && ms > 0) {
      sleep(DOZE_MICROS);
      count = this.#poll.wait(0);
    }
    for (let index = 0; index < count; index++) {
      const connection = this.#connections[this.#poll.file(index)];
      if (connection !== undefined) this.#serve(connection, this.#poll.bits(index));
    }
  }

  #serve(connection: Connection, bits: number): void {
    if (bits & EPOLLOUT && !(bits & (EPOLLERR | EPOLLHUP))) {
      if (connection.isMade) this.#writeOn(connection);
      else {
        connection.isMade = true;
        this.#poll.change(connection.fd, EPOLLIN);
        connection.begin();
      }
    }
    if (!(bits & (EPOLLIN | EPOLLERR | EPOLLHUP)) || connection.isOver) return;
    const count = read(connection.fd, this.#area);
    if (count > 0) {
      this.now = performance.now();
      this.bytesRead += count;
      this.#take(connection, count);
    } else if (count === 0 || bits & (EPOLLERR | EPOLLHUP)) {
      this.drop(connection);
      connection.end();
    }
  }

  #take(connection: Connection, count: number): void {
    let start = CARRY_BYTES;
    const end = start + count;
    const { carry } = connection;
    if (carry !== null) {
      start -= carry.length;
      this.buffer.set(carry, start);
      connection.carry = null;
    }
    const stopped = connection.take(start, end);
    if (connection.isOver || stopped === end) return;
    if (end - stopped > CARRY_BYTES) throw new Error("A connection leaves more than it may");
    connection.carry = this.buffer.slice(stopped, end);
  }

  #writeOn(connection: Connection): void {
    const { waiting } = connection;
    while (waiting.length > 0) {
      const count = Math.max(0, write(connection.fd, waiting[0]!));
      if (count < waiting[0]!.length) {
        waiting[0] = waiting[0]!.subarray(count);
        return;
      }
      waiting.shift();
    }
    this.#poll.change(connection.fd, EPOLLIN);
  }

  /** Closes all that is open. */
  [Symbol.dispose](): void {
    for (const connection of this.#connections) {
      if (connection !== undefined) this.drop(connection);
    }
    this.#poll[Symbol.dispose]();
  }
}
