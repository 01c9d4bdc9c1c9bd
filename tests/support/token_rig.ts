/**
 * Keys, tokens and places to publish keys at, for the tests of src/tokens.
 *
 * @module
 */
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { createTokens, type TokenOptions, type Tokens } from "../../src/tokens/tokens.ts";

export const SECRET = "the first secret that a test signs its tokens with";
export const OTHER_SECRET = "the second secret, which takes the place of the first";

/** The time of these tests, in seconds since 1970. */
export const NOW_S = 1_800_000_000;

/** A time of day that moves when a test says so. */
export class Clock {
  ms = NOW_S * 1000;
  readonly now = () => this.ms;

  pass({ seconds }: { seconds: number }): void {
    this.ms += seconds * 1000;
  }
}

/** What checks tokens at {@linkcode NOW_S}, by {@linkcode SECRET} unless told otherwise. */
export async function testTokens(
  options: Partial<TokenOptions> = {},
): Promise<Tokens & Disposable> {
  const tokens = await createTokens({ secrets: [SECRET], now: new Clock().now, ...options });
  return Object.assign(tokens, { [Symbol.dispose]: () => tokens.close() });
}

/** A token by a secret. */
export function bySecret(
  claims: Record<string, unknown>,
  { secret = SECRET, header = { alg: "HS256" } }: {
    secret?: string;
    header?: JWTHeaderParameters;
  } = {},
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(header).sign(new TextEncoder().encode(secret));
}

/** A token made by hand, as no library would make it. */
export function byHand(
  header: unknown,
  { payload = {}, secret = SECRET }: { payload?: unknown; secret?: string | Uint8Array } = {},
): string {
  const part = (value: unknown) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return Buffer.from(text).toString("base64url");
  };
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** Something that signs, and its public half. */
export interface Signer {
  readonly jwk: JWK;
  readonly publicKey: CryptoKey;
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** A new key pair. `kid: null` leaves it out of both the key and the tokens. */
export async function signer(
  alg: string,
  { kid = `kid of ${alg}` }: { kid?: string | null } = {},
): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const named = kid === null ? {} : { kid };
  return {
    jwk: { ...await exportJWK(publicKey), ...named, use: "sig" },
    publicKey,
    sign: (claims = {}, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, ...named, ...header }).sign(privateKey),
  };
}

/** A server that publishes keys on loopback, and counts who asks for them. */
export class KeyServer implements AsyncDisposable {
  keys: readonly JWK[];
  /** How often it was asked. */
  asked = 0;
  /** Answers in place of the keys. */
  answer: (() => Response | Promise<Response>) | null = null;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(keys: readonly JWK[]) {
    this.keys = keys;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      this.asked++;
      return this.answer?.() ?? Response.json({ keys: this.keys });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/.well-known/jwks.json`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }
}

/** A file of keys. */
export class KeyFile implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async with(keys: readonly JWK[]): Promise<KeyFile> {
    const file = new KeyFile(await Deno.makeTempFile({ suffix: ".json" }));
    await file.write(keys);
    return file;
  }

  async write(keys: readonly JWK[]): Promise<void> {
    await Deno.writeTextFile(this.path, JSON.stringify({ keys }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.path);
  }
}
