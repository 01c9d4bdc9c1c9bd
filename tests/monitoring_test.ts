/**
 * What is made of the metrics: the docs, the alerts and the dashboard, each held against a live scrape.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { parse as parseYaml } from "@std/yaml";
import { ask } from "./support/http.ts";
import { type Family, type Scrape, scrape } from "./support/metrics.ts";
import { MisbehavingApp } from "./support/misbehaving_app.ts";
import { promtool, promtoolIsMissing } from "./support/promtool.ts";
import { startTestServer } from "./support/server.ts";
import { SessionClient } from "./support/session_client.ts";

const MONITORING = new URL("../examples/monitoring/", import.meta.url);
const DOCS = new URL("../docs/metrics.md", import.meta.url);
const withPromtool = { ignore: promtoolIsMissing };

/** A scrape of a server that has something in most of its counters, labels that a stranger chose included. */
async function liveScrape(): Promise<Scrape> {
  await using app = MisbehavingApp.start();
  await using server = await startTestServer({ app: { url: app.url } });
  await using client = new SessionClient(server);
  await client.connect("websocket", { subscribe: { news: {}, 'a "quoted" \\ name\n': {} } });
  await client.send("hello");
  await server.send({ channel: "news", data: 1 });
  await client.nextData();
  await ask(server, "/send", { method: "POST" });
  await ask(server, "/api/sessions");
  return await scrape(server);
}

Deno.test("promtool finds nothing wrong with the metrics", withPromtool, async () => {
  const { text } = await liveScrape();
  await promtool(["check", "metrics"], text);
});

Deno.test(
  "promtool finds nothing wrong with the alerts, and they alert as they should",
  withPromtool,
  async () => {
    await promtool(["check", "rules", new URL("chloe.rules.yml", MONITORING).pathname]);
    await promtool(["test", "rules", new URL("chloe.rules.test.yml", MONITORING).pathname]);
  },
);

Deno.test("promtool finds nothing wrong with the scrape config", withPromtool, async () => {
  await promtool(["check", "config", new URL("prometheus.yml", MONITORING).pathname]);
});

// The docs

/** The rows of the tables of metrics. */
function documented(markdown: string): { name: string; type: string; labels: string[] }[] {
  return [...markdown.matchAll(/^\| `(chloe_\w+)` +\| (\w+) +\| ([^|]*)\|/gm)]
    .map(([, name, type, labels]) => ({
      name: name!,
      type: type!,
      labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label!).sort(),
    }));
}

function labelsOf({ samples }: Family): string[] {
  return [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))]
    .filter((label) => label !== "le").sort();
}

Deno.test("docs/metrics.md has every metric of a live scrape, with its type and labels, and no other", async () => {
  const { families } = await liveScrape();
  const told = [...families.values()].map((family) => {
    return { name: family.name, type: family.type, labels: labelsOf(family) };
  });
  assertEquals(documented(await Deno.readTextFile(DOCS)), told);
});

Deno.test("docs/metrics.md explains every value of a label that is Chloe's own", async () => {
  const markdown = await Deno.readTextFile(DOCS);
  const { families } = await liveScrape();
  const own = ["transport", "protocol", "state", "limit", "result", "reason"];
  const values = [...families.values()].flatMap(({ samples }) =>
    samples.flatMap(({ labels }) => own.flatMap((label) => labels[label] ?? []))
  );
  assert(values.length > 0);
  assertEquals([...new Set(values)].filter((value) => !markdown.includes(`\`${value}\``)), []);
});

// Alerts and dashboard

interface Expression {
  readonly where: string;
  readonly text: string;
}

async function alertExpressions(): Promise<Expression[]> {
  const { groups } = parseYaml(
    await Deno.readTextFile(new URL("chloe.rules.yml", MONITORING)),
  ) as { groups: { rules: { alert: string; expr: string }[] }[] };
  return groups.flatMap(({ rules }) =>
    rules.map(({ alert, expr }) => ({ where: alert, text: expr }))
  );
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly expr: string }[];
  };
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[];
  };
}

async function readDashboard(): Promise<Dashboard> {
  return JSON.parse(await Deno.readTextFile(new URL("chloe.dashboard.json", MONITORING)));
}

