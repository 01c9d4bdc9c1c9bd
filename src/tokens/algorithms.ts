import * as keys from "../signing/token_keys.ts";

const SECRET_ALGORITHMS: readonly string[] = keys.SECRET_ALGORITHMS;
const KEY_ALGORITHMS: readonly string[] = keys.KEY_ALGORITHMS;

/** Whether what is signed by an algorithm is checked with a secret. */
export function takesSecret(algorithm: string): boolean {
  return SECRET_ALGORITHMS.includes(algorithm);
}

/** What there is to check tokens with. */
export interface Trust {
  readonly hasSecrets: boolean;
  readonly hasKeys: boolean;
}

/**
 * The algorithms that are taken: `wanted`, or what one may expect of secrets and keys.
 *
 * @throws Error where one of `wanted` is not known, or what it needs is not there.
 */
export function pinAlgorithms(
  wanted: readonly string[] | undefined,
  { hasSecrets, hasKeys }: Trust,
): ReadonlySet<string> {
  if (!hasSecrets && !hasKeys) {
    throw new Error("Cannot check tokens: set token.secret, token.jwks, or both");
  }
  if (wanted === undefined) {
    return new Set([
      ...(hasSecrets ? ["HS256"] : []),
      ...(hasKeys ? ["RS256", "ES256", "EdDSA"] : []),
    ]);
  }
  for (const algorithm of wanted) {
    const isBySecret = takesSecret(algorithm);
    if (!isBySecret && !KEY_ALGORITHMS.includes(algorithm)) {
      const known = [...SECRET_ALGORITHMS, ...KEY_ALGORITHMS].join(", ");
      throw new Error(`Cannot use token.algorithms: take some of ${known}, not ${algorithm}`);
    }
    if (isBySecret ? !hasSecrets : !hasKeys) {
      const key = isBySecret ? "token.secret" : "token.jwks";
      throw new Error(`Cannot use token.algorithms: ${algorithm} needs ${key}, which is not set`);
    }
  }
  const isUsed = (algorithms: readonly string[]) =>
    algorithms.some((each) => wanted.includes(each));
  if (hasSecrets && !isUsed(SECRET_ALGORITHMS)) {
    throw new Error("Cannot use token.secret: token.algorithms has no HS256, HS384 or HS512");
  }
  if (hasKeys && !isUsed(KEY_ALGORITHMS)) {
    throw new Error("Cannot use token.jwks: token.algorithms has only those for token.secret");
  }
  return new Set(wanted);
}
