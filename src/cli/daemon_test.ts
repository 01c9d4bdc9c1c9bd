import { assertEquals, assertThrows } from "@std/assert";
import { daemonFiles, type User } from "./daemon.ts";
import { Failure } from "./failure.ts";

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
