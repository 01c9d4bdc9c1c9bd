import { firstMatch } from "../protocol/channel_pattern.ts";

/** What may be done with a channel, and what it keeps. */
export interface ChannelRule {
  /** Who may subscribe: anybody, who has a channel token, whom the app admits, or nobody but by the app. */
  readonly authorize: "open" | "token" | "app" | "closed";
  /** Whether a browser may publish to it without asking the app. */
  readonly clientsPublish: boolean;
  /** How many messages it keeps for those who come later, and for how long; `null`: none. */
  readonly history: { readonly size: number; readonly ttlMs: number } | null;
  /** Whether it tells who is there, and up to how many by name; above that, how many. */
  readonly presence: { readonly names: number } | null;
  /** What becomes of a reader that is too slow. */
  readonly slow: "close" | "drop_oldest" | "keep_latest";
  /** The most sessions in it at once; `Infinity`: no bound. */
  readonly maxSubscribers: number;
}

/** A rule and the channel names it is for. */
export interface PatternRule extends ChannelRule {
  /** As `parsePattern` reads it. */
  readonly pattern: string;
}

/** Finds the rule for a channel's name. Both cost a test of the name against each pattern up to its own. */
export interface RuleBook {
  /** The rule for `name`: the first whose pattern fits, else the one for all other names. */
  of(name: string): ChannelRule;
  /** Which rule that is, counted from 0; `null` where no pattern fits. */
  find(name: string): { readonly index: number; readonly pattern: string } | null;
}

/** For names that no pattern fits: nobody gets in but by the app. */
export const CLOSED_RULE: ChannelRule = {
  authorize: "closed",
  clientsPublish: false,
  history: null,
  presence: null,
  slow: "close",
  maxSubscribers: Infinity,
};

/** For names that no pattern fits, on a machine that tries Chloe out: anybody may subscribe. */
export const OPEN_RULE: ChannelRule = { ...CLOSED_RULE, authorize: "open" };

/**
 * A rule book in which the first pattern that fits a name wins.
 *
 * @param rules In the order in which they are tried.
 * @param otherwise The rule for names that no pattern fits.
 * @throws TypeError if a pattern does not parse.
 */
export function ruleBook(rules: readonly PatternRule[], otherwise: ChannelRule): RuleBook {
  const indexOf = firstMatch(rules.map(({ pattern }) => pattern));
  return {
    of: (name) => rules[indexOf(name)] ?? otherwise,
    find(name) {
      const index = indexOf(name);
      return index < 0 ? null : { index, pattern: rules[index]!.pattern };
    },
  };
}
