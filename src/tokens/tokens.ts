/**
 * Says who is connecting, and who may enter a channel, by the signed tokens (JWT) that the app gives to its
 * pages. docs/tokens.md is for those who make them.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyOptions,
  UnsecuredJWT,
} from "jose";
import type { ChannelClaims, ConnectionClaims } from "../protocol/claims.ts";
import { pinAlgorithms, takesSecret } from "./algorithms.ts";
import { channelClaims, type ChannelEntry, connectionClaims } from "./claims.ts";
import { type KeyHeader, KeySet } from "./key_set.ts";
import { isUrl, keySource } from "./key_sources.ts";
import { isSigned, secretKeys } from "./secret_keys.ts";

export type { ChannelEntry };

const logger = getLogger(["chloe", "tokens"]);

/** The longest token that is looked at, in characters, which in a token are bytes. */
export const MAX_TOKEN_LENGTH = 8 * 1024;

/**
 * By how much the app's clock may be off. A page shows its token within milliseconds of its making, so that
 * with a clock a little ahead `nbf` and `iat` are in the future. Machines that keep their clocks are within
 * a second of each other; more would only let ended tokens live on.
 */
const TOLERANCE_S = 5;

/** The end of the year 9999: a time beyond it was meant in milliseconds. */
const MAX_TIME_S = 253_402_300_799;

/** How tokens are checked: as `[token]` in the config. */
export interface TokenOptions {
  /** For HS256, HS384 and HS512: each is text of at least 32 bytes, and any of them will do. */
  readonly secrets: readonly string[];
  /** A JSON Web Key Set for all other algorithms: an http or https URL, or a file's path. */
  readonly jwks?: string;
  /** Default: HS256 where there are secrets; RS256, ES256 and EdDSA where there is a `jwks`. */
  readonly algorithms?: readonly string[];
  /** Has to be the token's `aud`, or one of them. */
  readonly audience?: string;
  /** Has to be the token's `iss`. */
  readonly issuer?: string;
  /**
   * These take the place of others: a key set is read at once, wherever it is, as the others could go on, and
   * what was counted goes on.
   */
  readonly inPlaceOf?: Tokens | null;
  /** For tests: the time in milliseconds since 1970. */
  now?(): number;
  readonly fetch?: typeof fetch;
}

/** Why a token is refused; the codes are those of the protocol. */
export type TokenRefusal = "bad_token" | "token_expired" | "app_unreachable";

/** What a token says, or why it says nothing. The message is for developers, and has no secret in it. */
export type Verified<Claims> =
  | { readonly ok: true; readonly claims: Claims }
  | { readonly ok: false; readonly code: TokenRefusal; readonly message: string };

/** What was checked, as plain numbers: read on demand, never reset. */
export interface TokenCounters {
  readonly verified: number;
  readonly refused: Readonly<Record<TokenRefusal, number>>;
}

/** Checks tokens. Nothing here rejects. */
export interface Tokens {
  readonly counters: TokenCounters;
  /** Reads the token that a page connects with. */
  connection(token: string): Promise<Verified<ConnectionClaims>>;
  /** Reads the token that a session subscribes with. */
  channel(token: string, entry: ChannelEntry): Promise<Verified<ChannelClaims>>;
  /** Breaks off what is under way. */
  close(): void;
}

/**
 * Makes what checks tokens. A key set in a file is read at once; one at a URL when the first token needs it,
 * as a server starts even where another one is down.
 *
 * @throws Error that says what to do where the options contradict each other or the file cannot be read.
 */
export async function createTokens(options: TokenOptions): Promise<Tokens> {
  const { secrets, jwks, fetch } = options;
  const algorithms = pinAlgorithms(options.algorithms, {
    hasSecrets: secrets.length > 0,
    hasKeys: jwks !== undefined,
  });
  const keys = secretKeys(secrets);
  if (jwks === undefined) return new Verifier({ options, algorithms, keys, keySet: null });
  const source = keySource(jwks, fetch && { fetch });
  const keySet = new KeySet({ source, now: () => options.now?.() ?? Date.now() });
  if (!isUrl(jwks) || options.inPlaceOf !== undefined) await keySet.open();
  return new Verifier({ options, algorithms, keys, keySet });
}

interface Parts {
  readonly options: TokenOptions;
  readonly algorithms: ReadonlySet<string>;
  readonly keys: readonly Uint8Array[];
  readonly keySet: KeySet | null;
}

type Counted = { verified: number; readonly refused: Record<TokenRefusal, number> };

