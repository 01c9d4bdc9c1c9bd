import { Counter, Gauge, type Metric, Registry } from "prom-client";
import type { Histogram } from "../hub/histogram.ts";
import { FAMILIES, type Family, type Plain, type Spread } from "./families.ts";
import type { Stats } from "./stats.ts";

/**
 * Writes what a server counts as Prometheus reads it. The registry is its own; it holds no numbers but those of
 * the scrape at hand, which its metrics collect from plain ones.
 */
export class Exposition {
  readonly #registry = new Registry();
  /** What is being written: everything is collected within one turn. */
  #stats: Stats | null = null;

  constructor(families: readonly Family[] = FAMILIES) {
    for (const family of families) this.#add(family);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text that tells `stats`. */
  async text(stats: Stats): Promise<string> {
    this.#stats = stats;
    const text = this.#registry.metrics();
    this.#stats = null;
    return await text;
  }

  #add(family: Family): void {
    const read = () => this.#stats!;
    switch (family.type) {
      case "counter":
        return void addCounter(this.#registry, family, read);
      case "gauge":
        return void addGauge(this.#registry, family, read);
      case "histogram":
        return this.#registry.registerMetric(
          new CountedHistogram(family, read) as unknown as Metric<string>,
        );
    }
  }
}

type Read = () => Stats;

function addCounter(registry: Registry, { read, ...family }: Plain, stats: Read): Counter {
  return new Counter({
    ...{ ...named(family), registers: [registry] },
    collect() {
      this.reset();
      for (const [labels, value] of read(stats())) this.inc(labels, value);
    },
  });
}

function addGauge(registry: Registry, { read, ...family }: Plain, stats: Read): Gauge {
  return new Gauge({
    ...{ ...named(family), registers: [registry] },
    collect() {
      this.reset();
      const samples = read(stats());
      if (samples.length === 0) this.remove(); // else it would be 0
      for (const [labels, value] of samples) this.set(labels, value);
    },
  });
}

function named({ name, help, labels }: Omit<Plain, "read">) {
  return { name, help, labelNames: [...labels] };
}

/** A metric of prom-client's, as its registry needs it: its own histogram takes no values that were counted. */
class CountedHistogram {
  readonly name: string;
  readonly #family: Spread;
  readonly #stats: Read;

  constructor(family: Spread, stats: Read) {
    this.name = family.name;
    this.#family = family;
    this.#stats = stats;
  }

  get() {
    const { name, help, type, read } = this.#family;
    const histogram = read(this.#stats());
    const values = histogram === null ? [] : samplesOf(name, histogram);
    return Promise.resolve({ name, help, type, values, aggregator: "sum" });
  }
}

function samplesOf(name: string, { bounds, counts, sum }: Histogram) {
  let count = 0;
  const buckets = [...bounds, "+Inf"].map((le, range) => {
    count += counts[range]!;
    return { metricName: `${name}_bucket`, labels: { le }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}
