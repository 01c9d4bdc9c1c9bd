import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { intoDocument, json, run } from "./bench.ts";
import { flameGraph, framesOf, hottest } from "./bench/flame.ts";
import { Histogram } from "./bench/histogram.ts";
import { marked, Marks } from "./bench/marks.ts";
import { panelsOf, svg } from "./bench/plot.ts";
import { type Circumstances, human, markdown, medians, withRun } from "./bench/report.ts";
import type { Result } from "./bench/scenarios.ts";
import { readWrk } from "./bench/wrk.ts";

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);
}

const ABOUT: Circumstances = {
  date: "2026-01-02",
  command: "scripts/deno task bench --peers",
  machine: "2 cores of a test",
  cores: "The server on one core, the load on the other",
  versions: { Deno: "2.9.6", NATS: "2.9.10" },
};

const CASE = "websocket, 10 subscribers, 5 msg/s";

const RESULTS: readonly Result[] = [
  {
    scenario: "fan-out",
    case: CASE,
    server: "chloe",
    figures: {
      connections: 10,
      ...{ expected: 2000, delivered: 2000, perSecond: 50_000, cpuUs: 7.5, p50: 1.25, p99: 12 },
      ...{ serverShare: 0.95, loadShare: 0.2 },
    },
  },
  {
    scenario: "fan-out",
    case: CASE,
    server: "nats",
    figures: {
      connections: 10,
      ...{ expected: 2000, delivered: 1999, perSecond: 25_000, cpuUs: 15, p50: 2.5, p99: 1234.5 },
      ...{ serverShare: 0.5, loadShare: 0.95, ended: 1, closes: { "1008": 1 } },
    },
  },
  {
    scenario: "publish-and-relay",
    case: "relay <&>",
    server: "chloe",
    figures: { connections: 10, delivered: 80_000, perSecond: 8000.4 },
    counted: { "taken by the app": 80_000, unsigned: 0 },
  },
];

Deno.test("the bench's table has each server's figures, and Chloe's as a share of a peer's", () => {
  assertEquals(
    markdown([{ about: ABOUT, results: RESULTS }]),
    `\
### Fan-out

\`scripts/deno task bench --peers\`, 2026-01-02. 2 cores of a test. The server on one core, the load on the other. Deno 2.9.6, NATS 2.9.10.

| case                               | server | server CPU µs/message | CPU, Chloe : it | delivered/s | delivered/s, Chloe : it | % arrived | p50 ms | p99 ms | full core | and                |
| ---------------------------------- | ------ | --------------------: | --------------: | ----------: | ----------------------: | --------: | -----: | -----: | --------- | ------------------ |
| websocket, 10 subscribers, 5 msg/s | chloe  |                  7.50 |                 |      50,000 |                         |       100 |   1.25 |   12.0 | server    |                    |
| websocket, 10 subscribers, 5 msg/s | nats   |                  15.0 |            0.50 |      25,000 |                    2.00 |     99.95 |   2.50 |  1,230 | load      | 1 ended; 1 by 1008 |

### Publish-and-relay

\`scripts/deno task bench --peers\`, 2026-01-02. 2 cores of a test. The server on one core, the load on the other. Deno 2.9.6, NATS 2.9.10.

| case      | server | done/s | and                                 |
| --------- | ------ | -----: | ----------------------------------- |
| relay <&> | chloe  |  8,000 | 80,000 taken by the app; 0 unsigned |
`,
  );
});

