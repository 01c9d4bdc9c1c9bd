import { configure, type LogRecord, reset } from "@logtape/logtape";
import { assertEquals, assertMatch } from "@std/assert";
import { OriginNotices } from "./origin_notices.ts";

/** What is logged, as a person reads it. */
async function logOf(body: (notices: OriginNotices) => void): Promise<string[]> {
  const lines: string[] = [];
  const list = ({ message }: LogRecord) => void lines.push(message.join(""));
  await configure({
    sinks: { list },
    loggers: [
      { category: ["chloe", "transports"], sinks: ["list"] },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
    ],
  });
  try {
    body(new OriginNotices());
  } finally {
    await reset();
  }
  return lines;
}

Deno.test("OriginNotices says which origin to add", async () => {
  const [first, second, third, ...others] = await logOf((notices) => {
    notices.refused("https://shop.example", 0);
    notices.refused("null", 0);
    notices.refused("(not named)", 0);
  });
  assertMatch(
    first!,
    /^Refused a page of origin https:\/\/shop\.example: .* `origins` in the config/,
  );
  assertMatch(second!, /serve it by http/);
  assertMatch(third!, /that its browser does not name: .* add its origin to `origins`/);
  assertEquals(others, []);
});

Deno.test("OriginNotices says each origin once a minute, and then how often it was", async () => {
  const lines = await logOf((notices) => {
    for (let ms = 0; ms < 60_000; ms += 10) notices.refused("https://shop.example", ms);
    notices.refused("https://shop.example", 60_000);
  });
  assertEquals(lines.length, 3);
  assertMatch(lines[1]!, /^Refused pages 5999 times more/);
  assertEquals(lines[2], lines[0]);
});

Deno.test("OriginNotices writes few lines and keeps few names, whatever it is told", async () => {
  const lines = await logOf((notices) => {
    for (let n = 0; n < 100_000; n++) notices.refused(`https://${n}.${"x".repeat(1000)}`, 1);
    notices.refused("https://shop.example", 100_000);
  });
  assertEquals(lines.length, 20 + 2);
  for (const line of lines) assertEquals(line.length < 400, true);
});
