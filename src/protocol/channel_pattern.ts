import { channelName } from "./channel_name.ts";

/** What is wrong with text that is no channel's name, to be put after what the text is. */
export const CHANNEL_NAME_PROBLEM =
  "must have 1 to 200 characters, no control characters and no white space at its ends";

// No name holds a line feed: it stands for what only `**` covers, and NUL for what `*` does. See `covers`.
const SEGMENT_ENDS = ":/\n";
const ANYTHING = "\n";
const IN_SEGMENT = "\0";

/**
 * Reads a pattern of channel names: `*` stands for a part of one segment, `**` for anything, each for nothing
 * as well; segments end at `:` and `/`. One leading slash is not part of it, as it is none of a channel's
 * name; `/all` alone is the reserved channel.
 *
 * @returns Whether a name, as `channelName` gives it, fits; or what is wrong with the pattern, to be put after
 * what the text is.
 *
 * @example
 * ```ts
 * const fits = parsePattern("chat:*");
 * if (typeof fits !== "string") fits("chat:1"); // true
 * parsePattern("chat:***"); // "must not have *** in it: ..."
 * ```
 */
export function parsePattern(text: string): ((name: string) => boolean) | string {
  const pattern = channelName(text);
  if (pattern === null) return CHANNEL_NAME_PROBLEM;
  if (pattern.includes("***")) {
    return "must not have *** in it: write ** for anything, or * for a part of one segment";
  }
  if (count(pattern, "**") > 2) return "must not have ** more than twice: make two rules of it";
  const segments = pattern.replaceAll("**", "").split(/[:/]/);
  if (segments.some((segment) => count(segment, "*") > 1)) {
    return "must not have * more than once in a segment (they end at : and /): write ** for anything";
  }
  const parts = partsOf(pattern);
  return (name) => matches(parts, name);
}

/**
 * Finds the first of some patterns that a name fits.
 *
 * @returns A function from a name to the pattern's index, or -1.
 * @throws TypeError if one of them does not parse.
 */
export function firstMatch(patterns: readonly string[]): (name: string) => number {
  const tests = patterns.map((pattern) => {
    const test = parsePattern(pattern);
    if (typeof test === "string") throw new TypeError(`Cannot read a channel's pattern: ${test}`);
    return test;
  });
  return (name) => tests.findIndex((test) => test(name));
}

/**
 * Whether every name that fits `other` fits `pattern` too. Both must parse. It may say no where the answer is
 * yes, when several of the one's stars together cover one of the other's, and never the other way round.
 */
export function covers(pattern: string, other: string): boolean {
  const stars = partsOf(channelName(other)!).map((part) => {
    return part === "**" ? ANYTHING : part === "*" ? IN_SEGMENT : part;
  });
  return matches(partsOf(channelName(pattern)!), stars.join(""));
}

/** `room:*:a` as `room:`, `*` and `:a`. */
function partsOf(pattern: string): string[] {
  return pattern.split(/(\*{1,2})/).filter((part) => part !== "");
}

/**
 * Whether `name` fits. This is no regular expression: that would try the lengths of one star against those of
 * the next, which takes milliseconds where name and pattern are made for it. Here `ends` holds every place at
 * which the parts so far may end, so each part is looked for at each place of the name once, whatever they
 * hold.
 */
function matches(parts: readonly string[], name: string): boolean {
  let ends: number[] = [0]; // rising, each once
  /** After `**`: every place from this one on may be the end of what came before. */
  let from = -1;
  for (const part of parts) {
    if (part === "**") {
      from = ends[0]!;
      continue;
    }
    if (part === "*") {
      ends = throughSegments(ends, name); // never next to **: *** does not parse
    } else if (from < 0) {
      ends = ends.filter((end) => name.startsWith(part, end)).map((end) => end + part.length);
    } else {
      ends = [];
      for (let at = name.indexOf(part, from); at >= 0; at = name.indexOf(part, at + 1)) {
        ends.push(at + part.length);
      }
    }
    from = -1;
    if (ends.length === 0) return false;
  }
  return from >= 0 || ends[ends.length - 1] === name.length;
}

/** All places that can be reached from `starts` without leaving their segment. */
function throughSegments(starts: readonly number[], name: string): number[] {
  const places: number[] = [];
  for (const start of starts) {
    if (start <= (places[places.length - 1] ?? -1)) continue; // a start before it got here
    places.push(start);
    for (let i = start; i < name.length && !SEGMENT_ENDS.includes(name[i]!); i++) {
      places.push(i + 1);
    }
  }
  return places;
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}
