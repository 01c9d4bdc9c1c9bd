import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CHANNEL_NAME_PROBLEM, covers, firstMatch, parsePattern } from "./channel_pattern.ts";

function fits(pattern: string, name: string): boolean {
  const test = parsePattern(pattern);
  assert(typeof test !== "string", `${pattern}: ${test}`);
  return test(name);
}

const CASES:
  readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ["news", ["news"], ["new", "newss", "News", "a:news", "news:a"]],
    ["*", ["news", "a.b", "*"], ["a:b", "a/b", "/all"]],
    ["**", ["news", "a:b/c", "/all", "Kürbis 🎃"], []],
    ["room:*", ["room:7", "room:"], ["room", "room:7:8", "room:7/8", "xroom:7"]],
    ["room:*:chat", ["room:7:chat", "room::chat"], ["room:7:8:chat", "room:7", "room:7:chats"]],
    ["room:**", ["room:7", "room:7:8/9", "room:"], ["room"]],
    ["**:chat", ["room:7:chat", ":chat"], ["chat"]],
    ["**:chat:**", ["a:chat:b", "a:chat:chat:b", ":chat:"], ["chat:b", "a:chat"]],
    ["**a*b**", ["ab", "xa.yb", "a:a.b:c", "a:ab"], ["a:b", "xa:yb", "ba", "a"]],
    ["a**a", ["aa", "aba", "a:a"], ["a"]],
    ["*ab", ["ab", "aab", "abab"], ["aba", "a:ab"]],
    ["*:*/*", ["a:b/c", ":/"], ["a:b", "a/b:c", "a:b/c/d"]],
    ["user-*/inbox", ["user-7/inbox", "user-/inbox"], ["user-7/8/inbox"]],
    ["🎃:*", ["🎃:x", "🎃:🎃"], ["\ud83c:x"]],
    ["a.b", ["a.b"], ["axb"]],
    ["a+b?(c)[d]{2}^$|\\", ["a+b?(c)[d]{2}^$|\\"], ["aab", "a"]],
    // As in a channel's name, one leading slash is not part of it.
    ["/news", ["news"], ["/news"]],
    ["/room:*", ["room:7"], ["/room:7"]],
    ["/**", ["news"], []],
    ["/all", ["/all"], ["all"]],
    ["all", ["all"], ["/all"]],
  ];

for (const [pattern, yes, no] of CASES) {
  Deno.test(`parsePattern() knows what ${pattern} is for`, () => {
    assertEquals(yes.filter((name) => !fits(pattern, name)), []);
    assertEquals(no.filter((name) => fits(pattern, name)), []);
  });
}

Deno.test("parsePattern() finds the names that a regular expression finds", () => {
  const names = words("ab:", 6);
  // Those of five letters have no place for two ** with something behind each.
  const long = words("ab:", 2).flatMap((part) =>
    ["a", "ba", "b:", "*b", "a*", ":*a"].flatMap((
      end,
    ) => [`**${part}**${end}`, `b**${part}**${end}`])
  );
  for (const pattern of [...words("ab:*", 5), ...long]) {
    const test = parsePattern(pattern);
    if (typeof test === "string") continue;
    const source = pattern.replaceAll(/\*\*?/g, (stars) => stars === "*" ? "[^:/]*" : ".*");
    const expression = new RegExp(`^${source}$`);
    const wrong = names.filter((name) => test(name) !== expression.test(name));
    assertEquals(wrong, [], pattern);
  }
});

Deno.test("parsePattern() says what is wrong, and what to do", () => {
  const cases = [
    ["", CHANNEL_NAME_PROBLEM],
    ["/", CHANNEL_NAME_PROBLEM],
    [" news", CHANNEL_NAME_PROBLEM],
    ["a\nb", CHANNEL_NAME_PROBLEM],
    ["x".repeat(201), CHANNEL_NAME_PROBLEM],
    ["***", "write ** for anything"],
    ["a:****", "write ** for anything"],
    ["a*b*", "more than once in a segment"],
    ["x:*a*:y", "more than once in a segment"],
    ["**:**:**", "more than twice"],
  ] as const;
  for (const [text, words] of cases) {
    const problem = parsePattern(text);
    assert(typeof problem === "string", text);
    assertStringIncludes(problem, words, text);
  }
  assert(typeof parsePattern("x".repeat(200)) !== "string");
});

Deno.test("parsePattern() answers at once for a name that is made to take long", () => {
  // A regular expression of the same takes seven milliseconds for this name, each time.
  const pattern = `**aa*${"a".repeat(20)}**${"a".repeat(20)}b`;
  const name = "a".repeat(200);
  for (let i = 0; i < 100; i++) assertEquals(fits(pattern, name), false);
});

Deno.test("firstMatch() gives the index of the first pattern that fits", () => {
  const find = firstMatch(["room:lobby", "room:*", "**:chat"]);
  assertEquals(["room:lobby", "room:7", "room:7:chat", "news"].map(find), [0, 1, 2, -1]);
  assertEquals(firstMatch([])("news"), -1);
  assertThrows(() => firstMatch(["***"]), TypeError, "must not have ***");
});

Deno.test("covers() knows where a pattern leaves nothing to another", () => {
  const yes = [
    ["news", "/news"],
    ["chat:*", "chat:*"],
    ["chat:*", "chat:lobby"],
    ["chat:*", "chat:x*y"],
    ["chat:**", "chat:*:log"],
    ["**", "/all"],
    ["**", "**:**"],
    ["**:*", "**:log"],
  ] as const;
  const no = [
    ["chat:lobby", "chat:*"],
    ["*", "**"],
    ["*:*", "**"],
    ["**:*", "**"],
    ["chat:*", "chat:**"],
    ["*", "/all"],
    ["a*", "*a"],
  ] as const;
  assertEquals(yes.filter(([pattern, other]) => !covers(pattern, other)), []);
  assertEquals(no.filter(([pattern, other]) => covers(pattern, other)), []);
});

Deno.test("covers() never claims a name that only the other pattern fits", () => {
  const names = words("ab:", 5);
  const patterns = words("a:*", 4).filter((text) => typeof parsePattern(text) !== "string");
  for (const pattern of patterns) {
    for (const other of patterns) {
      if (!covers(pattern, other)) continue;
      const missed = names.filter((name) => fits(other, name) && !fits(pattern, name));
      assertEquals(missed, [], `${pattern} and ${other}`);
    }
  }
});

/** All texts of 1 to `length` of the letters. */
function words(letters: string, length: number): string[] {
  const all: string[] = [];
  let last = [""];
  for (let i = 0; i < length; i++) {
    last = last.flatMap((word) => [...letters].map((letter) => word + letter));
    all.push(...last);
  }
  return all;
}
