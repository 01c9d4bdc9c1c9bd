import { equalInConstantTime, SecretSet } from "../signing/constant_time.ts";
import { legacySignature } from "../signing/legacy_signature.ts";
import { TOLERANCE_S, type Verifier, webhookVerifier } from "../signing/standard_webhooks.ts";
import { hostName, isLoopbackAddress, isLoopbackHost } from "../web/loopback.ts";
import type { Connection } from "../web/remote.ts";
import { type AddressList, addressList } from "./addresses.ts";

/** What lets an app in: it can be changed, by `configure`. */
export interface Credentials {
  /** `whsec_` secrets that requests may be signed with. */
  readonly secrets: readonly string[];
  /** Bearer keys. */
  readonly apiKeys: readonly string[];
  /** The signature of 2011: its secret, and the addresses that it is taken from. */
  readonly legacy?: { readonly secret: string; readonly from: readonly string[] };
}

/** How an authenticator is set up. */
export interface AuthenticatorOptions extends Credentials {
  readonly counters?: AuthCounters;
  /** The time of day in milliseconds, for tests. */
  now?(): number;
}

/** Why somebody is not let in. */
export const AUTH_REASONS = [
  /** Nothing was shown. */
  "no_key",
  "bad_key",
  "unsigned",
  "stale",
  "bad_signature",
  /** The signature of 2011 is missing or does not fit. */
  "bad_sig",
  /** The address is none of those that need no key. */
  "address",
  // What speaks for strangers, from an address that needs no key.
  "host",
  "cross_site",
  "proxied",
] as const;

/** One of these. */
export type AuthReason = typeof AUTH_REASONS[number];

/** Who was not let in, as plain numbers: read on demand, never reset. */
export class AuthCounters {
  readonly refused: Partial<Record<AuthReason, number>> = {};

  refuse(reason: AuthReason): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1;
  }
}

/** Where a request comes from, and what it says of itself. */
export interface Requester extends Connection {
  readonly headers: Headers;
}

/** What a form in the way of 2011 says: its data, and the signature of it. */
export interface LegacyForm {
  readonly data: string;
  readonly sig: string;
}

/** Whether a request is let in; where it is not, `message` says what to do. */
export type Verdict =
  | {
    readonly ok: true;
    readonly by: "key" | "signature" | "legacy" | "loopback" | "address";
    /** Which of the configured keys or secrets it was, by its place: `key 0`. Not the key itself. */
    readonly key: string;
    /** Until when the same signed request would be let in again, in milliseconds; 0 without signature. */
    readonly goodUntilMs: number;
  }
  | { readonly ok: false; readonly reason: AuthReason; readonly message: string };

/**
 * Lets the app in: by a bearer key, by a signature, by the form member of 2011, or, where neither a secret nor
 * a key is configured, because it is on this very machine. Secrets are compared in constant time.
 */
export class Authenticator {
  readonly counters: AuthCounters;
  #keys!: SecretSet;
  #verify!: Verifier | null;
  #legacy!: { readonly secret: string; readonly from: AddressList } | null;
  readonly #now: () => number;

  constructor(
    { counters = new AuthCounters(), now = Date.now, ...credentials }: AuthenticatorOptions,
  ) {
    this.counters = counters;
    this.#now = now;
    this.configure(credentials);
  }

  /** From now on lets in by these, and by no others. */
  configure({ secrets, apiKeys, legacy }: Credentials): void {
    this.#keys = new SecretSet(apiKeys);
    this.#verify = secrets.length === 0 ? null : webhookVerifier(secrets);
    this.#legacy = legacy === undefined
      ? null
      : { secret: legacy.secret, from: addressList(legacy.from) };
  }

  /** Whether a secret or a key is configured. While there is none, this machine itself is let in. */
  get guarded(): boolean {
    return this.#keys.size > 0 || this.#verify !== null;
  }

  /**
   * Decides by the headers alone, so that a stranger's body is not read.
   *
   * @param takesLegacy Whether the request may be a form that is signed in the way of 2011.
   * @returns `null` where it depends on the body.
   */
  byHeaders(
    requester: Requester,
    { takesLegacy = false }: { takesLegacy?: boolean } = {},
  ): Verdict | null {
    const verdict = this.#byHeaders(requester, takesLegacy);
    return verdict === null ? null : this.#counted(verdict);
  }

