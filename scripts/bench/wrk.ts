import { cpuSeconds } from "./usage.ts";

/** What wrk is to send, over and over. */
export interface WrkJob {
  /** The path of the program. */
  readonly program: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  /** Whole ones. */
  readonly seconds: number;
}

/** What came of it. */
export interface WrkResult {
  readonly answered: number;
  readonly perSecond: number;
  /** Answers of another status than 2xx or 3xx, and requests without one. */
  readonly failed: number;
}

/** wrk, at work: a load generator in C, on one thread. */
export class Wrk {
  readonly #child: Deno.ChildProcess;
  readonly #script: string;

  constructor({ program, url, headers, body, connections, seconds }: WrkJob) {
    this.#script = Deno.makeTempFileSync({ suffix: ".lua" });
    const lines = Object.entries(headers).map(([name, value]) =>
      `wrk.headers[${lua(name)}] = ${lua(value)}`
    );
    const script = [`wrk.method = "POST"`, `wrk.body = ${lua(body)}`, ...lines].join("\n");
    Deno.writeTextFileSync(this.#script, script);
    this.#child = new Deno.Command(program, {
      args: [
        ...["--threads", "1", "--connections", `${connections}`, "--duration", `${seconds}s`],
        ...["--script", this.#script, url],
      ],
      stdout: "piped",
    }).spawn();
  }

  /** Seconds of a processor that it has used. */
  get cpuSeconds(): number {
    return cpuSeconds([this.#child.pid]);
  }

  /** Waits for its end. */
  async result(): Promise<WrkResult> {
    const { stdout } = await this.#child.output();
    Deno.removeSync(this.#script);
    return readWrk(new TextDecoder().decode(stdout));
  }
}

/** What wrk's report says. */
export function readWrk(report: string): WrkResult {
  const answered = Number(/^\s*(\d+) requests in /m.exec(report)?.[1]);
  const perSecond = Number(/^Requests\/sec:\s*([\d.]+)/m.exec(report)?.[1]);
  if (!Number.isFinite(answered + perSecond)) {
    throw new Error(`Cannot read what wrk says: ${report}`);
  }
  const others = Number(/Non-2xx or 3xx responses: (\d+)/.exec(report)?.[1] ?? 0);
  const errors = /Socket errors: (.*)/.exec(report)?.[1]?.match(/\d+/g)?.map(Number) ?? [];
  return { answered, perSecond, failed: errors.reduce((sum, count) => sum + count, others) };
}

/** A text as Lua writes it; JSON's escapes are Lua's for what is in headers and bodies here. */
function lua(text: string): string {
  return JSON.stringify(text);
}