/** Why one token is not taken. It is thrown within this file alone. */
class Refused extends Error {
  constructor(readonly code: TokenRefusal, message: string) {
    super(message);
  }
}

class Verifier implements Tokens {
  readonly counters: Counted;
  readonly #now: () => number;
  readonly #algorithms: ReadonlySet<string>;
  readonly #bounds: JWTVerifyOptions;
  /** For what is signed with a secret. */
  readonly #keys: readonly Uint8Array[];
  readonly #keySet: KeySet | null;
  /** The last header that could be read, as a token has it: an app's tokens all begin with the same text. */
  #lastHeader: { readonly text: string; readonly header: KeyHeader } | null = null;

  constructor({ options, algorithms, keys, keySet }: Parts) {
    const { audience, issuer, inPlaceOf } = options;
    this.counters = inPlaceOf instanceof Verifier ? inPlaceOf.counters : {
      verified: 0,
      refused: { bad_token: 0, token_expired: 0, app_unreachable: 0 },
    };
    this.#now = () => options.now?.() ?? Date.now();
    this.#algorithms = algorithms;
    this.#bounds = {
      algorithms: [...algorithms],
      clockTolerance: TOLERANCE_S,
      ...(audience !== undefined && { audience }),
      ...(issuer !== undefined && { issuer }),
    };
    this.#keys = keys;
    this.#keySet = keySet;
  }

  connection(token: string): Promise<Verified<ConnectionClaims>> {
    return this.#check(token, connectionClaims);
  }

  channel(token: string, entry: ChannelEntry): Promise<Verified<ChannelClaims>> {
    return this.#check(
      token,
      (payload, expiresAtMs) => channelClaims(payload, { entry, expiresAtMs }),
    );
  }

  close(): void {
    this.#keySet?.close();
  }

  async #check<Claims extends object>(
    token: string,
    read: (payload: JWTPayload, expiresAtMs: number | null) => Claims | string,
  ): Promise<Verified<Claims>> {
    try {
      const nowMs = this.#now();
      const payload = await this.#open(token, nowMs);
      const claims = read(payload, expiryMs(payload, nowMs));
      if (typeof claims === "string") throw new Refused("bad_token", claims);
      this.counters.verified++;
      return { ok: true, claims };
    } catch (error) {
      const { code, message } = error instanceof Refused ? error : unforeseen(error);
      this.counters.refused[code]++;
      return { ok: false, code, message };
    }
  }

  /** What the token holds, once its signature and its times are found good. @throws Refused */
  async #open(token: string, nowMs: number): Promise<JWTPayload> {
    if (token.length > MAX_TOKEN_LENGTH) {
      throw new Refused("bad_token", `The token is longer than ${MAX_TOKEN_LENGTH} characters`);
    }
    if (!FORM.test(token)) throw new Refused("bad_token", NOT_A_TOKEN);
    const header = this.#headerOf(token);
    const bounds = { ...this.#bounds, currentDate: new Date(nowMs) };
    try {
      // An HS algorithm is checked with the secrets alone, any other with the key set alone: a public key, which
      // anybody knows, never serves as a secret.
      const payload = takesSecret(header.alg)
        ? this.#openBySecret(token, header, bounds)
        : await this.#openByKey(token, header, bounds);
      checkTimes(payload, nowMs);
      return payload;
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  #openBySecret(token: string, { alg }: KeyHeader, bounds: JWTVerifyOptions): JWTPayload {
    const end = token.lastIndexOf(".");
    const text = token.slice(0, end);
    if (!isSigned({ algorithm: alg, text, signature: token.slice(end + 1) }, this.#keys)) {
      throw new Refused(
        "bad_token",
        "The token was signed with another secret: sign with token.secret, as the text that it is",
      );
    }
    const claims = text.slice(text.indexOf(".") + 1);
    return UnsecuredJWT.decode(`${UNSECURED}.${claims}.`, bounds).payload;
  }

  async #openByKey(
    token: string,
    header: KeyHeader,
    bounds: JWTVerifyOptions,
  ): Promise<JWTPayload> {
    for (const key of await this.#keysFor(header)) {
      try {
        return (await jwtVerify(token, key, bounds)).payload;
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw new Refused(
      "bad_token",
      "The token was signed with another key than the one in the JWKS: name it by its kid",
    );
  }

  /** @throws Refused as {@linkcode #readHeader}. */
  #headerOf(token: string): KeyHeader {
    const last = this.#lastHeader;
    if (last !== null && token.startsWith(last.text)) return last.header;
    const header = this.#readHeader(token);
    this.#lastHeader = { text: token.slice(0, token.indexOf(".") + 1), header };
    return header;
  }

  /** @throws Refused where it is not a token, or the algorithm is not one of those that are pinned. */
  #readHeader(token: string): KeyHeader {
    let header;
    try {
      header = decodeProtectedHeader(token);
    } catch {
      throw new Refused("bad_token", NOT_A_TOKEN);
    }
    const { alg, kid, crit } = header;
    if (typeof alg !== "string" || !this.#algorithms.has(alg)) {
      throw new Refused("bad_token", `alg: must be ${[...this.#algorithms].join(" or ")}`);
    }
    if (crit !== undefined) {
      throw new Refused("bad_token", "crit: leave it out: none is known here");
    }
    if (kid === undefined) return { alg };
    if (typeof kid !== "string") throw new Refused("bad_token", "kid: must be text");
    return { alg, kid };
  }

  /** What the header says of keys (`jku`, `jwk`, `x5u`) is not read. @throws Refused */
  async #keysFor(header: KeyHeader): Promise<readonly CryptoKey[]> {
    const keys = await this.#keySet!.keysFor(header);
    if (keys === null) {
      throw new Refused(
        "app_unreachable",
        "The JWKS that token.jwks names cannot be read, or has a key that cannot be used: " +
          "try again later, and see Chloe's log",
      );
    }
    if (keys.length > 0) return keys;
    throw new Refused(
      "bad_token",
      "kid: the JWKS has no such key for this alg: publish it a minute before you sign with it",
    );
  }

  /** What an error of jose's means. */
  #refusal(error: unknown): unknown {
    if (error instanceof errors.JWTExpired) {
      return new Refused("token_expired", "exp: the token has expired: ask for a new one");
    }
    if (error instanceof errors.JWTClaimValidationFailed) {
      return new Refused("bad_token", this.#claimMessage(error));
    }
    const isMalformed = error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid;
    return isMalformed ? new Refused("bad_token", NOT_A_TOKEN) : error;
  }

  #claimMessage({ claim, reason }: errors.JWTClaimValidationFailed): string {
    const { audience, issuer } = this.#bounds;
    if (claim === "aud") return `aud: must be ${JSON.stringify(audience)}, or a list with it`;
    if (claim === "iss") return `iss: must be ${JSON.stringify(issuer)}`;
    return `${claim}: ${reason === "check_failed" ? FUTURE : NOT_A_TIME}`;
  }
}

