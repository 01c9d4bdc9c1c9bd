import { errorText } from "../web/error_text.ts";
import { getLogger } from "@logtape/logtape";
import { faultAnswer } from "./app.ts";
import { isListenedTo, removeSocket } from "./unix_socket.ts";

const logger = getLogger(["chloe", "http"]);

/** Connections that the kernel completes while the program is busy. */
const BACKLOG = 4096;

/** When the accept loop ended for want of files, it is tried again this often. */
const LISTEN_AGAIN_MS = 100;

/** How often it is made sure that there is an accept loop. */
const CHECK_MS = 1000;

/** How long connections may take to end once all that they carried has. */
const CLOSE_WITHIN_MS = 1000;

/** A certificate, with those between it and its root, and its private key: both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A Unix socket to listen on. */
export interface SocketPlace {
  readonly path: string;
  /** Its permissions, as a number. */
  readonly mode: number;
}

/** Where to listen and what answers. */
export interface ListenOptions {
  readonly hostname: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Instead of host and port. */
  readonly socket?: SocketPlace | undefined;
  /** Speak TLS, with this. */
  readonly certificate?: Certificate | undefined;
  /** @param peerAddress The IP address of the other end; `""` by a Unix socket. */
  handle(request: Request, peerAddress: string): Response | Promise<Response>;
}

type Server = Deno.HttpServer<Deno.Addr>;

/**
 * A listening port that comes back: at the limit of open files Deno's accept loop ends for good, while the
 * connections that it had accepted go on. Here a new loop is begun as soon as there are files again.
 */
export class Listener {
  readonly hostname: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  readonly #options: ListenOptions;
  #certificate: Certificate | undefined;
  /** The one that accepts. */
  #server: Server;
  /** All whose connections are not over. */
  readonly #servers = new Set<Server>();
  readonly #watch: ReturnType<typeof setInterval>;
  #isListening = true;
  #closing = false;

  /** @throws Error where the port cannot be had, or the certificate is not one. */
  constructor(options: ListenOptions) {
    this.#options = options;
    this.#certificate = options.certificate;
    this.hostname = options.hostname.replace(/^\[(.*)\]$/, "$1");
    // A port that is shared for the sake of renew() could be shared with somebody else's server as well.
    if (this.#certificate !== undefined && options.port !== 0) this.#tryPort(options.port);
    this.#server = this.#listen(options.port);
    const { addr } = this.#server;
    this.port = "port" in addr ? addr.port : 0; // Deno 2.7 calls the transport of TLS by no name
    this.#watch = setInterval(() => void this.#check(), CHECK_MS);
  }

  /**
   * Goes on with another certificate. What was begun with the one before goes on, but for WebSockets on Deno
   * 2.9, which closes them (1001): their clients come back, and their sessions go on where they were.
   *
   * @throws Error where it cannot be used; then nothing has changed.
   */
  renew(certificate: Certificate): void {
    const before = { server: this.#server, certificate: this.#certificate };
    this.#certificate = certificate;
    // The next loop has it; of one that closes there is none.
    if (!this.#isListening || this.#closing) return;
    try {
      this.#server = this.#listen(this.port);
    } catch (error) {
      this.#certificate = before.certificate;
      throw error;
    }
    before.server.shutdown().catch(() => {}); // waits until its streams and polls are over
  }

  #listen(port: number): Server {
    const { socket, handle } = this.#options;
    let server: Server;
    if (socket !== undefined) {
      removeSocket(socket.path);
      server = Deno.serve(
        { path: socket.path, onListen() {}, onError: faultAnswer },
        (request) => handle(request, ""),
      );
      Deno.chmodSync(socket.path, socket.mode);
    } else {
      const tls = this.#certificate;
      server = Deno.serve(
        {
          hostname: this.hostname,
          port,
          tcpBacklog: BACKLOG,
          onListen() {},
          onError: faultAnswer,
          ...(tls !== undefined && { cert: tls.cert, key: tls.key, reusePort: true }),
        },
        (request, info) => handle(request, (info.remoteAddr as Deno.NetAddr).hostname ?? ""),
      );
    }
    this.#servers.add(server);
    server.finished.catch((error) => {
      if (server === this.#server) this.#onEnd(errorText(error));
    }).finally(() => this.#servers.delete(server));
    return server;
  }

  #onEnd(error: string): void {
    if (!this.#isListening || this.#closing) return;
    this.#isListening = false;
    logger.error("Cannot accept connections: {error}. Trying again until it works", { error });
    this.#listenAgain();
  }

  /**
   * Deno 2.7 says that its accept loop ended only when the last of its connections did, be it a day later. If
   * somebody else can have the port, the loop is no more.
   */
  async #check(): Promise<void> {
    if (!this.#isListening) return;
    const { socket } = this.#options;
    if (socket !== undefined) {
      if (await isListenedTo(socket.path)) return;
    } else {
      try {
        this.#tryPort(this.port);
      } catch {
        return; // it is in use, as it should be; or there is no file yet to listen with
      }
    }
    this.#onEnd("nobody listens any more");
  }

  #tryPort(port: number): void {
    Deno.listen({ hostname: this.hostname, port }).close();
  }

  #listenAgain(): void {
    setTimeout(() => {
      if (this.#closing) return;
      try {
        this.#server = this.#listen(this.port);
        this.#isListening = true;
        logger.info("Accepting connections again");
      } catch {
        this.#listenAgain();
      }
    }, LISTEN_AGAIN_MS);
  }

  /** Stops listening, and waits a moment for answers that are under way. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watch);
    // Deno 2.7's shutdown may never resolve.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_WITHIN_MS);
    });
    const ends = [...this.#servers].map((server) => server.shutdown().catch(() => {}));
    await Promise.race([Promise.all(ends), patience]);
    clearTimeout(timer);
    const { socket } = this.#options;
    if (socket !== undefined) removeSocket(socket.path);
  }
}
