import { findProgram } from "./programs.ts";

/** Debian's package `prometheus` has it. */
const PROMTOOL = findProgram("PROMTOOL", ["/usr/bin/promtool", "/usr/local/bin/promtool"]);

/** Whether tests that need promtool are passed over. Never where `CI` is set: there it has to be installed. */
export const promtoolIsMissing: boolean = PROMTOOL === null && !Deno.env.get("CI");

/** Runs promtool, and says what it said where it objects. */
export async function promtool(args: readonly string[], input: string = ""): Promise<void> {
  if (PROMTOOL === null) throw new Error("Cannot find promtool: install the package prometheus");
  const process = new Deno.Command(PROMTOOL, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {}); // it need not read it
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await process.output();
  if (code === 0) return;
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  throw new Error(`promtool ${args.join(" ")} ended with ${code}:\n${said}`);
}
