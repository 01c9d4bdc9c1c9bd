import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Config, schema } from "../config/schema.ts";
import { runChloe } from "../../tests/support/chloe_process.ts";
import { describeChannel } from "./check.ts";

function config(tree: unknown): Config {
  return schema.parse(tree);
}

const RULES = config({
  channel: [
    { pattern: "news" },
    {
      pattern: "chat:*",
      publish: "clients",
      history: {},
      presence: true,
    },
    {
      pattern: "count:**",
      authorize: "token",
      history: { size: 1, ttl: "90s" },
      presence: { names: 0 },
      slow: "keep_latest",
      max_subscribers: 1,
    },
    {
      pattern: "room:*",
      authorize: "app",
      history: { size: 2, ttl: "1500ms" },
      slow: "drop_oldest",
      max_subscribers: 50,
    },
    { pattern: "user:*", authorize: "closed", history: { ttl: "1d" } },
  ],
});

Deno.test("describeChannel() says which rule a name has, and all that it means", () => {
  const words = (name: string) => describeChannel(RULES, name);
  assertEquals(
    words("chat:1"),
    `channel[1], "chat:*": anybody may subscribe, browsers may publish, keeps 100 messages for 5 minutes, ` +
      `tells who is there (up to 100 by name), slow readers are closed`,
  );
  assertEquals(
    words("news"),
    `channel[0], "news": anybody may subscribe, only the app may publish, keeps no messages, ` +
      `does not tell who is there, slow readers are closed`,
  );
  assertEquals(
    words("count:a/b"),
    `channel[2], "count:**": who has a token for it may subscribe, only the app may publish, ` +
      `keeps 1 message for 90 seconds, tells how many are there, ` +
      `slow readers get only the newest message, takes 1 session at most`,
  );
  assertEquals(
    words("room:1"),
    `channel[3], "room:*": whom the app admits may subscribe, only the app may publish, ` +
      `keeps 2 messages for 1500 milliseconds, does not tell who is there, ` +
      `slow readers lose the oldest messages and are told how many, takes 50 sessions at most`,
  );
  assertStringIncludes(words("user:1"), "nobody may subscribe, but whom the app puts in");
  assertStringIncludes(words("user:1"), "keeps 100 messages for 1 day");
});

Deno.test("describeChannel() says what becomes of a name that no rule fits", () => {
  assertEquals(
    describeChannel(RULES, "other"),
    "no rule fits: closed (there are rules, and none is for it)",
  );
  assertEquals(
    describeChannel(config({}), "other"),
    "no rule fits: open (there are no rules, and 127.0.0.1 is a loopback address): " +
      "anybody may subscribe, only the app may publish",
  );
  assertEquals(
    describeChannel(config({ host: "0.0.0.0" }), "other"),
    "no rule fits: closed (there are no rules, and 0.0.0.0 is not a loopback address)",
  );
});

Deno.test("describeChannel() knows that nobody chooses to be in the channel of all", () => {
  assertEquals(
    describeChannel(RULES, "/all"),
    "no rule fits: every session is in it, only the app may publish, keeps no messages, slow readers are closed",
  );
  assertStringIncludes(
    describeChannel(config({ channel: [{ pattern: "**", slow: "drop_oldest" }] }), "/all"),
    `channel[0], "**": every session is in it, only the app may publish, keeps no messages, slow readers lose`,
  );
});

Deno.test("chloe check --channel says it of each name that is given", async () => {
  const { code, stdout, stderr } = await runChloe(
    ["check", "--channel", "/chat:1", "--channel=other"],
    { env: { CHLOE_CHANNEL: `[{"pattern":"chat:*"}]` } },
  );
  assertEquals([code, stderr], [0, ""]);
  const [ok, chat, other, ...rest] = stdout.split("\n");
  assertMatch(ok!, /^ok/);
  assertMatch(chat!, /^chat:1: channel\[0\], "chat:\*": anybody may subscribe, /);
  assertMatch(other!, /^other: no rule fits: closed/);
  assertEquals(rest, [""]);
});

Deno.test("chloe check --channel refuses what is no channel's name", async () => {
  for (const name of ["", "/", " news", "x".repeat(201)]) {
    const { code, stdout, stderr } = await runChloe(["check", "--channel", name]);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, /^chloe: --channel: must have 1 to 200 characters[^\n]*\n$/);
  }
});
