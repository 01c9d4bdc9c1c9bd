import { openHttp } from "./http.ts";
import type { TransportKind } from "./transport.ts";

/** Frames come as the events of one answer that does not end. */
export const eventStream: TransportKind = {
  name: "events",
  acknowledges: true,
  supported: () => globalThis.ReadableStream,
  open(options, listener) {
    return openHttp(options, listener, async (post) => {
      const response = await post("events", options.connect());
      const reader = response.body!.getReader();
      const decoder = new TextDecoder();
      let rest = "";
      // Always true; but Deno aborts no stream whose response nobody holds on to any more.
      while (response.ok) {
        const { done, value } = await reader.read();
        if (done) throw new Error("closed");
        const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) listener.text(line.replace(/^data: /, ""));
      }
    });
  },
};
