/**
 * What must hold between keys. Each rule sees a whole config of which every key is valid by itself.
 *
 * @module
 */
import { covers } from "../protocol/channel_pattern.ts";
import { isLoopbackHost } from "../web/loopback.ts";
import { socketPath } from "./fields.ts";
import type { Config } from "./schema.ts";

/** Something that was found at a place more exact than a key: `channel[0].authorize`. */
export interface Finding {
  readonly path: string;
  readonly message: string;
}

/** One thing that must hold between keys. */
export interface Rule {
  /** The key that the problem is reported at, then the others that it depends on. */
  readonly keys: readonly [string, ...string[]];
  /** A warning lets Chloe start all the same. */
  readonly severity: "problem" | "warning";
  /** What is wrong, or `null`; or what is wrong where. */
  check(config: Config): string | readonly Finding[] | null;
}

/** All rules. */
export const rules: readonly Rule[] = [
  {
    keys: ["host", "secret", "api_keys"],
    severity: "problem",
    check: ({ host, secret, api_keys }) =>
      isLoopbackHost(host) || secret.length + api_keys.length > 0
        ? null
        : `${host} is not a loopback address, and there is neither a secret nor an API key: ` +
          `put what 'chloe secret' prints into the config, or listen on 127.0.0.1`,
  },
  {
    keys: ["tls.cert", "tls.key"],
    severity: "problem",
    check: ({ tls: { cert, key } }) =>
      cert !== undefined && key === undefined
        ? "there is no tls.key: set it to the file with the certificate's private key"
        : null,
  },
  {
    keys: ["tls.key", "tls.cert"],
    severity: "problem",
    check: ({ tls: { cert, key } }) =>
      key !== undefined && cert === undefined
        ? "there is no tls.cert: set it to the file with the key's certificate"
        : null,
  },
  {
    keys: ["tls.cert", "host"],
    severity: "problem",
    check: ({ tls: { cert }, host }) =>
      cert !== undefined && socketPath(host) !== null
        ? "a Unix socket speaks no TLS: leave tls out, and let the proxy in front have it"
        : null,
  },
  {
    keys: ["trusted_proxies", "host"],
    severity: "warning",
    check: ({ trusted_proxies, host }) => {
      const onSocket = socketPath(host) !== null;
      if (trusted_proxies.length === 0 || trusted_proxies.includes("unix") === onSocket) {
        return null;
      }
      return onSocket
        ? `who comes by the Unix socket has no address to be in the list by: add "unix"`
        : `"unix" is for who comes by a Unix socket, and host names none`;
    },
  },
  {
    keys: ["app.forward_headers", "origins"],
    severity: "problem",
    check: ({ app, origins }) =>
      app.forward_headers.includes("cookie") && origins.length === 0
        ? "cookies are forwarded only where origins are listed: set origins"
        : null,
  },
  {
    keys: ["app.events", "app.url"],
    severity: "warning",
    check: ({ app }) =>
      app.url === undefined && app.events.some((name) => name !== "message")
        ? "there is no app.url: nobody is told of them"
        : null,
  },
  {
    keys: ["app.events", "app.format"],
    severity: "problem",
    check: ({ app }) => {
      const others = app.events.filter((event) => event !== "message");
      return app.format === "chloe-1" && others.length > 0
        ? `the format chloe-1 has no ${others.join(", ")}: ` +
          `leave only message, or use the format json`
        : null;
    },
  },
  {
    keys: ["channel", "token.secret", "token.jwks"],
    severity: "problem",
    check: (config) =>
      hasTokenKeys(config) ? null : askedOf(
        config,
        "token",
        "there is no key to check tokens by: set token.secret ('chloe secret' makes one) or token.jwks",
      ),
  },
  {
    keys: ["channel", "app.format"],
    severity: "problem",
    check: (config) =>
      config.app.format === "json" ? null : askedOf(
        config,
        "app",
        "an app with the format chloe-1 cannot be asked: use the format json",
      ),
  },
  {
    // No problem: `chloe serve --demo` has an app where none is configured.
    keys: ["channel", "app.url", "app.format"],
    severity: "warning",
    check: (config) =>
      config.app.url !== undefined || config.app.format !== "json"
        ? null
        : askedOf(config, "app", "there is no app to ask, so nobody gets in: set app.url"),
  },
  {
    keys: ["channel"],
    severity: "warning",
    check: ({ channel }) =>
      channel.flatMap(({ pattern }, i) => {
        const first = channel.slice(0, i).findIndex((earlier) => covers(earlier.pattern, pattern));
        return first < 0 ? [] : [{
          path: `channel[${i}].pattern`,
          message: `this rule is for no name at all, as channel[${first}] comes first ` +
            `and is for all of its names: put it above that, or leave one of them out`,
        }];
      }),
  },
  {
    keys: ["token.required", "token.secret", "token.jwks"],
    severity: "problem",
    check: (config) =>
      config.token.required && !hasTokenKeys(config)
        ? "there is no key to check tokens by, so nobody could connect: " +
          "set token.secret ('chloe secret' makes one) or token.jwks"
        : null,
  },
  {
    keys: ["token.algorithms", "token.secret", "token.jwks"],
    severity: "problem",
    check: ({ token }) =>
      (token.algorithms ?? []).flatMap((name, i) => {
        const path = `token.algorithms[${i}]`;
        if (name.startsWith("HS")) {
          if (token.secret.length > 0) return [];
          return [{
            path,
            message: `${name} is checked by token.secret: set it, or leave ${name} out`,
          }];
        }
        if (token.jwks !== undefined) return [];
        return [{
          path,
          message: `${name} is checked by token.jwks: set it, or leave ${name} out`,
        }];
      }),
  },
  {
    keys: ["token.algorithms", "token.secret", "token.jwks"],
    severity: "problem",
    check({ token: { algorithms, secret, jwks } }) {
      if (algorithms === undefined) return [];
      const takesSecret = algorithms.some((name) => name.startsWith("HS"));
      const takesKeys = algorithms.some((name) => !name.startsWith("HS"));
      const path = "token.algorithms";
      if (secret.length > 0 && !takesSecret) {
        return [{ path, message: "has none for token.secret: add HS256, or leave the secret out" }];
      }
      if (jwks !== undefined && !takesKeys) {
        return [{
          path,
          message: "has none for token.jwks: add RS256, say, or leave the keys out",
        }];
      }
      return [];
    },
  },
  {
    keys: ["token.secret", "secret", "api_keys", "legacy.secret"],
    severity: "problem",
    check: ({ token, secret, api_keys, legacy }) => {
      const others = new Set([...secret, ...api_keys, legacy.secret]);
      return token.secret.flatMap((text, i) =>
        others.has(text)
          ? [{
            path: `token.secret[${i}]`,
            message: "is used as another kind of key too, and none stands in for another: " +
              "take a new one ('chloe secret' makes one)",
          }]
          : []
      );
    },
  },
  {
    keys: ["limits.unwritten_bytes", "limits.message_bytes"],
    severity: "warning",
    check: ({ limits }) =>
      limits.unwritten_bytes < limits.message_bytes
        ? "is less than limits.message_bytes: one long message makes every reader a slow one"
        : null,
  },
];

function hasTokenKeys({ token }: Config): boolean {
  return token.secret.length > 0 || token.jwks !== undefined;
}

/** The same finding at each rule for channels that has this `authorize`. */
function askedOf({ channel }: Config, authorize: string, message: string): Finding[] {
  return channel.flatMap((rule, i) =>
    rule.authorize === authorize ? [{ path: `channel[${i}].authorize`, message }] : []
  );
}
