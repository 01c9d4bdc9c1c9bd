/**
 * Where log records go: to stderr, pretty on a terminal and as JSON lines elsewhere. The only place that
 * configures LogTape.
 *
 * @module
 */
import {
  configure,
  configureSync,
  dispose,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getLogger,
  getStreamSink,
  getTextFormatter,
  type Sink,
  type TextFormatter,
} from "@logtape/logtape";
import type { Config } from "../config/schema.ts";
import { reason } from "./failure.ts";

const MAX_WAITING_RECORDS = 10_000;
const FLUSH_INTERVAL_MS = 20;

/** The log of a server. Disposing writes what is left. */
export interface Logs extends AsyncDisposable {
  /** Logs in another way from now on. */
  configure(log: Config["log"]): void;
}

/**
 * Sends log records to stderr from now on.
 *
 * A server does not wait for its log: records are written in the background, and where the reader of stderr
 * stalls, or the disk behind it is full, those beyond a bound are dropped and counted in a later line.
 */
export async function configureLogging(log: Config["log"]): Promise<Logs> {
  let formatter = formatterOf(log);
  const stderr = getStreamSink(stderrStream(), {
    formatter: (record) => formatter(record),
    closeStream: false,
    nonBlocking: {
      bufferSize: MAX_WAITING_RECORDS / 2,
      flushInterval: FLUSH_INTERVAL_MS,
      onDrop: ({ count }) => setTimeout(() => reportLoss(count, "stderr was not read fast enough")),
    },
  });
  // Nothing that LogTape would dispose of: the stream is the same before and after a change, and loses nothing.
  const sink: Sink = (record) => stderr(record);
  const logtape = ({ level }: Config["log"]) => ({
    reset: true,
    sinks: { stderr: sink },
    loggers: [
      { category: "chloe", sinks: ["stderr" as const], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" as const },
    ],
  });
  await configure(logtape(log));
  return {
    configure(log) {
      formatter = formatterOf(log);
      configureSync(logtape(log));
    },
    async [Symbol.asyncDispose]() {
      await stderr[Symbol.asyncDispose]();
      await dispose();
    },
  };
}

/**
 * Stderr as a stream that a failed write does not end, as it does `Deno.stderr.writable`: once a full disk has
 * room again, the log goes on.
 */
function stderrStream(): WritableStream<Uint8Array> {
  let lost = 0;
  let why = "";
  let isTorn = false;
  const writeAll = async (bytes: Uint8Array) => {
    for (let written = 0; written < bytes.length;) {
      written += await Deno.stderr.write(bytes.subarray(written));
      isTorn = written < bytes.length;
    }
  };
  return new WritableStream({
    async write(bytes) {
      try {
        if (isTorn) await writeAll(LINE_END);
        await writeAll(bytes);
      } catch (error) {
        lost++;
        why = `stderr cannot be written: ${reason(error)}`;
        return;
      }
      if (lost === 0) return;
      const count = lost;
      lost = 0;
      setTimeout(() => reportLoss(count, why));
    },
  });
}

const LINE_END = new TextEncoder().encode("\n");

function reportLoss(count: number, why: string): void {
  getLogger(["chloe", "cli"]).warn("Dropped {count} log records: {why}", { count, why });
}

function formatterOf({ format }: Config["log"]): TextFormatter {
  const pretty = format === "pretty" || (format === "auto" && Deno.stderr.isTerminal());
  return pretty ? prettyFormatter() : getJsonLinesFormatter();
}

function prettyFormatter(): TextFormatter {
  // Values stand bare in the text: a URL is there to be clicked, a command to be copied.
  const options = { timestamp: "time", level: "full", category: "·", value: "bare" } as const;
  return Deno.stderr.isTerminal() && !Deno.noColor
    ? getAnsiColorFormatter({ ...options, levelStyle: null })
    : getTextFormatter(options);
}
