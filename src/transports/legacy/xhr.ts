import type { PollFormat } from "../poll.ts";

/**
 * A message that makes the client of 2011 ask again and calls no code of the page's: an empty answer would
 * be its last. `toString` is a member that every object of subscriptions has.
 */
const ASK_AGAIN =
  '{"version":1,"type":"poll","channel":"toString","data":null,"id":null,"sessionId":null}';

/** Writes the answer to an XHR poll; a session that ends has none. */
export const xhrFormat: PollFormat = function format(frames, closing) {
  if (frames.length === 0 && closing) return null;
  const messages = frames.length === 0 ? ASK_AGAIN : frames.join("\n").replaceAll("\n", ",");
  return `{"messages":[${messages}]}`;
};
