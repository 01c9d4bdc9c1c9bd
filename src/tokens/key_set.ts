import { getLogger } from "@logtape/logtape";
import { createLocalJWKSet, type CryptoKey, errors, type JSONWebKeySet } from "jose";
import type { KeySource, SourceText } from "./key_sources.ts";

const logger = getLogger(["chloe", "tokens"]);

const MAX_KEYS = 100;

/** Of the keys that a token without a `kid` may mean, how many are tried. */
const MAX_CANDIDATES = 10;

/** For how long after they should have been read again keys are used while their source is down. */
const STALE_MS = 60 * 60_000;

/** How soon a source is asked again while there are no keys at all, in milliseconds. */
const FIRST_PAUSE_MS = 2000;

/** As jose has it: a shorter RSA key is refused. */
const MIN_RSA_BITS = 2048;

type Find = ReturnType<typeof createLocalJWKSet>;

/** What of a token's header says which key signed it. */
export type KeyHeader = { readonly alg: string; readonly kid?: string };

/** How a set is kept. */
export interface KeySetOptions {
  readonly source: KeySource;
  /** In milliseconds since 1970. */
  now(): number;
}

/**
 * The public keys of a source, kept and read again when they are old or lack a key that a token names.
 *
 * jose's own `createRemoteJWKSet` knows URLs alone, asks one that is down at every token, and lets go of
 * good keys where they cannot be read again in time.
 */
export class KeySet {
  readonly #source: KeySource;
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #find: Find | null = null;
  #version: string | null = null;
  /** When the source was last read, and when it last could be. */
  #lookedMs = -Infinity;
  #goodMs = -Infinity;
  #isFailing = false;
  #hasWarned = false;
  #looking: Promise<void> | null = null;

  constructor({ source, now }: KeySetOptions) {
    this.#source = source;
    this.#now = now;
  }

  /** Reads the source at once. @throws Error that says why it cannot, and what to do. */
  async open(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      throw new Error(
        `Cannot read token.jwks ${this.#source.name}: ${message(error)}. ` +
          "Give it a JSON Web Key Set's path or URL",
        { cause: error },
      );
    }
  }

  /**
   * The keys that may have signed a token with this header: none where the set has no such key, `null` where
   * that cannot be told now. Never rejects.
   */
  async keysFor(header: KeyHeader): Promise<readonly CryptoKey[] | null> {
    if (this.#ageMs >= this.#source.freshMs) await this.#look();
    const keys = await this.#match(header);
    if (keys === null || keys.length > 0) return keys;
    const lookedMs = this.#lookedMs;
    await this.#look();
    const now = this.#lookedMs === lookedMs ? keys : await this.#match(header);
    // The source may have the key by now.
    return now?.length === 0 && this.#isFailing ? null : now;
  }

  /** Breaks off what is under way. */
  close(): void {
    this.#closing.abort();
  }

  get #ageMs(): number {
    return this.#now() - this.#goodMs;
  }

  async #match(header: KeyHeader): Promise<readonly CryptoKey[] | null> {
    if (this.#find === null || this.#ageMs >= this.#source.freshMs + STALE_MS) return null;
    try {
      const keys = await candidates(this.#find, header);
      if (keys.every(isLongEnough)) return keys;
      this.#warn(`an RSA key has fewer than ${MIN_RSA_BITS} bits`);
    } catch (error) {
      this.#warn(message(error));
    }
    return null;
  }

  /** Reads the source, but not again so soon. Never rejects. */
  #look(): Promise<void> {
    if (this.#looking !== null) return this.#looking;
    const { pauseMs } = this.#source;
    const pause = this.#find === null ? Math.min(FIRST_PAUSE_MS, pauseMs) : pauseMs;
    if (this.#now() - this.#lookedMs < pause || this.#closing.signal.aborted) {
      return Promise.resolve();
    }
    return this.#looking = this.#read().then(() => {
      if (this.#isFailing) {
        logger.info("The JWKS {name} can be read again", { name: this.#source.name });
      }
      this.#isFailing = false;
    }, (error) => {
      if (!this.#isFailing && !this.#closing.signal.aborted) this.#report(message(error));
      this.#isFailing = true;
    }).finally(() => this.#looking = null);
  }

  async #read(): Promise<void> {
    try {
      const found = await this.#source.read(this.#closing.signal, this.#version);
      if (found !== null) this.#take(found);
      this.#goodMs = this.#now();
    } finally {
      this.#lookedMs = this.#now();
    }
  }

  #take({ text, version }: SourceText): void {
    this.#find = createLocalJWKSet(parseKeys(text));
    this.#version = version;
    this.#hasWarned = false;
  }

  #report(problem: string): void {
    const { name } = this.#source;
    if (this.#find === null) {
      logger.error("Cannot read the JWKS {name}: {problem}. No token by its keys is taken", {
        name,
        problem,
      });
    } else {
      logger.warning(
        "Cannot read the JWKS {name} again: {problem}. Its keys are used for an hour more",
        { name, problem },
      );
    }
  }

  #warn(problem: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { name } = this.#source;
    logger.warning("A key of the JWKS {name} cannot be used: {problem}", { name, problem });
  }
}

async function candidates(find: Find, header: KeyHeader): Promise<readonly CryptoKey[]> {
  try {
    return [await find(header)];
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return [];
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    const keys: CryptoKey[] = [];
    for await (const key of error) {
      keys.push(key);
      if (keys.length === MAX_CANDIDATES) break;
    }
    return keys;
  }
}

function isLongEnough({ algorithm }: CryptoKey): boolean {
  return !("modulusLength" in algorithm) || Number(algorithm.modulusLength) >= MIN_RSA_BITS;
}

/** @throws Error whose message has nothing of the text in it. */
function parseKeys(text: string): JSONWebKeySet {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch (error) {
    throw new Error("it is not JSON", { cause: error });
  }
  const keys = typeof set === "object" && set !== null && "keys" in set ? set.keys : undefined;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === "object" && key !== null)) {
    throw new Error(`it has no list "keys" of JSON Web Keys`);
  }
  if (keys.length > MAX_KEYS) throw new Error(`it has more than ${MAX_KEYS} keys`);
  return { keys };
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
