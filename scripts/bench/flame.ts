/** A node of what V8's profiler writes (`.cpuprofile`). */
interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

/** What V8's profiler writes. */
export interface Profile {
  readonly nodes: readonly ProfileNode[];
  /** The node of each sample, and how many microseconds passed before it. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** A function in its callers, and the time it took. */
export interface Frame {
  readonly name: string;
  /** Microseconds, its callees' included. */
  total: number;
  /** Microseconds of its own. */
  self: number;
  readonly callees: Map<string, Frame>;
}

/** What V8 shows as a function where none runs. */
const IDLE = "(idle)";

const WIDTH = 1200;
const HEIGHT = 17;
const CHARACTER_WIDTH = 6.6;

/** Narrower ones are not drawn. */
const LEAST_WIDTH = 1.5;

const COLOURS = ["#f6c177", "#f2a65a", "#ee964b", "#f4b266", "#f9c784"];

function nameOf({ functionName, url, lineNumber }: ProfileNode["callFrame"]): string {
  const file = url.split("/").slice(-2).join("/");
  const name = functionName === "" ? "(anonymous)" : functionName;
  return file === "" ? name : `${name} ${file}:${lineNumber + 1}`;
}

/** The calls of a profile, those of one name from one place taken together, without what was idle. */
export function framesOf({ nodes, samples, timeDeltas }: Profile): Frame {
  const own = new Map<number, number>();
  samples.forEach((id, index) => own.set(id, (own.get(id) ?? 0) + (timeDeltas[index] ?? 0)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const add = (node: ProfileNode, frame: Frame): number => {
    const self = own.get(node.id) ?? 0;
    let total = self;
    for (const id of node.children ?? []) {
      const child = byId.get(id)!;
      const name = nameOf(child.callFrame);
      if (name === IDLE) continue;
      const callee = frame.callees.get(name) ?? { name, total: 0, self: 0, callees: new Map() };
      frame.callees.set(name, callee);
      total += add(child, callee);
    }
    frame.self += self;
    frame.total += total;
    return total;
  };
  const root: Frame = { name: "all", total: 0, self: 0, callees: new Map() };
  add(nodes[0]!, root);
  return root;
}

/** Where the time goes: functions by their own time, in percent of what was not idle, the most first. */
export function hottest(root: Frame, count: number): { name: string; percent: number }[] {
  const times = new Map<string, number>();
  const visit = (frame: Frame) => {
    times.set(frame.name, (times.get(frame.name) ?? 0) + frame.self);
    for (const callee of frame.callees.values()) visit(callee);
  };
  visit(root);
  return [...times].sort(([, a], [, b]) => b - a).slice(0, count)
    .map(([name, time]) => ({ name, percent: time / Math.max(1, root.total) * 100 }));
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A flame graph, callers above: widths are time. */
export function flameGraph(root: Frame): string {
  const parts: string[] = [];
  let depth = 0;
  const draw = (frame: Frame, x: number, level: number) => {
    const width = frame.total / Math.max(1, root.total) * WIDTH;
    if (width < LEAST_WIDTH) return;
    depth = Math.max(depth, level + 1);
    const y = level * HEIGHT;
    const colour = COLOURS[frame.name.length % COLOURS.length];
    const share = `${(frame.total / Math.max(1, root.total) * 100).toFixed(1)} %`;
    const shown = frame.name.slice(0, Math.max(0, Math.floor((width - 6) / CHARACTER_WIDTH)));
    parts.push(
      `<g><title>${escape(frame.name)} ${share}</title><rect x="${x.toFixed(1)}" y="${y}" ` +
        `width="${width.toFixed(1)}" height="${HEIGHT - 1}" fill="${colour}"/>` +
        (shown.length < 3
          ? ""
          : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escape(shown)}</text>`) +
        "</g>",
    );
    let at = x;
    for (const callee of [...frame.callees.values()].sort((a, b) => b.total - a.total)) {
      draw(callee, at, level + 1);
      at += callee.total / Math.max(1, root.total) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = depth * HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
    `width="${WIDTH}" height="${height}"><style>svg{background:#fff}` +
    `text{font:11px ui-monospace,monospace;fill:#222}</style>\n${parts.join("\n")}\n</svg>\n`;
}
