import { type AddressList, addressList } from "../http/addresses.ts";
import {
  type Authenticator,
  type Requester,
  strangerVerdict,
  type Verdict,
} from "../http/authentication.ts";

/** Who may read metrics. */
export interface AccessOptions {
  readonly authenticator: Authenticator;
  /** The addresses that need no key, as `addressList` takes them. */
  readonly from: readonly string[];
}

/**
 * Decides who may read metrics: who may use `/send` by what it shows, and programs at some addresses. What
 * speaks for strangers there is not let in without a key, be it a web page or a proxy.
 *
 * @throws TypeError where an address is none.
 */
export function metricsAccess(
  { authenticator, from }: AccessOptions,
): (requester: Requester) => Verdict {
  const isReader: AddressList = addressList(from);
  return function decide(requester) {
    const { headers, remoteAddress } = requester;
    const showsKey = headers.has("authorization") || headers.has("webhook-signature");
    if (showsKey && authenticator.guarded) {
      return authenticator.authenticate(requester, { body: "" });
    }
    const remedy = authenticator.guarded ? SHOW_KEY : `${CONFIGURE_KEY}, and show it`;
    const verdict: Verdict = isReader(remoteAddress)
      ? strangerVerdict(requester, remedy) ??
        { ok: true, by: "address", key: "address", goodUntilMs: 0 }
      : {
        ok: false,
        reason: "address",
        message: `Cannot let you in without a key: ${remedy}, or add your address to metrics.from`,
      };
    if (!verdict.ok) authenticator.counters.refuse(verdict.reason);
    return verdict;
  };
}

const SHOW_KEY = "send 'authorization: Bearer <api key>' or sign by Standard Webhooks";
const CONFIGURE_KEY = "configure a secret or api_keys (see 'chloe secret')";
