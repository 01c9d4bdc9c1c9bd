import { assertEquals } from "@std/assert";
import { connectedFrame } from "./_testing.ts";
import { createSession, type Reply } from "./session.ts";

function reply(log: unknown[] = []): Reply {
  return (error, ok) => log.push(error ? error.code : ok);
}

Deno.test("a session counts frames and skips those that it had before", () => {
  const session = createSession();
  session.start(connectedFrame());
  assertEquals([session.take(10), session.take(10), session.take(10)], [true, true, true]);
  assertEquals(session.resumption(), { resume: "s1.secret", received: 3 });
  session.start(connectedFrame({ resumed: true, from: 1 }));
  assertEquals([session.take(10), session.take(10), session.take(10)], [false, false, true]);
  session.countFrom(2);
  assertEquals([session.take(10), session.take(10), session.take(10)], [false, false, true]);
  assertEquals(session.receipt(), '{"received":5}');
});

Deno.test("a session's receipt is due after 100 frames or 32 KiB", () => {
  const session = createSession();
  session.start(connectedFrame());
  for (let n = 0; n < 99; n++) session.take(1);
  assertEquals(session.receiptDue(), false);
  session.take(1);
  assertEquals(session.receiptDue(), true);
  session.receipt();
  assertEquals(session.receiptDue(), false);
  session.take(32 * 1024);
  assertEquals(session.receiptDue(), true);
});

Deno.test("a session repeats the commands above lastId when it is resumed", () => {
  const session = createSession();
  session.start(connectedFrame());
  for (const n of [1, 2, 3]) session.command(`"send":{"data":${n}}`, reply(), true);
  session.answered(1);
  const repeated = session.start(connectedFrame({ resumed: true, lastId: 2 }));
  assertEquals(repeated, ['{"id":3,"send":{"data":3}}']);
});

Deno.test("a session that ends fails its commands, and the next counts from 1", () => {
  const session = createSession();
  const log: unknown[] = [];
  session.start(connectedFrame());
  session.command('"send":{"data":1}', reply(log), true);
  assertEquals(session.start(connectedFrame({ session: "s2" })), []);
  assertEquals(log, ["unknown_outcome"]);
  assertEquals(session.command('"send":{"data":2}', reply(), true), '{"id":1,"send":{"data":2}}');
});

Deno.test("a session cannot go on where frames are missing", () => {
  const session = createSession();
  session.start(connectedFrame());
  assertEquals(session.start(connectedFrame({ resumed: true, from: 1 })), null);
});

Deno.test("a session refuses a line over maxBytes, which takes no id", () => {
  const session = createSession();
  const log: unknown[] = [];
  session.start(connectedFrame({ maxBytes: 64 }));
  assertEquals(session.command(`"send":{"data":"${"é".repeat(30)}"}`, reply(log), true), undefined);
  assertEquals(log, ["too_large"]);
  assertEquals(session.command('"send":{"data":1}', reply(), true), '{"id":1,"send":{"data":1}}');
});
