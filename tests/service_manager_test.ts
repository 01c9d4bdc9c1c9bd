/**
 * What a service manager hears of the real program: sd_notify(3).
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { startChloe } from "./support/chloe_process.ts";
import { within } from "./support/within.ts";

Deno.test({
  name: "chloe serve tells its service manager that it is ready, reads its config anew, and stops",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "chloe-notify-" });
    const NOTIFY_SOCKET = `${folder}/notify`;
    const socket = Deno.listenDatagram({ transport: "unixpacket", path: NOTIFY_SOCKET });
    const next = async () => {
      const [bytes] = await within(socket.receive(), "a word to the service manager");
      return new TextDecoder().decode(bytes).split("\n");
    };
    try {
      await using chloe = await startChloe({
        env: { NOTIFY_SOCKET },
        args: ["--shutdown-timeout=100s"],
      });
      assertEquals(await next(), ["READY=1", `STATUS=Listening on ${chloe.url}`]);
      chloe.signal("SIGHUP");
      assertEquals((await next())[0], "RELOADING=1");
      assertEquals((await next())[0], "READY=1");
      assertEquals(await chloe.stop(), 0);
      assertEquals((await next()).slice(0, 2), ["STOPPING=1", "EXTEND_TIMEOUT_USEC=110000000"]);
    } finally {
      socket.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
