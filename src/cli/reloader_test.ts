import { assertEquals } from "@std/assert";
import { eventually } from "../../tests/support/within.ts";
import type { Config } from "../config/schema.ts";
import type { Reloaded } from "../server.ts";
import { Reloader } from "./reloader.ts";

/** A server whose reloads the test ends. */
function fakeServer() {
  const asked: { config: Config; end: (reloaded: Reloaded) => void }[] = [];
  return {
    asked,
    reload: (config: Config) => {
      const { promise, resolve } = Promise.withResolvers<Reloaded>();
      asked.push({ config, end: resolve });
      return promise;
    },
    async next(count: number): Promise<void> {
      await eventually(
        () => Promise.resolve(asked.length >= count || undefined),
        `reload ${count}`,
      );
    },
  };
}

const DONE: Reloaded = { ok: true, changed: [], restart: [] };

Deno.test("Reloader reloads once for all that is asked while it reloads, with the newest config", async () => {
  const file = await Deno.makeTempFile({ suffix: ".toml" });
  const server = fakeServer();
  const notes: Reloaded[] = [];
  const levels: string[] = [];
  const reloader = new Reloader({
    options: {},
    file,
    server,
    logs: { configure: ({ level }) => void levels.push(level) },
    note: { write: (reloaded) => void notes.push(reloaded) },
  });
  const write = (level: string) => Deno.writeTextFile(file, `[log]\nlevel = "${level}"\n`);
  await write("debug");
  reloader.request();
  await server.next(1);
  await write("warning");
  for (let n = 0; n < 5; n++) reloader.request();
  server.asked[0]!.end({ ok: false, problems: ["no"] });
  await server.next(2);
  server.asked[1]!.end(DONE);
  await eventually(() => Promise.resolve(notes.length > 1 || undefined), "two notes");
  assertEquals(notes, [{ ok: false, problems: ["no"] }, DONE]);
  assertEquals(server.asked.map(({ config }) => config.log.level), ["debug", "warning"]);
  assertEquals(levels, ["warning"]);
  reloader.request();
  await server.next(3);
  server.asked[2]!.end(DONE);
  await eventually(() => Promise.resolve(notes.length > 2 || undefined), "three notes");
  await Deno.remove(file);
});

Deno.test("Reloader survives what goes wrong inside, and says so", async () => {
  const notes: Reloaded[] = [];
  const reloader = new Reloader({
    options: {},
    file: undefined,
    server: { reload: () => Promise.reject(new Error("a bug")) },
    logs: { configure() {} },
    note: { write: (reloaded) => void notes.push(reloaded) },
  });
  reloader.request();
  await eventually(() => Promise.resolve(notes.length > 0 || undefined), "a note");
  assertEquals(notes, [{ ok: false, problems: ["an error inside Chloe: a bug"] }]);
});
