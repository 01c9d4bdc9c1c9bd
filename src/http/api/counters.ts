/** What the control API counts, as plain numbers: read on demand, never reset. */
export class ApiCounters {
  requests = 0;
  /** Requests that were answered with 200. */
  ok = 0;
  /** Requests refused, by status. */
  readonly refused: Record<number, number> = {};
  /** Who watches a channel now. */
  watchers = 0;
}