Deno.test("the bench's plot has a bar for each figure, the longest one the widest", () => {
  const panels = panelsOf(RESULTS);
  assertEquals(
    panels.map(({ title, bars }) => [title, bars.map(({ label, value }) => [label, value])]),
    [
      [`${CASE}: server CPU per delivered message, µs`, [["chloe", 7.5], ["nats", 15]]],
      [`${CASE}: delivered messages a second`, [["chloe", 50_000], ["nats", 25_000]]],
      ["publish-and-relay: done a second", [["relay <&>", 8000.4]]],
    ],
  );
  const drawing = svg(panels);
  const widths = [...drawing.matchAll(/<rect class="(\w+)" [^>]*width="([\d.]+)"/g)];
  assertEquals(widths.map(([, name]) => name), ["own", "peer", "own", "peer", "own"]);
  const [cpu, peerCpu, rate, peerRate] = widths.map(([, , width]) => Number(width));
  assertNear(cpu! * 2, peerCpu!, 0.2);
  assertNear(peerRate! * 2, rate!, 0.2);
  assertStringIncludes(drawing, ">relay &lt;&amp;&gt;</text>");
  const long = "one that is told at length ".repeat(4);
  const told = svg([{ title: "", bars: [{ label: long, value: 1, isOwn: true }] }]);
  const end = Number(/<text x="([\d.]+)"[^>]*text-anchor="end"/.exec(told)![1]);
  assert(end >= long.length * 7, "a long label begins left of the drawing");
  assert(drawing.startsWith("<svg xmlns=") && drawing.endsWith("</svg>\n"));
});

Deno.test("the bench's JSON has all figures, and what they are of", () => {
  const runs = [{ about: ABOUT, results: RESULTS }];
  assertEquals(JSON.parse(json(runs)), { runs });
});

Deno.test("a bench of one scenario leaves what is known of the others", () => {
  const first = { about: ABOUT, results: RESULTS };
  const about = { ...ABOUT, date: "2026-02-03" };
  const second = { about, results: RESULTS.slice(0, 1) };
  assertEquals(withRun([first], second), [{ about: ABOUT, results: RESULTS.slice(2) }, second]);
  assertEquals(withRun([first], { about, results: RESULTS }), [{ about, results: RESULTS }]);
});

Deno.test("of what the bench measured in turns the median is shown, and what was counted in all", () => {
  const [own, peer, relay] = RESULTS;
  const turn = (result: Result, cpuUs: number, p99: number): Result => ({
    ...result,
    figures: { ...result.figures, cpuUs, p99 },
  });
  const turns = [[9, 30], [7, 50], [8, 40]].flatMap(([cpuUs, p99]) => [
    turn(own!, cpuUs!, p99!),
    turn(peer!, cpuUs! * 2, p99!),
    turn(relay!, cpuUs! * 10, p99!),
  ]);
  const rows = markdown([{ about: ABOUT, results: medians(turns) }]).split("\n")
    .filter((line) => /chloe|nats /.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const cellsOf = (row: number, ...columns: number[]) => columns.map((at) => rows[row]!.at(at));
  assertEquals(cellsOf(0, 3, 7, 9, -2), ["8.00", "100", "40.0", "3 turns of 7.00 to 9.00 µs"]);
  assertEquals(
    cellsOf(1, 3, 7, 9, -2),
    ["16.0", "99.95", "40.0", "3 ended; 3 by 1008; 3 turns of 14.0 to 18.0 µs"],
  );
  assertEquals(
    cellsOf(2, 4, -2),
    ["80.0", "240,000 taken by the app; 0 unsigned; 3 turns of 70.0 to 90.0 µs"],
  );
});

Deno.test("the bench tells where a server has had fewer turns than the others", () => {
  const [own, peer] = RESULTS;
  const turnsOf = (results: readonly Result[]) => medians(results).map(({ turns }) => turns);
  assertEquals(turnsOf([own!, peer!]), [undefined, undefined]);
  assertEquals(
    turnsOf([own!, peer!, own!]),
    ["2 turns of 7.50 to 7.50 µs", "1 turn of 15.0 to 15.0 µs"],
  );
});

Deno.test("the bench's tables go between the document's markers, and nowhere else", () => {
  const text = "before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n";
  const written = intoDocument(text, "$& new\n");
  assertEquals(written, "before\n<!-- bench -->\n\n$& new\n\n<!-- /bench -->\nafter\n");
  assertEquals(intoDocument(written, "$& new\n"), written);
});

Deno.test("the bench writes numbers so that three digits count", () => {
  const written = [0, 0.054, 7.123, 45.67, 456.7, 8000.4, 974_123].map(human);
  assertEquals(written, ["0.00", "0.05", "7.12", "45.7", "457", "8,000", "974,000"]);
});

Deno.test("the bench's quantiles are right to within 1 %", () => {
  const histogram = new Histogram();
  for (let ms = 1; ms <= 1000; ms++) histogram.add(ms);
  assertNear(histogram.quantile(0.5), 500, 5);
  assertNear(histogram.quantile(0.99), 990, 10);
  assertEquals([histogram.count, histogram.max, histogram.quantile(1)], [1000, 1000, 1000]);
});

Deno.test("the bench counts each message once, however its bytes are cut", () => {
  const text = `[${marked(3, 40)}\n${marked(5, 40)}]`;
  const bytes = new TextEncoder().encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const marks = new Marks(40);
    const stopped = Math.min(cut, marks.scan(bytes, 0, cut, 10));
    marks.scan(bytes, stopped, bytes.length, 10);
    assertEquals(marks.count, 2, `cut at ${cut}`);
    assertNear(marks.latencies.max, 7, 0.001);
  }
});

