import { hash, randomBytes } from "node:crypto";

const ID_BYTES = 12;
const ID_LENGTH = 16;
/** 144 bits in base64url. */
const MAC_LENGTH = 24;
const SECRET_LENGTH = ID_LENGTH + 1 + MAC_LENGTH;

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
  const prefix = key.toBase64();
  // SHA-3 of a key and a text is a MAC of the text (its authors' submission to NIST, and KMAC, say so): unlike
  // SHA-2 it needs no HMAC around it, which takes Deno 2.9 three times as long and leaves a stream as garbage.
  const secretOf = (id: string) => {
    return `${id}.${hash("sha3-256", prefix + id, "base64url").slice(0, MAC_LENGTH)}`;
  };
  return {
    create: () => randomBytes(ID_BYTES).toString("base64url"),
    secret: secretOf,
    verify(secret) {
      const id = idIn(secret);
      return isSameSecret(secret, secretOf(id)) ? id : null;
    },
  };
}