async function dashboardExpressions(): Promise<Expression[]> {
  const { panels, annotations, templating } = await readDashboard();
  return [
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ where: title, text: expr }))
    ),
    ...annotations.list.map(({ name, expr }) => ({ where: name, text: expr })),
    ...templating.list.flatMap(({ name, definition }) =>
      definition === undefined ? [] : [{ where: name, text: definition }]
    ),
  ];
}

/** What Prometheus adds to each sample. */
const ADDED = ["job", "instance"];

/** What is wrong with an expression, held against a scrape. */
function objections({ text }: Expression, { families }: Scrape): string[] {
  const found: string[] = [];
  const known = new Set(["le", ...ADDED]);
  for (const [, name, inner = ""] of text.matchAll(/\b(chloe_\w+)\b(?:\{([^}]*)\})?/g)) {
    const family = families.get(name!) ?? families.get(name!.replace(/_(bucket|sum|count)$/, ""));
    if (family === undefined) {
      found.push(`${name}: there is no such metric`);
      continue;
    }
    const isPart = family.name !== name;
    if (isPart !== (family.type === "histogram")) found.push(`${name}: is a ${family.type}`);
    for (const label of labelsOf(family)) known.add(label);
    for (const [, label, operator, value] of inner.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)) {
      if (ADDED.includes(label!)) continue;
      const values = family.samples.map(({ labels }) => labels[label!]);
      const fits = operator!.endsWith("~")
        ? value!.split("|").every((one) =>
          values.some((each) => new RegExp(`^${one}$`).test(each ?? ""))
        )
        : values.includes(value!);
      if (!fits) found.push(`${name}: no ${label} is ${value}`);
    }
  }
  for (const [, labels] of text.matchAll(/\b(?:by|without)\s*\(([^)]*)\)/g)) {
    for (const label of labels!.split(",").map((each) => each.trim())) {
      if (!known.has(label)) found.push(`by (${label}): no such label`);
    }
  }
  return found;
}

for (
  const [what, read] of [
    ["alerts", alertExpressions],
    ["panels", dashboardExpressions],
  ] as const
) {
  Deno.test(`${what}: they ask for metrics, labels and values that there are`, async () => {
    const expressions = await read();
    assert(expressions.length > 10);
    const metrics = await liveScrape();
    assertEquals(
      expressions.flatMap((each) =>
        objections(each, metrics).map((one) => `${each.where}: ${one}`)
      ),
      [],
    );
  });
}

Deno.test("what looks at the alerts and the dashboard sees what is wrong", async () => {
  const metrics = await liveScrape();
  const of = (text: string) => objections({ where: "", text }, metrics);
  assertEquals(of('sum(rate(chloe_closes_total{code="3008", job=~"$job"}[5m]))'), []);
  assertEquals(of("chloe_closed_total"), ["chloe_closed_total: there is no such metric"]);
  assertEquals(of('chloe_closes_total{code="9999"}'), ["chloe_closes_total: no code is 9999"]);
  assertEquals(of('chloe_closes_total{reason="x"}'), ["chloe_closes_total: no reason is x"]);
  assertEquals(of('chloe_queued_bytes{state=~"unwritten|lost"}'), [
    "chloe_queued_bytes: no state is unwritten|lost",
  ]);
  assertEquals(of("sum by (code) (chloe_sessions)"), ["by (code): no such label"]);
  assertEquals(of("chloe_flush_messages"), ["chloe_flush_messages: is a histogram"]);
});

Deno.test("the dashboard's expressions are PromQL", withPromtool, async () => {
  const rules = (await dashboardExpressions())
    .filter(({ text }) => !text.startsWith("label_values("))
    .map(({ text }, n) => ({
      record: `panel:${n}`,
      expr: text.replaceAll("$__rate_interval", "5m"),
    }));
  const file = await Deno.makeTempFile({ suffix: ".yml" });
  try {
    // JSON is YAML.
    await Deno.writeTextFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    await promtool(["check", "rules", file]);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("the dashboard's panels have an id each, and do not overlap", async () => {
  const { panels } = await readDashboard();
  assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, type, targets, gridPos: { x, y, w, h } } of panels) {
    assertEquals(type === "row" || targets!.length > 0, true, title);
    assert(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const place = `${column} ${line}`;
        assertEquals(taken.get(place), undefined, `${title} lies on another panel`);
        taken.set(place, title);
      }
    }
  }
});
