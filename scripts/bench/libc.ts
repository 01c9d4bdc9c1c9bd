/**
 * The few calls of Linux's C library by which one thread serves ten thousand sockets: a read costs a system
 * call and nothing of the runtime's, so the load costs less than what it measures.
 *
 * @module
 */

/** Nobody else is told of an event: its bits as in `<sys/epoll.h>`. */
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 16;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const IP_BIND_ADDRESS_NO_PORT = 24;
const MSG_NOSIGNAL = 0x4000;

/** x86_64 packs `struct epoll_event`; everywhere else its 64 bits are aligned. */
const EVENT = Deno.build.arch === "x86_64" ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 };

/** How many events are taken at once. Few, so that what is due in between is not late. */
const EVENTS = 128;

function open() {
  return Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "i32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "i32"], result: "i32" },
    // Lengths are below 2^31, and an i32 comes back without a bigint.
    recv: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
    send: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    epoll_create1: { parameters: ["i32"], result: "i32" },
    epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
    usleep: { parameters: ["u32"], result: "i32" },
    epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  }).symbols;
}

let library: ReturnType<typeof open> | undefined;

/** The library, opened when it is first needed: tests of what the figures come to do without it. */
function libc(): ReturnType<typeof open> {
  return library ??= open();
}

function socketAddress(ip: readonly number[], port: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  bytes[0] = AF_INET; // little endian, as all that Deno runs on
  bytes[2] = port >> 8;
  bytes[3] = port & 255;
  bytes.set(ip, 4);
  return bytes;
}

/**
 * Begins a TCP connection to a port of 127.0.0.1; it is there when it can be written to.
 *
 * @param source The last number of the address to come from, 127.0.0.x: each has its own 28,000 ports.
 * @returns The file.
 * @throws Error where there is no file left.
 */
export function connect(port: number, source: number): number {
  const fd = libc().socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) throw new Error("Raise the limit of open files (ulimit -n): there is none left");
  const one = new Uint8Array([1, 0, 0, 0]);
  libc().setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one, 4);
  libc().setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, one, 4);
  libc().bind(fd, socketAddress([127, 0, 0, source], 0), 16);
  // What becomes of it is told by epoll.
  libc().connect(fd, socketAddress([127, 0, 0, 1], port), 16);
  return fd;
}

/** Reads what there is. @returns The number of bytes; 0 at the end; -1 where there is nothing, or an error. */
export function read(fd: number, into: Uint8Array<ArrayBuffer>): number {
  return libc().recv(fd, into, into.length, 0);
}

/** Writes what there is room for. @returns The number of bytes; -1 where there is no room, or an error. */
export function write(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  return libc().send(fd, bytes, bytes.length, MSG_NOSIGNAL);
}

/** Closes a file; one that has unread bytes is reset. */
export function close(fd: number): void {
  libc().close(fd);
}

/** Sleeps for so many microseconds, whatever arrives meanwhile. */
export function sleep(micros: number): void {
  libc().usleep(micros);
}

/** The files that are watched, and what happened on them. */
export class Poll {
  readonly #fd = libc().epoll_create1(0);
  readonly #change = new Uint8Array(EVENT.bytes);
  readonly #changeView = new DataView(this.#change.buffer);
  readonly #events = new Uint8Array(EVENT.bytes * EVENTS);
  readonly #view = new DataView(this.#events.buffer);

  /** Watches a file for the events in `bits`. */
  add(fd: number, bits: number): void {
    this.#control(EPOLL_CTL_ADD, fd, bits);
  }

  /** Watches a file for other events than before. */
  change(fd: number, bits: number): void {
    this.#control(EPOLL_CTL_MOD, fd, bits);
  }

  /** Watches a file no more. */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  #control(what: number, fd: number, bits: number): void {
    this.#changeView.setUint32(0, bits, true);
    this.#changeView.setUint32(EVENT.data, fd, true);
    libc().epoll_ctl(this.#fd, what, fd, this.#change);
  }

  /** Waits for events, `ms` at most. @returns How many there are. */
  wait(ms: number): number {
    return Math.max(0, libc().epoll_wait(this.#fd, this.#events, EVENTS, ms));
  }

  /** The file of an event of the last wait. */
  file(index: number): number {
    return this.#view.getUint32(index * EVENT.bytes + EVENT.data, true);
  }

  /** The bits of an event of the last wait. */
  bits(index: number): number {
    return this.#view.getUint32(index * EVENT.bytes, true);
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}