/** Looked at first: of what has another form neither a secret nor the key set's source needs to be asked. */
const FORM = /^[\w-]+\.[\w-]*\.[\w-]*$/;

/** The header of a token that has no signature: as such jose gets one whose signature was found good here. */
const UNSECURED = new UnsecuredJWT().encode().split(".")[0];
const NOT_A_TOKEN =
  "That is no JWT: three parts in base64url, without =, with a full stop between them and nothing around";
const NOT_A_TIME = "must be a number of seconds since 1970";
const FUTURE = `is in the future: check the clock, and that it is ${NOT_A_TIME.slice(8)}`;

/** What jose leaves out: tokens from the future, and times that no clock will show. @throws Refused */
function checkTimes({ iat, nbf, exp }: JWTPayload, nowMs: number): void {
  for (const [claim, time] of Object.entries({ iat, nbf, exp })) {
    if (time !== undefined && !(Math.abs(time) <= MAX_TIME_S)) {
      throw new Refused("bad_token", `${claim}: ${NOT_A_TIME}`);
    }
  }
  if (iat !== undefined && iat > nowMs / 1000 + TOLERANCE_S) {
    throw new Refused("bad_token", `iat: ${FUTURE}`);
  }
}

/** When a token ends: one that was taken within the tolerance does not end before it began. */
function expiryMs({ exp }: JWTPayload, nowMs: number): number | null {
  if (exp === undefined) return null;
  const ms = Math.floor(exp * 1000);
  return ms > nowMs ? ms : ms + TOLERANCE_S * 1000;
}

/** A bug, or a key that the platform cannot use. The error's text may have the token in it. */
function unforeseen(error: unknown): Refused {
  const { name, stack = "" } = error instanceof Error ? error : new Error();
  const lines = stack.split("\n").filter((line) => /^\s+at /.test(line));
  logger.error("Cannot check a token: {name}\n{stack}", { name, stack: lines.join("\n") });
  return new Refused("app_unreachable", "The token could not be checked: try again later");
}
