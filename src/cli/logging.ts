/**
 * Where log records go: to stderr, pretty on a terminal and as JSON lines elsewhere. The only place that
 * configures LogTape.
 *
 * @module
 */
import {
  configure,
  dispose,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  getLogger,
  getStreamSink,
  getTextFormatter,
  type TextFormatter,
} from "@logtape/logtape";
import type { Config } from "../config/schema.ts";

const MAX_WAITING_RECORDS = 10_000;
const FLUSH_INTERVAL_MS = 20;

/**
 * Sends log records to stderr from now on. Disposing writes what is left.
 *
 * A server does not wait for its log: records are written in the background, and where the reader of stderr
 * stalls, those beyond a bound are dropped and counted in a later line.
 */
export async function configureLogging({ level, format }: Config["log"]): Promise<AsyncDisposable> {
  const pretty = format === "pretty" || (format === "auto" && Deno.stderr.isTerminal());
  await configure({
    reset: true,
    sinks: {
      stderr: getStreamSink(Deno.stderr.writable, {
        formatter: pretty ? prettyFormatter() : getJsonLinesFormatter(),
        closeStream: false,
        nonBlocking: {
          bufferSize: MAX_WAITING_RECORDS / 2,
          flushInterval: FLUSH_INTERVAL_MS,
          onDrop: ({ count }) => setTimeout(() => reportLoss(count)),
        },
      }),
    },
    loggers: [
      { category: "chloe", sinks: ["stderr"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  return { [Symbol.asyncDispose]: dispose };
}

function reportLoss(count: number): void {
  getLogger(["chloe", "cli"]).warn("Dropped {count} log records: stderr was not read fast enough", {
    count,
  });
}

function prettyFormatter(): TextFormatter {
  // Values stand bare in the text: a URL is there to be clicked, a command to be copied.
  const options = { timestamp: "time", level: "full", category: "·", value: "bare" } as const;
  return Deno.stderr.isTerminal() && !Deno.noColor
    ? getAnsiColorFormatter({ ...options, levelStyle: null })
    : getTextFormatter(options);
}
