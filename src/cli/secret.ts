/**
 * `chloe secret`: fresh keys for a config.
 *
 * @module
 */
import { createApiKey, createWebhookSecret } from "../signing/secrets.ts";
import { createTokenSecret } from "../signing/token_keys.ts";
import { addCommand, type Cli } from "./command.ts";
import { say } from "./terminal.ts";

/** Adds the command to the program. */
export function addSecret(cli: Cli): void {
  addCommand(cli, "secret", () => {
    say(secretBlock());
    return Promise.resolve(0);
  }).description("print fresh keys, to be put at the top of the config file");
}

/** Lines for a config file, with keys that were never used: one of each kind. */
export function secretBlock(): string {
  return [
    "# Put these lines at the top of chloe.toml, above its first [table].",
    "# Signs what Chloe and the app send each other (https://www.standardwebhooks.com/).",
    `secret = "${createWebhookSecret()}"`,
    "# What the app, or curl, names itself with: authorization: Bearer <key>.",
    `api_keys = ["${createApiKey()}"]`,
    "# Signs users' tokens (JWT). Where there is a [token] it belongs there, as secret = ...",
    `token.secret = "${createTokenSecret()}"`,
  ].join("\n");
}
