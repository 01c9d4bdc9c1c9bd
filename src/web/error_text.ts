/** An error as a log line has it: with its stack, as what is logged as an error is a bug. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.stack ?? String(error) : String(error);
}
