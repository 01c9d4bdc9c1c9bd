import { errorResponse } from "../web/errors.ts";

/**
 * Refuses a request that a proxy may understand in another way than Chloe does: of two lengths, or by two
 * hosts. Deno 2.9 refuses most of these itself, Deno 2.7 takes them (RFC 9112, sections 3.2 and 6.3).
 *
 * @returns The refusal, which ends the connection, or `null`.
 */
export function refuseAmbiguous(headers: Headers): Response | null {
  const coding = headers.get("transfer-encoding");
  if (coding !== null) {
    if (coding.toLowerCase() !== "chunked" || headers.has("content-length")) {
      return refusal("Cannot tell where the body ends: send Content-Length or chunked, not both");
    }
  } else if (headers.get("content-length")?.includes(",")) {
    return refusal("Content-Length: must be there once");
  }
  return headers.get("host")?.includes(",") ? refusal("Host: must be there once") : null;
}

function refusal(message: string): Response {
  return errorResponse(400, "bad_request", message, { connection: "close" });
}
