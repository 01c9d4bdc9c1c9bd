import { assertEquals } from "@std/assert";
import { Listener } from "./listener.ts";

Deno.test("Listener answers a request that a bug left without an answer", async () => {
  const bugs: (() => Promise<Response>)[] = [
    () => Promise.reject(new Error("a bug")),
    () => {
      throw new Error("a bug");
    },
  ];
  const listener = new Listener({ hostname: "127.0.0.1", port: 0, handle: () => bugs.pop()!() });
  while (bugs.length > 0) {
    const response = await fetch(`http://127.0.0.1:${listener.port}/`);
    assertEquals([response.status, (await response.json()).error.code], [500, "internal"]);
  }
  await listener.close();
});
