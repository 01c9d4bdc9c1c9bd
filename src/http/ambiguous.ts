import { errorResponse } from "../web/errors.ts";

/** Whether Deno itself refuses what has two lengths or two hosts: 2.9 does, 2.7 does not. */
const IS_STRICT = isAtLeast(Deno.version.deno, [2, 9]);

/**
 * Refuses a request that a proxy may understand in another way than Chloe does: of two lengths, by two hosts, or
 * in a coding before chunks (RFC 9112, sections 3.2 and 6.3). To look at a header costs some 0.2 µs, so only what
 * this Deno lets through is looked for.
 *
 * @returns The refusal, which ends the connection, or `null`.
 */
export function refuseAmbiguous(headers: Headers): Response | null {
  const coding = headers.get("transfer-encoding");
  if (coding !== null) {
    if (coding.toLowerCase() !== "chunked" || headers.has("content-length")) {
      return refusal("Cannot tell where the body ends: send Content-Length or chunked, not both");
    }
  } else if (!IS_STRICT && headers.get("content-length")?.includes(",")) {
    return refusal("Content-Length: must be there once");
  }
  if (IS_STRICT) return null;
  return headers.get("host")?.includes(",") ? refusal("Host: must be there once") : null;
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, rest = 0] = version.split(".").map(Number);
  return ours > major || ours === major && rest >= minor;
}

function refusal(message: string): Response {
  return errorResponse(400, "bad_request", message, { connection: "close" });
}
