/** The longest JSON Web Key Set that is read, in bytes. A hundred RSA keys with their certificates fit. */
export const MAX_KEYS_BYTES = 256 * 1024;

const TIMEOUT_MS = 5000;

/** What a source holds. */
export interface SourceText {
  readonly text: string;
  /** Tells this text from a later one, where the source can; else `null`. */
  readonly version: string | null;
}

/** Where a JSON Web Key Set comes from. */
export interface KeySource {
  /** What logs call it: the query of a URL may hold a key and is left out. */
  readonly name: string;
  /** For how long a set is used before it is looked at again, in milliseconds. */
  readonly freshMs: number;
  /** The shortest time between two looks, in milliseconds: who makes up key ids causes no more of them. */
  readonly pauseMs: number;
  /**
   * The text as it is now, or `null` where it still is `version`.
   *
   * @throws Error whose message says why there is none, and holds nothing secret.
   */
  read(signal: AbortSignal, version: string | null): Promise<SourceText | null>;
}

/** How a URL is read. */
export interface UrlSourceOptions {
  /** Bound of a request from its first byte to its answer's last, in milliseconds. Default: 5 s. */
  readonly timeoutMs?: number;
  /** For tests. */
  readonly fetch?: typeof fetch;
}

/** The source that `jwks` names: an http or https URL, or else a file's path. */
export function keySource(jwks: string, options: UrlSourceOptions = {}): KeySource {
  return isUrl(jwks) ? urlSource(jwks, options) : fileSource(jwks);
}

/** Whether `jwks` names a URL, and not a file. */
export function isUrl(jwks: string): boolean {
  return /^https?:\/\//i.test(jwks);
}

function urlSource(
  text: string,
  { timeoutMs = TIMEOUT_MS, fetch: request = fetch }: UrlSourceOptions,
): KeySource {
  const url = URL.parse(text);
  // The text stays out of the message: what is wrong with it may be the password in it.
  if (url === null || url.username !== "" || url.password !== "") {
    throw new Error("Cannot use token.jwks: give it an http or https URL without a password in it");
  }
  return {
    name: url.origin + url.pathname,
    freshMs: 10 * 60_000,
    pauseMs: 10_000,
    async read(signal) {
      const controller = new AbortController();
      const end = () => controller.abort();
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        end();
      }, timeoutMs);
      signal.addEventListener("abort", end);
      try {
        return {
          text: await getText(url, { fetch: request, signal: controller.signal }),
          version: null,
        };
      } catch (error) {
        if (error instanceof NoKeys) throw error;
        throw new NoKeys(isLate ? `no answer within ${timeoutMs} ms` : reason(error), {
          cause: error,
        });
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
      }
    },
  };
}

/** Whose message may be logged. */
class NoKeys extends Error {
  override name = "NoKeys";
}

interface Request {
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal;
}

async function getText(url: URL, { fetch, signal }: Request): Promise<string> {
  const { status, body } = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    // The keys decide who is let in: they come from where the config says, and from nowhere else.
    redirect: "manual",
    signal,
  });
  if (status !== 200 || body === null) {
    body?.cancel().catch(() => {});
    throw new NoKeys(`it answered ${status}, and not 200`);
  }
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  // Leaving the loop early cancels the body.
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_KEYS_BYTES) throw new NoKeys(`it is longer than ${MAX_KEYS_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Why a request failed: not fetch's own message, which has the URL with its query in it. */
function reason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  // Deno 2.9 puts what happened into the cause, 2.7 does not.
  return cause instanceof Error ? cause.message : "it could not be reached";
}

function fileSource(path: string): KeySource {
  return {
    name: path,
    freshMs: 60_000,
    pauseMs: 5000,
    async read(_signal, version) {
      const { isFile, size, mtime, ino } = await Deno.stat(path);
      if (!isFile) throw new Error("it is not a file");
      if (size > MAX_KEYS_BYTES) throw new Error(`it is longer than ${MAX_KEYS_BYTES} bytes`);
      // Looked at before the text is read: a file that changes in between is read once more, not missed.
      const found = `${mtime?.getTime()} ${size} ${ino}`;
      return found === version ? null : { text: await Deno.readTextFile(path), version: found };
    },
  };
}
