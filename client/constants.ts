/**
 * How long the client waits for things, how much it keeps, and the close codes that it looks for. All in one
 * file that imports nothing: esbuild writes such numbers into the minified script where they are used.
 *
 * @module
 */

/** How long Chloe may take to answer `connect`: she may ask the app first, which has 10 s. */
export const CONNECT_TIMEOUT_MS = 15_000;

/**
 * How long a transport may take before another is tried: a proxy that swallows an upgrade answers nothing at
 * all, and one that collects answers lets no stream through.
 */
export const PROBE_MS = 3000;

/**
 * After so many failed rounds the transport that worked is no longer the only one tried. A server that is down
 * fails all of them: without this a page would come back by the worst one, which by chance was tried last.
 */
export const LOYAL_ROUNDS = 2;

/** A connection that lasted less does not start the backoff anew: no busy loop with a dying server. */
export const STABLE_MS = 5000;

/** A better transport is tried this long after another took its place, then after twice as long, and so on. */
export const UPGRADE_AFTER_MS = 20_000;
export const UPGRADE_AFTER_MAX_MS = 600_000;

/** The wait before another try has a window that doubles with each failure, from the first to the second. */
export const BACKOFF_BASE_MS = 500;
export const BACKOFF_CAP_MS = 20_000;

/**
 * How many failures a lost connection begins with, so that the first wait has a window of 4 s: all who were
 * on the server lost it in the same moment.
 */
export const LOST = 3;

/** So many of the server's ping periods with nothing heard, and the transport is taken for dead. */
export const SILENT_PERIODS = 1.5;

/** After so many milliseconds of each second of its life a token is replaced. */
export const RENEW_AFTER = 750;

/** How long a request that carries commands may take. */
export const UP_TIMEOUT_MS = 15_000;

/** An answer to a poll with nothing in it that came sooner than this is followed by a pause: no busy loop. */
export const SHORTEST_HOLD_MS = 1000;

/** Chloe is told how many frames were taken each time this much has come. */
export const ACKNOWLEDGE_FRAMES = 100;
export const ACKNOWLEDGE_LENGTH = 32_768;

/** The bound of a line until `connected` has named the server's own. */
export const FIRST_MAX_BYTES = 16_384;

/** How many characters of commands may wait for a connection or for their answer. */
export const MAX_PENDING_LENGTH = 4_194_304;

/** What a command counts for beyond its own characters: 10,000 small ones may wait. */
export const PENDING_OVERHEAD = 400;

/** How many messages may wait for a loop that is slower than they are. */
export const MAX_BUFFERED = 20_000;

/** How long a tab that takes the lead waits for the last words of the tab before. */
export const DRAIN_MS = 100;

/** After so long without a word from the leading tab it is asked for one. */
export const CHECK_MS = 10_000;

/** A leading tab that says nothing for so long when it is asked is taken for frozen. */
export const ANSWER_MS = 3000;

/** The close code of a transport on which nothing was said. */
export const NO_CONNECT = 3003;

/** The close code of a token that expired: a new one brings the session back. */
export const TOKEN_EXPIRED = 3006;

/** The close code of a transport whose session another one has. */
export const TAKEN_OVER = 3501;
