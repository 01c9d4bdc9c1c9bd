/**
 * The process that makes the load: it reads a job from its argument, does it, and writes the figures as a line of
 * JSON. One thread, that waits for nothing but its sockets.
 *
 * @module
 */
import { fanOut } from "./fan_out.ts";
import type { Figures, Job } from "./jobs.ts";
import { publish, publishByWrk, relay } from "./requests.ts";

function run(job: Job): Figures | Promise<Figures> {
  switch (job.kind) {
    case "fan-out":
      return fanOut(job);
    case "publish":
      return job.wrk === undefined ? publish(job) : publishByWrk(job, job.wrk);
    case "relay":
      return relay(job);
  }
}

if (import.meta.main) {
  const figures = await run(JSON.parse(Deno.args[0]!));
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(figures)}\n`));
}
