/**
 * Pages of a set of names that changes all the time: each page begins behind the last name of the one before,
 * so what was there all the while is seen once, whatever comes and goes.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A page of names, in their order. */
export interface NamePage {
  readonly names: readonly string[];
  /** Where the next page begins; `null` after the last. */
  readonly next: string | null;
}

/**
 * The first `limit` names behind `after`, in the order of their UTF-16 code units.
 *
 * Nothing is kept in order for this, as sessions come and go far more often than they are listed. A page
 * costs one look at each name and about three more at each that is behind `after`, in whatever order they
 * are: 1 to 3 ms at 20,000 names. It is the walk over all pages that grows with the square of them.
 *
 * @param names Each once, in any order.
 */
export function pageOf(
  names: Iterable<string>,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): NamePage {
  const found: string[] = [];
  for (const name of names) if (after === null || name > after) found.push(name);
  // One more than asked for, to know whether there is a next page.
  selectLowest(found, limit + 1);
  const page = found.slice(0, limit + 1).sort(byCodeUnit);
  if (page.length <= limit) return { names: page, next: null };
  page.pop();
  return { names: page, next: page.at(-1)! };
}

/** How many names of one page are tested at most: a test of a long name may take 15 µs. */
const MAX_TESTED = 2000;

/**
 * As {@linkcode pageOf}, of those names that `fits`. A page may hold fewer than there are, even none, though
 * there is a next: the time it takes is bounded.
 *
 * @param prefix What each name that fits begins with: a first test that costs next to nothing.
 */
export function pageOfFitting(
  names: Iterable<string>,
  { after, limit, prefix, fits }: {
    readonly after: string | null;
    readonly limit: number;
    readonly prefix: string;
    fits(name: string): boolean;
  },
): NamePage {
  const tested = pageOf(startingWith(names, prefix), { after, limit: MAX_TESTED });
  const found: string[] = [];
  for (const name of tested.names) {
    if (!fits(name)) continue;
    found.push(name);
    if (found.length < limit) continue;
    const isLast = tested.next === null && name === tested.names.at(-1);
    return { names: found, next: isLast ? null : name };
  }
  return { names: found, next: tested.next };
}

function* startingWith(names: Iterable<string>, prefix: string): Iterable<string> {
  for (const name of names) if (name.startsWith(prefix)) yield name;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Brings the `count` lowest of `names` to the front, in no order: Hoare's selection. */
function selectLowest(names: string[], count: number): void {
  let low = 0;
  let high = names.length - 1;
  while (low < high && count <= high) {
    // By chance, so that no order of the names makes it slow.
    const pivot = names[low + Math.floor(Math.random() * (high - low + 1))]!;
    let i = low;
    let j = high;
    while (i <= j) {
      while (names[i]! < pivot) i++;
      while (names[j]! > pivot) j--;
      if (i > j) break;
      [names[i], names[j]] = [names[j]!, names[i]!];
      i++;
      j--;
    }
    if (count - 1 <= j) high = j;
    else if (count - 1 >= i) low = i;
    else return;
  }
}

/** What is listed: a cursor of one list is none of another. */
export type Listed = "sessions" | "channels";

/** A place in a list, as text that says nothing to whom it is given. */
export function writeCursor(listed: Listed, name: string): string {
  // As JSON, which keeps the half of a surrogate pair that a name may hold.
  return Buffer.from(`${listed} ${JSON.stringify(name)}`).toString("base64url");
}

/** The place that a cursor stands for, or `null` where it is none of this list. */
export function readCursor(listed: Listed, cursor: string): string | null {
  const text = Buffer.from(cursor, "base64url").toString();
  if (!text.startsWith(`${listed} `)) return null;
  try {
    const name: unknown = JSON.parse(text.slice(listed.length + 1));
    return typeof name === "string" && writeCursor(listed, name) === cursor ? name : null;
  } catch {
    return null;
  }
}
