import { assertEquals, assertStringIncludes } from "@std/assert";
import { readEnvironment } from "./environment.ts";

function values(env: Record<string, string>): Record<string, string> {
  const { values } = readEnvironment(env);
  return Object.fromEntries([...values].map(([key, text]) => [key.name, text]));
}

Deno.test("readEnvironment() picks out the config's variables", () => {
  assertEquals(values({ CHLOE_APP_URL: "http://x/", CHLOE_PORT: "9000", PATH: "/bin" }), {
    "app.url": "http://x/",
    "port": "9000",
  });
});

Deno.test("readEnvironment() takes an empty variable for one that is not set", () => {
  assertEquals(values({ CHLOE_APP_URL: "", CHLOE_SECRET: "" }), {});
});

Deno.test("readEnvironment() warns of a variable that means nothing", () => {
  assertEquals(readEnvironment({ CHLOE_APP_ULR: "x", CHLOE_WHATEVER_ELSE: "x" }).warnings, [
    "CHLOE_APP_ULR: there is no such key; did you mean CHLOE_APP_URL?",
    "CHLOE_WHATEVER_ELSE: there is no such key",
  ]);
});

Deno.test("readEnvironment() passes over what a container platform made for a service", () => {
  const env = {
    CHLOE_PORT: "tcp://10.0.0.1:8901",
    CHLOE_PORT_8901_TCP: "tcp://10.0.0.1:8901",
    CHLOE_PORT_8901_TCP_ADDR: "10.0.0.1",
    CHLOE_SERVICE_HOST: "10.0.0.1",
    CHLOE_SERVICE_PORT: "8901",
    CHLOE_SERVICE_PORT_HTTP: "8901",
  };
  assertEquals(values(env), {});
  const { warnings } = readEnvironment(env);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]!, "CHLOE_SERVICE_HOST");
  assertStringIncludes(warnings[0]!, "passed over");
});

Deno.test("readEnvironment() never repeats a value in a warning", () => {
  assertEquals(
    readEnvironment({ CHLOE_SECRTE: "whsec_hidden" }).warnings.join().includes("hidden"),
    false,
  );
});
