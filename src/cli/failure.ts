/** A command cannot do what it was asked to. Each line of the message is said to the person at the terminal. */
export class Failure extends Error {
  override name = "Failure";

  /** What the program exits with: 1 failed, 2 used wrongly. */
  readonly exitCode: 1 | 2;

  constructor(
    message: string,
    { exitCode = 1, cause }: { exitCode?: 1 | 2; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** The message of anything thrown, on one line and without the operating system's error number. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\)/g, "").split("\n")[0]!;
}
