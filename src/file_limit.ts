/**
 * How many files this process may have open, or `fallback` where that cannot be learned: every connection is
 * one.
 */
export async function fileLimit(fallback = 1024): Promise<number> {
  try {
    const limits = await Deno.readTextFile("/proc/self/limits");
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
    if (soft !== undefined) return soft === "unlimited" ? 1_000_000 : Number(soft);
  } catch {
    // not Linux: ask the shell
  }
  try {
    const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", "ulimit -n"] }).output();
    const text = new TextDecoder().decode(stdout).trim();
    return text === "unlimited" ? 1_000_000 : Number(text) || fallback;
  } catch {
    return fallback;
  }
}
