import { equalInConstantTime, SecretSet } from "../signing/constant_time.ts";
import { legacySignature } from "../signing/legacy_signature.ts";
import { TOLERANCE_S, type Verifier, webhookVerifier } from "../signing/standard_webhooks.ts";
import { hostName, isLoopbackAddress, isLoopbackHost } from "../web/loopback.ts";
import type { Connection } from "../web/remote.ts";
import { type AddressList, addressList } from "./addresses.ts";

/** What lets an app in. */
export interface AuthenticatorOptions {
  /** `whsec_` secrets that requests may be signed with. */
  readonly secrets: readonly string[];
  /** Bearer keys. */
  readonly apiKeys: readonly string[];
  /** The signature of 2011: its secret, and the addresses that it is taken from. */
  readonly legacy?: { readonly secret: string; readonly from: readonly string[] };
  /** The time of day in milliseconds, for tests. */
  now?(): number;
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
    readonly by: "key" | "signature" | "legacy" | "loopback";
    /** Until when the same signed request would be let in again, in milliseconds; 0 without signature. */
    readonly goodUntilMs: number;
  }
  | { readonly ok: false; readonly message: string };

/**
 * Lets the app in: by a bearer key, by a signature, by the form member of 2011, or, where neither a secret nor
 * a key is configured, because it is on this very machine. Secrets are compared in constant time.
 */
export class Authenticator {
  readonly #keys: SecretSet;
  readonly #verify: Verifier | null;
  readonly #legacy: { readonly secret: string; readonly from: AddressList } | null;
  readonly #now: () => number;

  constructor({ secrets, apiKeys, legacy, now = Date.now }: AuthenticatorOptions) {
    this.#keys = new SecretSet(apiKeys);
    this.#verify = secrets.length === 0 ? null : webhookVerifier(secrets);
    this.#legacy = legacy === undefined
      ? null
      : { secret: legacy.secret, from: addressList(legacy.from) };
    this.#now = now;
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
    const { headers, remoteAddress } = requester;
    const authorization = headers.get("authorization");
    if (authorization !== null && this.#keys.size > 0) {
      const [, key] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
      if (key !== undefined && this.#keys.has(key)) return { ok: true, by: "key", goodUntilMs: 0 };
    }
    if (this.#verify !== null && headers.has("webhook-signature")) return null;
    if (takesLegacy && this.#legacy?.from(remoteAddress)) return null;
    // Who set a secret for the signature of 2011 wants it to be asked for.
    if (!this.guarded && !(takesLegacy && this.#legacy !== null)) {
      return loopbackVerdict(requester);
    }
    return refused(
      authorization === null
        ? "Cannot let you in: send 'authorization: Bearer <api key>' or sign by Standard Webhooks"
        : "authorization: must be 'Bearer' and one of the configured api_keys",
    );
  }

  /**
   * Decides on a whole request.
   *
   * @param body Byte for byte as it came.
   * @param form For a route that takes the signature of 2011: the form, `null` where the request is none or
   * has no `sig`.
   */
  authenticate(
    requester: Requester,
    { body, form }: { body: string | Uint8Array; form?: LegacyForm | null },
  ): Verdict {
    const takesLegacy = form !== undefined;
    const verdict = this.byHeaders(requester, { takesLegacy });
    if (verdict !== null) return verdict;

    const { headers, remoteAddress } = requester;
    if (this.#verify !== null && headers.has("webhook-signature")) {
      const verified = this.#verify({ headers, body }, this.#now());
      if (verified.ok) {
        const goodUntilMs = (verified.timestampS + TOLERANCE_S) * 1000;
        return { ok: true, by: "signature", goodUntilMs };
      }
      return refused(SIGNATURE_HELP[verified.reason]);
    }
    if (form && this.#legacy?.from(remoteAddress)) {
      const expected = legacySignature(form.data, this.#legacy.secret);
      return equalInConstantTime(form.sig.toLowerCase(), expected)
        ? { ok: true, by: "legacy", goodUntilMs: 0 }
        : refused("sig: must be the MD5 in hexadecimal of the data followed by legacy.secret");
    }
    return refused("Cannot let you in: a form must have 'sig', anything else an api key");
  }
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
  const { headers, remoteAddress, peerAddress = remoteAddress, scheme = "http" } = requester;
  // What a proxy says of who asks is not enough: it may be wrong, and here that would open everything.
  if (!isLoopbackAddress(peerAddress) || !isLoopbackAddress(remoteAddress)) {
    return refused(`Cannot let in other machines: ${REMEDY}`);
  }
  const named = requester.host ?? headers.get("host");
  const host = hostName(named);
  if (host === null || !isLoopbackHost(host)) {
    return refused(`Host: must name this machine, such as localhost; or ${REMEDY}`);
  }
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") {
    return refused(`Sec-Fetch-Site: a page of another origin is not let in; ${REMEDY}`);
  }
  const origin = headers.get("origin");
  if (origin !== null && origin.toLowerCase() !== `${scheme}://${named}`.toLowerCase()) {
    return refused(`Origin: a page of another origin is not let in; ${REMEDY}`);
  }
  for (const name of headers.keys()) {
    if (name === "forwarded" || name === "via" || name.startsWith("x-forwarded-")) {
      return refused(`${name}: requests through a proxy are not let in; ${REMEDY}`);
    }
  }
  return { ok: true, by: "loopback", goodUntilMs: 0 };
}

const REMEDY = "configure a secret or api_keys (see 'chloe secret')";

function refused(message: string): Verdict {
  return { ok: false, message };
}
