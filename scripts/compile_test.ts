import { assertEquals, assertThrows } from "@std/assert";
import { targetsFor } from "./compile.ts";

Deno.test("targetsFor() is this machine unless told otherwise", () => {
  assertEquals(targetsFor([]), [Deno.build.target]);
  assertEquals(targetsFor(["--target", "host"]), [Deno.build.target]);
});

Deno.test("targetsFor() knows all targets and each of them", () => {
  assertEquals(targetsFor(["--target=all"]).length, 4);
  assertEquals(targetsFor(["--target", "aarch64-apple-darwin"]), ["aarch64-apple-darwin"]);
});

Deno.test("targetsFor() refuses anything else", () => {
  for (const args of [["--target"], ["--target", "x"], ["x"], ["--target=host", "x"]]) {
    assertThrows(() => targetsFor(args), Error, "use --target");
  }
});
