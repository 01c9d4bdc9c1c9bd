import { getLogger } from "@logtape/logtape";
import { problemLine } from "./config/problems.ts";
import { dateProblem, readTlsPair, type TlsFiles, type TlsPair } from "./config/tls_files.ts";

const logger = getLogger(["chloe", "tls"]);

/** How often the files are looked at. */
const LOOK_MS = 2000;

/** Whose files are watched, and for whom. */
export interface CertificateWatchOptions {
  readonly files: TlsFiles;
  /** What is in use now. */
  readonly pair: TlsPair;
  /** Puts another into use. What it throws leaves the one before in use. */
  take(pair: TlsPair): void;
  /** Default: 2 s. */
  readonly everyMs?: number;
}

/**
 * Takes a certificate anew when its files change. A pair that is half written, or whose parts do not belong
 * together, is refused with a line in the log, and the one before stays in use.
 */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #pair: TlsPair;
  /** The state of the files when they were read last; `null`: not yet. */
  #seen: string | null = null;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
    this.#pair = options.pair;
    warnOfDates(options.pair);
    this.#timer = setInterval(
      () => void this.#next(() => this.#look()),
      options.everyMs ?? LOOK_MS,
    );
  }

  /** Reads the files now. @returns Why the pair in them is not in use, or `null`. */
  renew(): Promise<string | null> {
    return this.#next(() => this.#renew());
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** One at a time. */
  #next<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#busy.then(step);
    this.#busy = done;
    return done;
  }

  async #look(): Promise<void> {
    const state = await stateOf(this.#options.files);
    const isFirst = this.#seen === null;
    if (state === this.#seen) return;
    this.#seen = state;
    // The first look finds what was read at the start, but for a change in between.
    await this.#renew(isFirst);
  }

  async #renew(quietly = false): Promise<string | null> {
    const reading = await readTlsPair(this.#options.files);
    if (reading.problems !== undefined) {
      const why = reading.problems.map(problemLine).join("; ");
      logger.error("Cannot take the certificate anew, the one before stays: {why}", { why });
      return why;
    }
    const { pair } = reading;
    if (pair.cert === this.#pair.cert && pair.key === this.#pair.key) {
      if (!quietly) logger.debug("The certificate is the same as before");
      return null;
    }
    try {
      this.#options.take(pair);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      logger.error("Cannot use the new certificate, the one before stays: {why}", { why });
      return why;
    }
    this.#pair = pair;
    logger.info("Took a new certificate, good until {until}", {
      until: new Date(pair.untilMs).toISOString(),
    });
    warnOfDates(pair);
    return null;
  }
}

/** What tells a file from the one that was there before, however it was replaced. */
async function stateOf({ cert, key }: TlsFiles): Promise<string> {
  const states = await Promise.all([cert, key].map(async (file) => {
    try {
      const { dev, ino, size, mtime, ctime } = await Deno.stat(file);
      return [dev, ino, size, mtime?.getTime(), ctime?.getTime()].join();
    } catch (error) {
      return error instanceof Error ? error.name : "unreadable";
    }
  }));
  return states.join(";");
}

function warnOfDates(pair: TlsPair): void {
  const problem = dateProblem(pair, Date.now());
  if (problem !== null) logger.warn("Browsers do not take tls.cert: {problem}", { problem });
}
