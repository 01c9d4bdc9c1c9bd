import { assertEquals } from "@std/assert";
import { CLOSES } from "../protocol/codes.ts";
import { Counters } from "../hub/counters.ts";
import { Entry } from "../hub/entry.ts";
import { Poll } from "./poll.ts";

function holdPoll(): { poll: Poll; counters: Counters; gone: AbortController } {
  const counters = new Counters();
  const gone = new AbortController();
  const poll = new Poll({
    kind: "poll",
    counters,
    signal: gone.signal,
    format: (frames, closing) => `${closing ? "closing" : "open"}:${frames.join("|")}`,
  });
  return { poll, counters, gone };
}

Deno.test("Poll answers with what was written, once", async () => {
  const { poll, counters } = holdPoll();
  assertEquals([poll.writable, counters.connections], [true, 1]);
  poll.control("from");
  poll.write(new Entry("a", 1));
  poll.write(new Entry("b", 1));
  poll.flush();
  poll.flush();
  assertEquals(await poll.answer, "open:from|a|b");
  assertEquals([poll.writable, counters.connections], [false, 0]);
});

Deno.test("Poll takes no more than fits one answer", () => {
  const { poll } = holdPoll();
  poll.write(new Entry("x".repeat(128 * 1024 - 1), 1));
  assertEquals(poll.writable, true);
  poll.write(new Entry("x", 1));
  assertEquals(poll.writable, false);
});

Deno.test("Poll that a newer one replaced answers with nothing", async () => {
  const { poll, counters } = holdPoll();
  poll.control("from");
  poll.close(CLOSES.replaced, "bye");
  assertEquals([await poll.answer, counters.connections], ["", 0]);
});

Deno.test("Poll whose session ends answers with the goodbye", async () => {
  const { poll } = holdPoll();
  poll.close(CLOSES.shutdown, "bye");
  assertEquals(await poll.answer, "closing:bye");
});

Deno.test("Poll whose browser goes is over", async () => {
  const { poll, counters, gone } = holdPoll();
  gone.abort();
  assertEquals([await poll.answer, counters.connections, poll.writable], [null, 0, false]);
  poll.close(CLOSES.shutdown, null);
  assertEquals(counters.connections, 0);
});

Deno.test("Poll whose browser went before it was held is over at once", async () => {
  const counters = new Counters();
  const poll = new Poll({
    kind: "poll",
    counters,
    signal: AbortSignal.abort(),
    format: () => "nobody reads this",
  });
  assertEquals([await poll.answer, counters.connections, poll.writable], [null, 0, false]);
});

Deno.test("Poll that was answered does not care that its signal aborts, as Deno's always do", async () => {
  const { poll, counters, gone } = holdPoll();
  poll.flush();
  gone.abort();
  assertEquals([await poll.answer, counters.connections], ["open:", 0]);
});
