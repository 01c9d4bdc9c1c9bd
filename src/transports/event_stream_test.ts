import { assertEquals } from "@std/assert";
import { CLOSES } from "../protocol/codes.ts";
import { Counters } from "../hub/counters.ts";
import { Entry } from "../hub/entry.ts";
import { HubRig } from "../../tests/support/hub_rig.ts";
import { EventStream } from "./event_stream.ts";

Deno.test("EventStream wraps frames into events, and says goodbye", async () => {
  const counters = new Counters();
  const stream = new EventStream("frames", counters);
  assertEquals(counters.connections, 1);
  stream.control("{}");
  stream.write(new Entry('{"a":1}\n{"b":2}', 2));
  stream.close(CLOSES.shutdown, "bye");
  stream.close(CLOSES.shutdown, "bye");
  stream.control("too late");
  assertEquals(
    await new Response(stream.body).text(),
    [
      "data: {}\n\n",
      'data: {"a":1}\ndata: {"b":2}\n\n',
      "data: bye\n\n",
    ].join(""),
  );
  assertEquals([counters.connections, stream.isOpen, stream.writable], [0, false, false]);
});

Deno.test("EventStream takes events that their codec wrote as they are", async () => {
  const stream = new EventStream("events", new Counters());
  stream.control(":\n\n");
  stream.write(new Entry("event: x\ndata: 1\n\n", 1));
  stream.close(CLOSES.shutdown, null);
  assertEquals(await new Response(stream.body).text(), ":\n\nevent: x\ndata: 1\n\n");
});

Deno.test("EventStream is not writable while 64 KiB wait to be read", async () => {
  const stream = new EventStream("frames", new Counters());
  const reader = stream.body.getReader();
  assertEquals(stream.writable, true);
  stream.write(new Entry("x".repeat(64 * 1024), 1));
  assertEquals(stream.writable, false);
  await reader.read();
  assertEquals(stream.writable, true);
});

Deno.test("EventStream whose browser goes leaves its session without a transport", async () => {
  const rig = new HubRig();
  const { session } = rig.open(["news"]);
  const stream = new EventStream("frames", rig.hub.counters);
  stream.session = session;
  session.attach(stream);
  await stream.body.cancel();
  assertEquals([session.transport, rig.hub.counters.connections], [null, 0]);
  rig.publish("news", 1);
  rig.endTurn();
  assertEquals(rig.attach(session).data, [1]);
});

Deno.test("EventStream whose browser goes late leaves the transport alone that took its place", async () => {
  const rig = new HubRig();
  const { session } = rig.open(["news"]);
  const stream = new EventStream("frames", rig.hub.counters);
  stream.session = session;
  session.attach(stream);
  const next = rig.attach(session);
  await stream.body.cancel();
  rig.publish("news", 1);
  rig.endTurn();
  assertEquals([next.data, rig.hub.counters.connections], [[1], 0]);
});

Deno.test("EventStream that was told to go is counted until it has read all, or is gone", async () => {
  const counters = new Counters();
  for (const leave of ["reads", "goes"]) {
    const stream = new EventStream("frames", counters);
    stream.write(new Entry("{}", 1));
    stream.close(CLOSES.slowReader, "bye");
    assertEquals([counters.connections, counters.connectionsClosing], [1, 1]);
    if (leave === "reads") await new Response(stream.body).text();
    else await stream.body.cancel();
    assertEquals([counters.connections, counters.connectionsClosing], [0, 0]);
  }
});
