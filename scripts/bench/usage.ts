/**
 * What processes have used, read from /proc: the figures survive a noisy machine.
 *
 * @module
 */

/** Linux counts a process's time in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** A process, and all that it or its children started. */
export function processTree(pid: number): number[] {
  const tree = [pid];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const children = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`);
      for (const child of children.split(" ")) {
        if (child.trim() !== "") tree.push(...processTree(Number(child)));
      }
    }
  } catch {
    // it has ended
  }
  return tree;
}

/** How many seconds of a processor the processes have used, their own and the kernel's for them. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
      // The name in parentheses may hold anything; what follows is numbers, the third field first.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // it has ended
    }
  }
  return ticks / TICKS_PER_SECOND;
}

/** The resident memory of the processes, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) {
    try {
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      kib += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    } catch {
      // it has ended
    }
  }
  return kib * 1024;
}

/** How many seconds of all processors anything on this machine has used. */
export function machineSeconds(): number {
  const [user, nice, system, , , irq, softirq] = Deno.readTextFileSync("/proc/stat").split("\n")[0]!
    .split(/ +/).slice(1).map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND;
}