  #byHeaders(requester: Requester, takesLegacy: boolean): Verdict | null {
    const { headers, remoteAddress } = requester;
    const authorization = headers.get("authorization");
    if (authorization !== null && this.#keys.size > 0) {
      const place = this.#keys.find(bearerKey(authorization));
      if (place >= 0) return { ok: true, by: "key", key: `key ${place}`, goodUntilMs: 0 };
    }
    if (this.#verify !== null && headers.has("webhook-signature")) return null;
    if (takesLegacy && this.#legacy?.from(remoteAddress)) return null;
    // Who set a secret for the signature of 2011 wants it to be asked for.
    if (!this.guarded && !(takesLegacy && this.#legacy !== null)) {
      return loopbackVerdict(requester);
    }
    return authorization === null
      ? refused(
        "no_key",
        "Cannot let you in: send 'authorization: Bearer <api key>' or sign by Standard Webhooks",
      )
      : refused("bad_key", "authorization: must be 'Bearer' and one of the configured api_keys");
  }

  /**
   * Decides on a whole request.
   *
   * @param body Byte for byte as it came.
   * @param atMs The time of day at which it came; now, where it is not given.
   * @param form For a route that takes the signature of 2011: the form, `null` where the request is none or
   * has no `sig`.
   */
  authenticate(
    requester: Requester,
    { body, form, atMs = this.#now() }: {
      body: string | Uint8Array;
      form?: LegacyForm | null;
      atMs?: number;
    },
  ): Verdict {
    const takesLegacy = form !== undefined;
    const verdict = this.byHeaders(requester, { takesLegacy });
    return verdict ?? this.#counted(this.#byBody(requester, { body, form: form ?? null, atMs }));
  }

  #byBody(
    { headers, remoteAddress }: Requester,
    { body, form, atMs }: {
      body: string | Uint8Array;
      form: LegacyForm | null;
      atMs: number;
    },
  ): Verdict {
    if (this.#verify !== null && headers.has("webhook-signature")) {
      const verified = this.#verify({ headers, body }, atMs);
      if (verified.ok) {
        const goodUntilMs = (verified.timestampS + TOLERANCE_S) * 1000;
        return { ok: true, by: "signature", key: `secret ${verified.key}`, goodUntilMs };
      }
      return refused(verified.reason, SIGNATURE_HELP[verified.reason]);
    }
    if (form && this.#legacy?.from(remoteAddress)) {
      const expected = legacySignature(form.data, this.#legacy.secret);
      return equalInConstantTime(form.sig.toLowerCase(), expected)
        ? { ok: true, by: "legacy", key: "legacy", goodUntilMs: 0 }
        : refused(
          "bad_sig",
          "sig: must be the MD5 in hexadecimal of the data followed by legacy.secret",
        );
    }
    return refused(
      "bad_sig",
      "Cannot let you in: a form must have 'sig', anything else an api key",
    );
  }

  #counted(verdict: Verdict): Verdict {
    if (!verdict.ok) this.counters.refuse(verdict.reason);
    return verdict;
  }
}

/** The key in an `Authorization` header; `""`, which is no key, where there is none. */
function bearerKey(authorization: string): string {
  // As most write it: a regular expression for each request to /send would cost as much as the comparison.
  if (authorization.startsWith("Bearer ") && !authorization.includes(" ", "Bearer ".length)) {
    return authorization.slice("Bearer ".length);
  }
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? "";
}

const SIGNATURE_HELP = {
  unsigned: "webhook-id, webhook-timestamp, webhook-signature: send all three",
  stale: "webhook-timestamp: must be in seconds, within 5 minutes of this server's clock",
  bad_signature: "webhook-signature: does not fit; sign '<id>.<timestamp>.<body>' with the secret",
} as const;

/**
 * Without secret and key only this machine's own programs are let in. A web page, a name that was rebound to
 * this machine, and a proxy on it speak for strangers.
 */
function loopbackVerdict(requester: Requester): Verdict {
  const { remoteAddress, peerAddress = remoteAddress } = requester;
  // What a proxy says of who asks is not enough: it may be wrong, and here that would open everything.
  if (!isLoopbackAddress(peerAddress) || !isLoopbackAddress(remoteAddress)) {
    return refused("address", `Cannot let in other machines: ${REMEDY}`);
  }
  return strangerVerdict(requester, REMEDY) ??
    { ok: true, by: "loopback", key: "loopback", goodUntilMs: 0 };
}

/**
 * The refusal of a request that speaks for strangers though it comes from an address that needs no key, or
 * `null`: of a web page of another origin, through a proxy, or, from this machine, by a name that is not its.
 *
 * @param remedy What to do about it, behind a semicolon.
 */
export function strangerVerdict(
  requester: Requester,
  remedy: string,
): Verdict & { readonly ok: false } | null {
  const { headers, remoteAddress, scheme = "http" } = requester;
  const named = requester.host ?? headers.get("host");
  const host = hostName(named);
  if (isLoopbackAddress(remoteAddress) && (host === null || !isLoopbackHost(host))) {
    return refused("host", `Host: must name this machine, such as localhost; or ${remedy}`);
  }
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") {
    return refused(
      "cross_site",
      `Sec-Fetch-Site: a page of another origin is not let in; ${remedy}`,
    );
  }
  const origin = headers.get("origin");
  if (origin !== null && origin.toLowerCase() !== `${scheme}://${named}`.toLowerCase()) {
    return refused("cross_site", `Origin: a page of another origin is not let in; ${remedy}`);
  }
  for (const name of headers.keys()) {
    if (name === "forwarded" || name === "via" || name.startsWith("x-forwarded-")) {
      return refused("proxied", `${name}: requests through a proxy are not let in; ${remedy}`);
    }
  }
  return null;
}

const REMEDY = "configure a secret or api_keys (see 'chloe secret')";

function refused(reason: AuthReason, message: string): Verdict & { readonly ok: false } {
  return { ok: false, reason, message };
}
