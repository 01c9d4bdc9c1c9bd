import type { PollFormat } from "../poll.ts";

/**
 * Scripts for the JSONP transport of 2011. Each runs in the page, so nothing goes in but numbers and JSON.
 *
 * @module
 */

/** After the server went away, or had no room, a page asks again within these, in milliseconds. */
const ASK_AGAIN_MS = [2000, 5000] as const;

/** The script that hands a message to the page. `message` is JSON text. */
export function responseScript(message: string): string {
  return `Chloe.JsonpTransport.response(${forScript(message)});`;
}

/**
 * Writes the answer to a poll. Each `response()` starts another poll, so only the last message goes that
 * way. With nothing to say the page is told to ask again: an answer that does not do so would be its last.
 *
 * @param id The page's number for its connection.
 */
export function jsonpFormat(id: number): PollFormat {
  const connection = connectionOf(id);
  return function format(frames, closing) {
    const messages = frames.flatMap((frame) => frame.split("\n"));
    const last = messages.pop();
    if (last === undefined) {
      return closing ? askAgainLaterScript(id) : `${connection}.listenForMessages();`;
    }
    const handed = messages.map((message) => {
      return `${connection}.callbacks.onmessage(${forScript(JSON.stringify(message))});`;
    });
    const asPoll = JSON.stringify({ ...JSON.parse(last), type: "poll", id });
    return [...handed, responseScript(asPoll)].join("\n");
  };
}

/** The script that has a page ask again in a while. An error would be the last answer that it asked for. */
export function askAgainLaterScript(id: number): string {
  const [least, most] = ASK_AGAIN_MS;
  const delay = Math.round(least + Math.random() * (most - least));
  return `setTimeout(function(){${connectionOf(id)}.listenForMessages();},${delay});`;
}

function connectionOf(id: number): string {
  return `Chloe.JsonpTransport.connections[${id}]`;
}

/** JSON text that is JavaScript too: before ES2019 two characters of it were line ends. */
function forScript(json: string): string {
  return json.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
