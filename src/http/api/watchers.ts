import type { Session } from "../../hub/session.ts";
import { CLOSES } from "../../protocol/codes.ts";
import type { Authenticator, Requester } from "../authentication.ts";

/** Who watches channels, and what they were let in by: that may be good for nothing any more. */
export class Watchers {
  readonly #all = new Map<Session, { readonly from: Requester; readonly atMs: number }>();

  add(session: Session, requester: Requester): void {
    // The request's own headers do not outlive it everywhere.
    const from = { ...requester, headers: new Headers(requester.headers) };
    this.#all.set(session, { from, atMs: Date.now() });
  }

  remove(session: Session): void {
    this.#all.delete(session);
  }

  /** Ends those that would not be let in any more. */
  recheck(authenticator: Authenticator): void {
    for (const [session, { from, atMs }] of [...this.#all]) {
      if (!authenticator.authenticate(from, { body: "", atMs }).ok) session.end(CLOSES.policy);
    }
  }
}
