import { getLogger } from "@logtape/logtape";
import type { RelayEvent } from "./event.ts";
import { type Answer, isYes } from "./post.ts";

const logger = getLogger(["chloe", "relay"]);

/** An app in trouble gets one line of each kind in this time, however many events it costs. */
const EVERY_MS = 10_000;

/** Problems that are named in one line. */
const MAX_PROBLEMS = 5;

/** What the relay writes into the log. None of it holds data, an id of a session, or a URL. */
export class Journal {
  readonly #now: () => number;
  /** By kind of line, when the next may be written. Kinds are few: they are never forgotten. */
  readonly #nextAt = new Map<string, number>();
  #isInTrouble = false;

  /** @param now The time in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  busy(waiting: number): void {
    if (!this.#mayWrite("busy")) return;
    logger.warn("Refusing messages: {waiting} wait for the app", { waiting });
  }

  /** An attempt failed in a way that is worth another. */
  trouble({ status, problem = `it answers ${status}` }: Answer, waiting: number): void {
    this.#isInTrouble = true;
    if (!this.#mayWrite("trouble")) return;
    logger.error("The app at app.url does not take events, they are tried again: {problem}", {
      problem,
      waiting,
    });
  }

  /** No attempt is left for an event, or there was no room for it. */
  gaveUp({ type, aim, attempts }: RelayEvent): void {
    if (aim !== "told") {
      if (!this.#mayWrite("gaveUp")) return;
      logger.error("Gave up an event for the app, its sender is told so: attempts {attempts}", {
        attempts,
      });
    } else if (type !== "restarted" && this.#mayWrite(`gaveUp ${type}`)) { // that one comes again
      logger.error("Gave up a {type} event, the app does not hear of it: attempts {attempts}", {
        type,
        attempts,
      });
    }
  }

  /** The app said yes or no. */
  answer({ type }: RelayEvent, answer: Answer): void {
    const { status } = answer;
    if (this.#isInTrouble) {
      this.#isInTrouble = false;
      if (this.#mayWrite("recovered")) logger.info("The app takes events again");
    }
    if (!isYes(answer) && this.#mayWrite(`refused ${type} ${status}`)) {
      logger.warn("The app at app.url refused a {type} event: it answered {status}", {
        type,
        status,
      });
    }
  }

  /** The body of a yes was not read. */
  cut(cut: "too_large" | "broken_off"): void {
    if (!this.#mayWrite(cut)) return;
    logger.warn("Passing over the body of the app's answer: it {problem}", {
      problem: cut === "too_large" ? "is over 256 KiB" : "broke off",
    });
  }

  /** Parts of a yes were not understood, or could not be done. */
  bad(problems: readonly string[]): void {
    if (!this.#mayWrite("bad")) return;
    logger.warn("Passing over what the app's answer asks for: {problems}", {
      problems: problems.slice(0, MAX_PROBLEMS).join("; "),
    });
  }

  #mayWrite(kind: string): boolean {
    const now = this.#now();
    if (now < (this.#nextAt.get(kind) ?? -Infinity)) return false;
    this.#nextAt.set(kind, now + EVERY_MS);
    return true;
  }
}
