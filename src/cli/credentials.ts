import type { Config } from "../config/schema.ts";
import { webhookSigner } from "../signing/standard_webhooks.ts";

/** The part of a config that lets one in. */
export type Keys = Pick<Config, "api_keys" | "secret">;

/** The headers by which Chloe knows its app: an API key, else a signature of the body, else none. */
export function credentials({ api_keys, secret }: Keys, body: string): Record<string, string> {
  if (api_keys[0] !== undefined) return { authorization: `Bearer ${api_keys[0]}` };
  if (secret.length === 0) return {};
  const id = `msg_${crypto.randomUUID()}`;
  const timestampS = Math.floor(Date.now() / 1000);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestampS),
    "webhook-signature": webhookSigner(secret.slice(0, 1))(id, timestampS, body),
  };
}
