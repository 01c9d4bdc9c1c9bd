/** Why an address cannot be listened on, and what to do about it. */
export function listenProblem(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is taken; stop what listens there or choose another with --port";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "not permitted; a port below 1024 needs CAP_NET_BIND_SERVICE (systemd: " +
      "AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a higher one with --port; " +
      "the folder of a Unix socket has to be writable";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address; choose another with --host";
  }
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such folder; make it, or choose another with --host";
  }
  return error instanceof Error ? error.message : String(error);
}
