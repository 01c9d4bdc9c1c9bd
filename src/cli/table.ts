/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Its text is cut where the terminal is too narrow; others are shown whole. */
  readonly mayBeCut?: boolean;
}

const GAP = "  ";
/** A column is not cut to less than this. */
const MIN_WIDTH = 8;

/**
 * Rows as lines of a table. Where it is wider than `width`, the columns that may be cut are, the widest first.
 *
 * @param width In characters; `Infinity` where nobody looks at it on a terminal.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const all = [columns.map(({ title }) => title), ...rows.map((row) => row.map(visible))];
  const widths = columns.map((_, at) =>
    all.reduce((most, row) => Math.max(most, size(row[at]!)), 0)
  );
  const total = () => widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length);
  while (total() > width) {
    const widest = columns.reduce<number>((found, { mayBeCut }, at) => {
      if (!mayBeCut || widths[at]! <= MIN_WIDTH) return found;
      return found < 0 || widths[at]! > widths[found]! ? at : found;
    }, -1);
    if (widest < 0) break; // the terminal breaks the lines then
    widths[widest]!--;
  }
  return all.map((row) => row.map((text, at) => fitted(text, widths[at]!)).join(GAP).trimEnd());
}

/** How wide the terminal is; `Infinity` where stdout is none. */
export function terminalWidth(): number {
  try {
    return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
  } catch {
    return Infinity;
  }
}

/**
 * Text of strangers as a terminal may be given it: what would move its cursor, change its colours or turn the
 * direction of its letters is written as JSON would escape it.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// Controls (Cc), line and paragraph separators, and what marks the direction of letters (Bidi_Control).
const HIDDEN =
  // deno-lint-ignore no-control-regex -- these are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function size(text: string): number {
  return [...text].length;
}

function fitted(text: string, width: number): string {
  const letters = [...text];
  return letters.length <= width
    ? text + " ".repeat(width - letters.length)
    : `${letters.slice(0, width - 1).join("")}…`;
}
