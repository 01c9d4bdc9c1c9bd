import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const ID_BYTES = 12;
const MAC_BYTES = 18;
const ID_LENGTH = 16;
const SECRET_LENGTH = ID_LENGTH + 1 + 24;

/** Makes session ids, and the secrets that prove that one owns a session. */
export interface SessionKeys {
  /** A new id: 96 random bits. It is public. */
  create(): string;
  /** The secret of a session: `<id>.<MAC>`. */
  secret(id: string): string;
  /** The id of a secret that was made here, or `null`. Takes the same time for every wrong secret. */
  verify(secret: string): string | null;
}

/** The id that a secret claims to be of, whether it is a secret or not. */
export function idIn(secret: string): string {
  return secret.slice(0, ID_LENGTH);
}

/** Whether two secrets are the same: compared in constant time, as all have one length. */
export function isSameSecret(given: string, known: string): boolean {
  if (given.length !== SECRET_LENGTH || known.length !== SECRET_LENGTH) return false;
  let difference = 0;
  for (let i = 0; i < SECRET_LENGTH; i++) difference |= given.charCodeAt(i) ^ known.charCodeAt(i);
  return difference === 0;
}

/** Keys that are good for as long as this process: sessions do not outlive it either. */
export function sessionKeys(key: Uint8Array = randomBytes(32)): SessionKeys {
  function mac(id: string): Uint8Array {
    return createHmac("sha256", key).update(id).digest().subarray(0, MAC_BYTES);
  }
  return {
    create: () => randomBytes(ID_BYTES).toString("base64url"),
    secret: (id) => `${id}.${Buffer.from(mac(id)).toString("base64url")}`,
    verify(secret) {
      if (secret.length !== SECRET_LENGTH || secret[ID_LENGTH] !== ".") return null;
      const id = secret.slice(0, ID_LENGTH);
      const given = Buffer.from(secret.slice(ID_LENGTH + 1), "base64url");
      const expected = mac(id);
      return given.length === expected.length && timingSafeEqual(given, expected) ? id : null;
    },
  };
}
