import { assertEquals } from "@std/assert";
import { within } from "../../tests/support/within.ts";
import { serviceManager } from "./service_manager.ts";

/** The socket of a service manager. */
async function listen() {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/notify`;
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  return {
    path,
    async next(): Promise<string[]> {
      const [bytes] = await within(socket.receive(), "a word to the service manager");
      return new TextDecoder().decode(bytes).split("\n");
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "serviceManager() says when the server is ready, reloads and stops",
  ignore,
  async fn() {
    await using socket = await listen();
    const manager = serviceManager({ NOTIFY_SOCKET: socket.path });
    await manager.ready("Listening on\nhttp://127.0.0.1:8901");
    assertEquals(await socket.next(), ["READY=1", "STATUS=Listening on http://127.0.0.1:8901"]);
    await manager.reloading();
    assertEquals(await socket.next(), ["RELOADING=1", "STATUS=Reading the config anew"]);
    await manager.stopping(13_000.5);
    assertEquals(await socket.next(), [
      "STOPPING=1",
      "EXTEND_TIMEOUT_USEC=13001000",
      "STATUS=Letting the app take what browsers sent",
    ]);
  },
});

Deno.test("serviceManager() goes on where nobody listens, and says nothing where nobody is named", async () => {
  for (const NOTIFY_SOCKET of ["/nonexistent/notify", "@chloe-test-nobody", "", undefined]) {
    const manager = serviceManager({ NOTIFY_SOCKET });
    await manager.ready("ready");
    await manager.reloading();
    await manager.stopping(1);
  }
});
