import { type ErrorCode, ERRORS } from "../protocol/codes.ts";

/** The statuses below 500 with which the same request may succeed later. */
const RETRIED = [408, 409, 429];

/** An error answer: every one of Chloe's has this body, so that an app needs one way to read them. */
export function errorResponse(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const known = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].retry : null;
  const retry = known ?? (status >= 500 || RETRIED.includes(status));
  return new Response(`${JSON.stringify({ error: { code, message, retry } })}\n`, {
    status,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
