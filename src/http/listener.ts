import { errorText } from "../web/error_text.ts";
import { getLogger } from "@logtape/logtape";

const logger = getLogger(["chloe", "http"]);

/** Connections that the kernel completes while the program is busy. */
const BACKLOG = 4096;

/** When the accept loop ended for want of files, it is tried again this often. */
const LISTEN_AGAIN_MS = 100;

/** How often it is made sure that there is an accept loop. */
const CHECK_MS = 1000;

/** How long connections may take to end once all that they carried has. */
const CLOSE_WITHIN_MS = 1000;

/** Where to listen and what answers. */
export interface ListenOptions {
  readonly hostname: string;
  /** 0 for any free one. */
  readonly port: number;
  handle(request: Request, remoteAddress: string): Response | Promise<Response>;
}

/**
 * A listening port that comes back: at the limit of open files Deno's accept loop ends for good, while the
 * connections that it had accepted go on. Here a new loop is begun as soon as there are files again.
 */
export class Listener {
  readonly hostname: string;
  readonly port: number;
  readonly #options: ListenOptions;
  /** The one that accepts. */
  #server: Deno.HttpServer<Deno.NetAddr>;
  /** All whose connections are not over. */
  readonly #servers = new Set<Deno.HttpServer<Deno.NetAddr>>();
  readonly #watch: ReturnType<typeof setInterval>;
  #isListening = true;
  #closing = false;

  /** @throws Error where the port cannot be had. */
  constructor(options: ListenOptions) {
    this.#options = options;
    this.hostname = options.hostname;
    this.#server = this.#listen(options.port);
    this.port = this.#server.addr.port;
    this.#watch = setInterval(() => this.#check(), CHECK_MS);
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, handle } = this.#options;
    const server = Deno.serve(
      { hostname, port, tcpBacklog: BACKLOG, onListen() {} },
      (request, info) => handle(request, (info.remoteAddr as Deno.NetAddr).hostname ?? ""),
    );
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
  #check(): void {
    if (!this.#isListening) return;
    try {
      Deno.listen({ hostname: this.hostname, port: this.port }).close();
    } catch {
      return; // it is in use, as it should be; or there is no file yet to listen with
    }
    this.#onEnd("nobody listens on the port");
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
  }
}
