import { assertEquals } from "@std/assert";
import { objection, roomOf } from "./check_layers.ts";

Deno.test("roomOf() knows rooms by their folders", () => {
  assertEquals(roomOf("main.ts"), "main");
  assertEquals(roomOf("src/server.ts"), "server");
  assertEquals(roomOf("src/hub/hub.ts"), "hub");
  assertEquals(roomOf("client/transports/websocket.ts"), "client");
  assertEquals(roomOf("tests/cli_test.ts"), null);
});

Deno.test("objection() lets imports go down and not up", () => {
  assertEquals(objection({ from: "src/transports/poll.ts", to: "src/hub/session.ts" }), null);
  assertEquals(
    objection({ from: "src/hub/session.ts", to: "src/transports/poll.ts" }),
    "hub must not import transports",
  );
});

Deno.test("objection() keeps rooms on one level apart", () => {
  assertEquals(
    objection({ from: "src/relay/relay.ts", to: "src/http/app.ts" }),
    "relay must not import http",
  );
});

Deno.test("objection() lets the server alone check tokens", () => {
  assertEquals(objection({ from: "src/server.ts", to: "src/tokens/tokens.ts" }), null);
  assertEquals(
    objection({ from: "src/hub/session.ts", to: "src/tokens/tokens.ts" }),
    "hub must not import tokens",
  );
  assertEquals(
    objection({ from: "src/tokens/tokens.ts", to: "src/hub/session.ts" }),
    "tokens must not import hub",
  );
});

Deno.test("objection() keeps the client to src/protocol", () => {
  assertEquals(objection({ from: "client/chloe.ts", to: "src/protocol/codes.ts" }), null);
  assertEquals(
    objection({ from: "client/chloe.ts", to: "src/web/errors.ts" }),
    "client must not import web",
  );
  assertEquals(
    objection({ from: "client/chloe.ts", to: "npm:zod@4" }),
    "client imports nothing from outside",
  );
});

Deno.test("objection() keeps tests out of the source", () => {
  assertEquals(
    objection({ from: "src/hub/hub.ts", to: "tests/support/chloe_process.ts" }),
    "hub must not import tests/",
  );
  assertEquals(
    objection({ from: "src/hub/hub.ts", to: "src/hub/hub_test.ts" }),
    "only tests import tests",
  );
});
