import { assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/toml";
import { checkConfig } from "./check.ts";
import { problemLine } from "./problems.ts";
import type { Table } from "./tree.ts";

const WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN_SECRET = "tok_0123456789abcdef0123456789abcdef";

function check(toml: string): { problems: string[]; warnings: readonly string[] } {
  const { problems, warnings } = checkConfig(parse(toml) as Table, {
    sourceOf: () => undefined,
    incomplete: false,
  });
  return { problems: problems.map(problemLine), warnings };
}

/** What is wrong with it; there are no warnings. */
function problems(toml: string): string[] {
  const found = check(toml);
  assertEquals(found.warnings, []);
  return found.problems;
}

const ASKING = (authorize: string) =>
  `[[channel]]\npattern = "news"\n[[channel]]\npattern = "chat:*"\nauthorize = "${authorize}"\n`;

Deno.test("a rule that asks for tokens needs a key to check them by", () => {
  const [line, ...others] = problems(ASKING("token"));
  assertStringIncludes(line!, "channel[1].authorize: there is no key to check tokens by");
  assertEquals(others, []);
  assertEquals(problems(`${ASKING("token")}[token]\nsecret = "${TOKEN_SECRET}"`), []);
  assertEquals(problems(`${ASKING("token")}[token]\njwks = "keys.json"`), []);
});

Deno.test("a rule that asks the app needs one that can be asked", () => {
  const app = `[app]\nurl = "http://127.0.0.1:4567/"\n`;
  assertEquals(problems(ASKING("app") + app), []);
  const [line, ...others] = problems(`${ASKING("app")}${app}format = "chloe-1"`);
  assertStringIncludes(
    line!,
    "channel[1].authorize: an app with the format chloe-1 cannot be asked",
  );
  assertEquals(others, []);
  // Only a warning: `--demo` brings an app.
  const found = check(ASKING("app"));
  assertEquals(found.problems, []);
  assertEquals(found.warnings.length, 1);
  assertStringIncludes(found.warnings[0]!, "channel[1].authorize: there is no app to ask");
});

Deno.test("a rule that comes too late is warned of", () => {
  const rules = (...patterns: string[]) =>
    patterns.map((pattern) => `[[channel]]\npattern = "${pattern}"`).join("\n");
  for (const [first, last] of [["a:*", "a:*"], ["/a", "a"], ["a:**", "a:b"], ["**", "a:*"]]) {
    const { problems, warnings } = check(rules("x", first!, last!));
    assertEquals([problems.length, warnings.length], [0, 1]);
    assertStringIncludes(warnings[0]!, "channel[2].pattern: this rule is for no name at all");
    assertStringIncludes(warnings[0]!, "channel[1] comes first");
  }
  assertEquals(problems(rules("a:b", "a:*", "a:**", "**")), []);
});

Deno.test("a pattern that does not parse is a problem that says what to do", () => {
  const lines = problems(`[[channel]]\npattern = "a***"\n[[channel]]\npattern = "*a*"\n`);
  assertEquals(lines.map((line) => line.split(" must")[0]), [
    "channel[0].pattern:",
    "channel[1].pattern:",
  ]);
  assertStringIncludes(lines[0]!, "write ** for anything");
});

Deno.test("the format chloe-1 has no event but message", () => {
  const [line, ...others] = problems(
    `[app]\nurl = "http://127.0.0.1/"\nformat = "chloe-1"\nevents = ["message", "connect", "restarted"]`,
  );
  assertStringIncludes(line!, "app.events: the format chloe-1 has no connect, restarted: leave");
  assertEquals(others, []);
  assertEquals(problems(`[app]\nformat = "chloe-1"`), []);
});

Deno.test("events for which there is no app are warned of", () => {
  const events = `[app]\nevents = ["message", "connect"]\n`;
  const found = check(events);
  assertEquals([found.problems, found.warnings.length], [[], 1]);
  assertStringIncludes(found.warnings[0]!, "app.events: there is no app.url");
  assertEquals(problems(`${events}url = "http://127.0.0.1/"`), []);
  assertEquals(problems(`[app]\nevents = ["message"]`), []);
});

Deno.test("tokens are not required where none could be checked", () => {
  assertStringIncludes(problems(`[token]\nrequired = true`)[0]!, "token.required: there is no key");
  assertEquals(problems(`[token]\nrequired = true\nsecret = "${TOKEN_SECRET}"`), []);
});

Deno.test("each algorithm needs the kind of key that it is for", () => {
  const both = `[token]\nalgorithms = ["HS512", "ES256"]\n`;
  assertEquals(problems(`${both}jwks = "k.json"`), [
    "token.algorithms[0]: HS512 is checked by token.secret: set it, or leave HS512 out",
  ]);
  assertEquals(problems(`${both}secret = "${TOKEN_SECRET}"`), [
    "token.algorithms[1]: ES256 is checked by token.jwks: set it, or leave ES256 out",
  ]);
  assertEquals(problems(`${both}jwks = "k.json"\nsecret = "${TOKEN_SECRET}"`), []);
});

Deno.test("no key for tokens is left without an algorithm", () => {
  const keys = `jwks = "k.json"\nsecret = "${TOKEN_SECRET}"`;
  assertEquals(problems(`[token]\nalgorithms = ["ES256"]\n${keys}`), [
    "token.algorithms: has none for token.secret: add HS256, or leave the secret out",
  ]);
  assertEquals(problems(`[token]\nalgorithms = ["HS256"]\n${keys}`), [
    "token.algorithms: has none for token.jwks: add RS256, say, or leave the keys out",
  ]);
});

Deno.test("no key stands in for one of another kind, and none is repeated", () => {
  const text = `${WEBHOOK_SECRET}${WEBHOOK_SECRET}`;
  for (
    const other of [
      `api_keys = ["${text}"]\n[token]\n`,
      `[legacy]\nsecret = "${text}"\n[token]\n`,
    ]
  ) {
    const [line, ...others] = problems(`${other}secret = ["${TOKEN_SECRET}", "${text}"]`);
    assertStringIncludes(line!, "token.secret[1]: is used as another kind of key too");
    assertEquals([others, line!.includes("whsec_")], [[], false]);
  }
  const [line] = problems(`secret = "${WEBHOOK_SECRET}"\n[token]\nsecret = "${WEBHOOK_SECRET}"`);
  assertStringIncludes(line!, "token.secret[0]: is used as another kind of key too");
});

Deno.test("what tokens are checked by is checked itself, and no secret is repeated", () => {
  const cases: readonly (readonly [toml: string, path: string, words: string])[] = [
    [`secret = "hidden"`, "token.secret[0]", "32 bytes or more"],
    [`secret = ["hidden,0123456789abcdef0123456789abcdef"]`, "token.secret[0]", "no comma"],
    [`jwks = "http://id.example.com/jwks.json"`, "token.jwks", "https URL"],
    [`jwks = "https://user:hidden@id.example.com/"`, "token.jwks", "https URL"],
    [`jwks = "ftp://127.0.0.1/"`, "token.jwks", "https URL"],
    [`jwks = ""`, "token.jwks", "path of a file"],
    [`algorithms = ["none"]`, "token.algorithms[0]", `"EdDSA"`],
    [`algorithms = []`, "token.algorithms", "one or more"],
    [`audience = ""`, "token.audience", "must not be empty"],
    [`secrets = "x"`, "token.secrets", "did you mean token.secret?"],
  ];
  for (const [toml, path, words] of cases) {
    const [line, ...others] = problems(`[token]\n${toml}`);
    assertEquals([line?.split(": ")[0], others], [path, []], toml);
    assertStringIncludes(line!, words);
    assertEquals(line!.includes("hidden"), false);
  }
  for (
    const place of ["http://127.0.0.1:9/k", "http://localhost/k", "http://[::1]/k", "./k.json"]
  ) {
    assertEquals(problems(`[token]\njwks = "${place}"`), []);
  }
  assertEquals(problems(`[token]\nsecret = "${"ü".repeat(16)}"`), []);
});

Deno.test("what a rule holds is within bounds", () => {
  const cases = [
    ["history = { size = 0 }", "channel[0].history.size: must be 1 or more"],
    ["history = { size = 100001 }", "channel[0].history.size: must be 100000 or less"],
    [`history = { ttl = "25d" }`, "channel[0].history.ttl: must be from 10ms to 24d"],
    ["history = true", `channel[0].history: must be a table such as { size = 100, ttl = "5m" }`],
    [
      "history = { sizes = 1 }",
      "channel[0].history.sizes: there is no such key; did you mean channel[0].history.size?",
    ],
    ["presence = 7", "channel[0].presence: must be true, false or a table such as { names = 100 }"],
    ["presence = { names = 10001 }", "channel[0].presence.names: must be 10000 or less"],
    [
      "presence = { name = 1 }",
      "channel[0].presence.name: there is no such key; did you mean channel[0].presence.names?",
    ],
    [`slow = "drop"`, `channel[0].slow: must be "close", "drop_oldest" or "keep_latest"`],
    ["max_subscribers = 0", "channel[0].max_subscribers: must be 1 or more"],
  ] as const;
  for (const [toml, line] of cases) {
    assertEquals(problems(`[[channel]]\npattern = "x"\n${toml}`), [line]);
  }
  assertEquals(problems(`[history]\nmax_bytes = "1KiB"`), [
    "history.max_bytes: must be from 64KiB to 64GiB",
  ]);
});
