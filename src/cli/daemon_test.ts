import { assertEquals, assertThrows } from "@std/assert";
import { daemonFiles, settledState, type User } from "./daemon.ts";
import { Failure } from "./failure.ts";
import { PidFile } from "./pid_file.ts";

const ROOT: User = { uid: 0, os: "linux", env: { HOME: "/root" } };
const ANN: User = { uid: 1000, os: "linux", env: { HOME: "/home/ann" } };

Deno.test("daemonFiles() are the system's for root", () => {
  assertEquals(daemonFiles({}, ROOT), {
    pidFile: "/run/chloe/chloe.pid",
    logFile: "/var/log/chloe/chloe.log",
  });
  assertEquals(daemonFiles({}, { ...ROOT, os: "darwin" }).pidFile, "/var/run/chloe/chloe.pid");
});

Deno.test("daemonFiles() are in the user's state folder for anyone else", () => {
  assertEquals(daemonFiles({}, ANN), {
    pidFile: "/home/ann/.local/state/chloe/chloe.pid",
    logFile: "/home/ann/.local/state/chloe/chloe.log",
  });
  const env = { ...ANN.env, XDG_STATE_HOME: "/state" };
  assertEquals(daemonFiles({}, { ...ANN, env }).logFile, "/state/chloe/chloe.log");
});

Deno.test("daemonFiles() are those that the flags name", () => {
  assertEquals(daemonFiles({ pidFile: "/a", logFile: "/b" }, ROOT), {
    pidFile: "/a",
    logFile: "/b",
  });
});

Deno.test("daemonFiles() need a home or a flag", () => {
  const nobody: User = { ...ANN, env: {} };
  assertThrows(() => daemonFiles({}, nobody), Failure, "HOME");
  assertEquals(daemonFiles({ pidFile: "/a" }, nobody), { pidFile: "/a", logFile: "/dev/null" });
});

Deno.test("settledState() waits until a server that is starting says where it is, or has ended", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/chloe.pid`;
  const stateAfter = async (act: (file: PidFile) => void) => {
    using file = (await PidFile.claim(path))!;
    let pauses = 0;
    const pause = () => {
      if (++pauses === 3) act(file);
      return Promise.resolve();
    };
    return await settledState(path, { timeoutMs: 60_000, pause });
  };
  const url = "http://127.0.0.1:8901";
  assertEquals(await stateAfter((file) => file.publish(url)), {
    state: "running",
    pid: Deno.pid,
    url,
  });
  assertEquals(await stateAfter(() => Deno.removeSync(path)), { state: "none" });
  assertEquals(await settledState(path, { timeoutMs: 60_000 }), { state: "none" });
  await Deno.remove(folder, { recursive: true });
});
