import { getLogger } from "@logtape/logtape";

const logger = getLogger(["chloe", "transports"]);

/** A page that is refused tries again and again: of each origin there is one line in so long. */
const AGAIN_MS = 60_000;

/** Lines within that time, whatever origins there are: who asks may name any. */
const MAX_LINES = 20;

const MAX_LENGTH = 200;

/** Says in the log which origins were refused and what to do about it, and says it no oftener than helps. */
export class OriginNotices {
  /** What was told since `#sinceMs`. */
  readonly #told = new Set<string>();
  #sinceMs = -Infinity;
  #untold = 0;

  /** Notes a refusal. @param nowMs The time of the hub's clock. */
  refused(named: string, nowMs: number): void {
    if (nowMs - this.#sinceMs >= AGAIN_MS) this.#begin(nowMs);
    const origin = named.slice(0, MAX_LENGTH);
    if (this.#told.has(origin) || this.#told.size >= MAX_LINES) {
      this.#untold++;
      return;
    }
    this.#told.add(origin);
    if (origin === "null") {
      logger.warn("Refused a page of no origin, such as a file: serve it by http to let it in");
    } else if (!origin.includes("://")) {
      logger.warn(
        "Refused a page of another site that its browser does not name: if it is yours, add its origin " +
          "to `origins` in the configuration",
      );
    } else {
      logger.warn(
        "Refused a page of origin {origin}: to let it in, add that to `origins` in the configuration",
        { origin },
      );
    }
  }

  #begin(nowMs: number): void {
    if (this.#untold > 0) {
      logger.warn(
        "Refused pages {count} times more, of origins named above or of too many to name",
        {
          count: this.#untold,
        },
      );
    }
    this.#told.clear();
    this.#untold = 0;
    this.#sinceMs = nowMs;
  }
}
