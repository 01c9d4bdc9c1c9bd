/**
 * What `GET /metrics` says, as a test reads it.
 *
 * @module
 */
import { ask, type RequestOptions } from "./http.ts";
import type { Address } from "./server.ts";
import { eventually } from "./within.ts";

/** One line: a metric with its labels, and its value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric, with all of its lines. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

/** What one scrape told. */
export class Scrape {
  readonly families: ReadonlyMap<string, Family>;

  constructor(readonly text: string) {
    this.families = parse(text);
  }

  /**
   * A value by what stands before it: `chloe_closes_total{code="3008"}`. Of several labels those that are named
   * count, and the values of all that fit are added up.
   */
  value(selector: string): number {
    const [, name = "", inner = ""] = /^(\w+)(?:\{(.*)\})?$/.exec(selector) ?? [];
    const wanted = labelsOf(inner);
    const family = this.families.get(name.replace(/_(bucket|sum|count)$/, "")) ??
      this.families.get(name);
    const fitting = (family?.samples ?? []).filter((sample) =>
      sample.name === name &&
      Object.entries(wanted).every(([label, value]) => sample.labels[label] === value)
    );
    if (fitting.length === 0) throw new Error(`There is no ${selector}`);
    return fitting.reduce((sum, { value }) => sum + value, 0);
  }
}

function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family & { readonly samples: Sample[] }>();
  let family: Family & { readonly samples: Sample[] } | undefined;
  for (const line of text.split("\n")) {
    const [, typed, type] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? [];
    if (typed !== undefined) {
      family = { name: typed, type: type!, samples: [] };
      families.set(typed, family);
    }
    if (line === "" || line.startsWith("#")) continue;
    const [, name, labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined || family === undefined) throw new Error(`Cannot read ${line}`);
    family.samples.push({ name, labels: labelsOf(labels), value: Number(value) });
  }
  return families;
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]),
  );
}

/** Asks for the metrics. @throws Error where they are refused. */
export async function scrape(address: Address, options: RequestOptions = {}): Promise<Scrape> {
  const { status, text } = await ask(address, "/metrics", options);
  if (status !== 200) throw new Error(`Cannot scrape: ${status} ${text}`);
  return new Scrape(text);
}

/** Scrapes until it tells what is waited for: things that a server does when it has time. */
export function scrapeUntil(
  address: Address,
  isSo: (metrics: Scrape) => boolean,
  what: string,
): Promise<Scrape> {
  return eventually(async () => {
    const metrics = await scrape(address);
    return isSo(metrics) ? metrics : undefined;
  }, what);
}
