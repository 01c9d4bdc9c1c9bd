import { SHORTEST_HOLD_MS } from "../constants.ts";
import { openHttp, position } from "./http.ts";
import type { TransportKind } from "./transport.ts";

/** Frames come as the answers to requests that Chloe holds. */
export const longPoll: TransportKind = {
  name: "poll",
  acknowledges: false,
  supported: () => true,
  open(options, listener) {
    const { environment, connect, session } = options;
    return openHttp(options, listener, async (post) => {
      const ask = async (body: string) => (await post("poll", body)).text();
      // An empty answer to connect is no frame of Chloe's.
      listener.text(await ask(connect()) || "nothing");
      for (;;) {
        const asked = environment.now();
        const text = await ask(position(session));
        // Chloe has more to say than {}.
        if (text.length > 2) listener.text(text);
        else if (environment.now() - asked < SHORTEST_HOLD_MS) {
          await new Promise<void>((resolve) => environment.setTimeout(resolve, SHORTEST_HOLD_MS));
        }
      }
    });
  },
};
