import { type ChloeProcess, startChloe, type StartOptions } from "../support/chloe_process.ts";
import type { Address } from "../support/server.ts";
import { eventually } from "../support/within.ts";

/**
 * Starts the real program as a process of its own, whose files and memory can be looked at.
 *
 * @param files The most files that it may have open; default: as many as this process.
 */
export async function startProcess(
  { files, ...options }: StartOptions & { readonly files?: number } = {},
): Promise<ChloeProcess & Address> {
  const by = files === undefined ? [] : ["/bin/sh", "-c", `ulimit -n ${files}; exec "$@"`, "sh"];
  const chloe = await startChloe({ ...options, by });
  return { ...chloe, hostname: "127.0.0.1" };
}

/** How many files a process has open. */
export async function openFiles(pid: number): Promise<number> {
  let count = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) count++;
  return count;
}

/** Waits until a process has at most `count` files open. */
export async function filesFallTo(pid: number, count: number): Promise<void> {
  await eventually(async () => {
    return await openFiles(pid) <= count || undefined;
  }, `at most ${count} open files`);
}

/**
 * The resident memory that a process wrote itself, in bytes. Not that of its program's file: where memory is short,
 * or the kernel reclaims what was not touched for a while, that goes and comes back with no doing of ours.
 */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}
