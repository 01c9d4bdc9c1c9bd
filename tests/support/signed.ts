import { credentials } from "../../src/cli/credentials.ts";

/** The headers by which an app signs a request. */
export function signedBy(secret: string, body: string): Record<string, string> {
  return credentials({ api_keys: [], secret: [secret] }, body);
}
