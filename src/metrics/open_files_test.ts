import { assert, assertEquals } from "@std/assert";
import { OpenFiles } from "./open_files.ts";

const onLinux = { ignore: Deno.build.os !== "linux" };

Deno.test("OpenFiles counts the files of this process", onLinux, async () => {
  const before = await new OpenFiles(() => 0).count();
  const files = Array.from({ length: 200 }, () => Deno.openSync(import.meta.filename!));
  const after = await new OpenFiles(() => 0).count();
  for (const file of files) file.close();
  // The runtime may open and close some of its own meanwhile.
  const more = after! - before!;
  assert(more > 150 && more < 250, `${before} and then ${after}`);
});

Deno.test("OpenFiles counts once in five seconds, whoever asks", async () => {
  let now = 0;
  const openFiles = new OpenFiles(() => now);
  const first = openFiles.count();
  now = 4999;
  assertEquals(openFiles.count() === first, true);
  now = 5000;
  assertEquals(openFiles.count() === first, false);
  await openFiles.idle();
});
