import { assertStringIncludes } from "@std/assert";
import { listenProblem } from "./listen_problem.ts";

for (
  const [error, words] of [
    [new Deno.errors.AddrInUse(""), "choose another with --port"],
    [new Deno.errors.PermissionDenied(""), "CAP_NET_BIND_SERVICE"],
    [new Deno.errors.AddrNotAvailable(""), "choose another with --host"],
    [new Deno.errors.NotFound(""), "there is no such folder"],
    [new Error("something else"), "something else"],
  ] as const
) {
  Deno.test(`listenProblem() says what to do about ${error.name}: ${words}`, () => {
    assertStringIncludes(listenProblem(error), words);
  });
}