Deno.test({
  name: "a quick bench of Chloe finds every message delivered, and what it cost",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "chloe-bench-" });
    try {
      const { count, tables } = await run({
        scenarios: ["publish-and-relay"],
        isQuick: true,
        withPeers: false,
        folder,
        command: "a test",
      });
      assertEquals(count, 2);
      assertStringIncludes(tables, "; 0 unsigned; 0 out of order");
      const { runs } = JSON.parse(await Deno.readTextFile(`${folder}/results.json`));
      for (const { figures } of runs[0].results) {
        assert(figures.delivered > 0);
        assertEquals([figures.failed, figures.ended], [0, 0]);
      }
      assertEquals(await Deno.readTextFile(`${folder}/results.md`), tables);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("the bench's flame graph is of what was not idle, and finds the hottest function", () => {
  const at = (functionName: string) => ({ functionName, url: "file:///a/b/c.ts", lineNumber: 6 });
  const root = framesOf({
    nodes: [
      { id: 1, callFrame: { functionName: "(root)", url: "", lineNumber: -1 }, children: [2, 3] },
      { id: 2, callFrame: { functionName: "(idle)", url: "", lineNumber: -1 } },
      { id: 3, callFrame: at("flush"), children: [4] },
      { id: 4, callFrame: at("write") },
    ],
    samples: [3, 2, 4, 4],
    timeDeltas: [100, 5000, 200, 100],
  });
  assertEquals(hottest(root, 2), [
    { name: "write b/c.ts:7", percent: 75 },
    { name: "flush b/c.ts:7", percent: 25 },
  ]);
  const drawing = flameGraph(root);
  assertStringIncludes(drawing, "<title>flush b/c.ts:7 100.0 %</title>");
  assertStringIncludes(drawing, 'width="900.0"');
  assert(!drawing.includes("(idle)"));
});

Deno.test("the bench reads what wrk reports", () => {
  const report = `Running 10s test @ http://127.0.0.1:8901/send
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.29ms  418.95us  19.10ms   92.71%
  498412 requests in 10.02s, 93.63MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 40
Requests/sec:  49741.23
Transfer/sec:      9.34MB
`;
  assertEquals(readWrk(report), { answered: 498_412, perSecond: 49_741.23, failed: 43 });
  const clean = report.replace(/.*(errors|Non-).*\n/g, "");
  assertEquals(readWrk(clean).failed, 0);
  assertThrows(() => readWrk("unable to connect"), Error, "Cannot read what wrk says");
});
