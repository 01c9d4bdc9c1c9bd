/** What the relay counts, as plain numbers: read on demand, never reset. */
export class RelayCounters {
  /** Events taken for the app. */
  accepted = 0;
  /** Of these: the app said yes, said no, or was not reached in time. The rest is under way. */
  answered = 0;
  refused = 0;
  givenUp = 0;
  /** Of those taken: what the app is only told, so that nobody waits for its answer. */
  told = 0;
  /** Events that were not taken because too many waited. */
  busy = 0;
  /** Attempts beyond an event's first. */
  retried = 0;
  /** Answers with a body that was too large, or broke off: a yes, but nothing more. */
  answersCut = 0;
  /** Answers and actions in them that could not be understood or done. */
  actionsBad = 0;
  /** Events that wait for their turn or for another attempt, and how many bytes they are. */
  queued = 0;
  queuedBytes = 0;
  /** Requests to the app that are under way. */
  inFlight = 0;
}
