import { createHash } from "node:crypto";

/**
 * The signature of 2011: the MD5, in hexadecimal, of the data followed by the secret. It covers nothing but
 * the data and can be replayed: a bridge for apps of that time, not a lock.
 */
export function legacySignature(data: string, secret: string): string {
  return createHash("md5").update(data + secret).digest("hex");
}
