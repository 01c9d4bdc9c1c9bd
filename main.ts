/**
 * The program's entry: everything else is in src/cli/.
 *
 * @module
 */
import { run } from "./src/cli/run.ts";

if (import.meta.main) {
  Deno.exit(await run(Deno.args, { clientDir: `${import.meta.dirname}/client/dist` }));
}
