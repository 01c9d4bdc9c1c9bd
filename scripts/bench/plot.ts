import type { Figures } from "./jobs.ts";
import { human } from "./report.ts";
import type { Result } from "./scenarios.ts";

/** A bar: what it is of, and how long it is. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly isOwn: boolean;
}

/** Bars that are compared with each other. */
export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const BAR_WIDTH = 520;
/** What a character takes at most on average, with the font below. */
const CHARACTER_WIDTH = 7.2;
const VALUE_WIDTH = 80;
const BAR_HEIGHT = 16;
const STEP = 22;
const TITLE_HEIGHT = 30;
const GAP = 18;

const STYLE = `text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600}` +
  `.own{fill:#e2711d}.peer{fill:#8a9bb0}svg{background:#fff}`;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What is drawn of a scenario: a panel for each of these figures. */
const DRAWN: Readonly<
  Record<string, readonly [title: string, take: (figures: Figures) => number | undefined][]>
> = {
  "fan-out": [
    ["server CPU per delivered message, µs", ({ cpuUs }) => cpuUs],
    ["delivered messages a second", ({ perSecond }) => perSecond],
  ],
  connections: [["memory per connection, KB", ({ kbPerConnection }) => kbPerConnection]],
  "publish-and-relay": [["done a second", ({ perSecond }) => perSecond]],
  size: [["server CPU per delivered message, µs", ({ cpuUs }) => cpuUs]],
  pressure: [["p99, ms", ({ p99 }) => p99]],
};

/** The panels of some results: one for each case that several servers did, else one for all cases. */
export function panelsOf(results: readonly Result[]): Panel[] {
  const panels: Panel[] = [];
  for (const [scenario, drawn] of Object.entries(DRAWN)) {
    const own = results.filter((result) => result.scenario === scenario);
    for (const [title, take] of drawn) {
      const byCase = Map.groupBy(own, (result) => result.case);
      const rest: Bar[] = [];
      for (const [name, of] of byCase) {
        const bars = of.flatMap((result) => {
          const value = take(result.figures);
          if (value === undefined) return [];
          const label = of.length > 1 ? result.server : name;
          return [{ label, value, isOwn: result.server === "chloe" }];
        });
        if (of.length > 1 && bars.length > 0) panels.push({ title: `${name}: ${title}`, bars });
        else rest.push(...bars);
      }
      if (rest.length > 0) panels.push({ title: `${scenario}: ${title}`, bars: rest });
    }
  }
  return panels;
}

/** Panels below each other, as an SVG. */
export function svg(panels: readonly Panel[]): string {
  const parts: string[] = [];
  const longest = Math.max(
    0,
    ...panels.flatMap(({ bars }) => bars.map(({ label }) => label.length)),
  );
  const left = Math.ceil(longest * CHARACTER_WIDTH) + 20;
  const whole = left + BAR_WIDTH + VALUE_WIDTH;
  let y = GAP;
  for (const { title, bars } of panels) {
    parts.push(`<text class="title" x="12" y="${y + 14}">${escape(title)}</text>`);
    y += TITLE_HEIGHT;
    const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
    for (const { label, value, isOwn } of bars) {
      const width = Math.max(1, BAR_WIDTH * Math.max(0, value) / most);
      parts.push(
        `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escape(label)}</text>` +
          `<rect class="${isOwn ? "own" : "peer"}" x="${left}" y="${y}" ` +
          `width="${width.toFixed(1)}" height="${BAR_HEIGHT}"/>` +
          `<text x="${(left + width + 6).toFixed(1)}" y="${y + 13}">${human(value)}</text>`,
      );
      y += STEP;
    }
    y += GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${whole} ${y}" width="${whole}" ` +
    `height="${y}"><style>${STYLE}</style>\n${parts.join("\n")}\n</svg>\n`;
}
