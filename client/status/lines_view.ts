/// <reference lib="dom" />
import { byId, element } from "./dom.ts";
import { formatMs, type Journey } from "./journey.ts";

/** So many lines are kept on the page. */
const MAX_LINES = 30;

/** A line on the page. */
export interface LineView {
  /** Says how it stands with it. */
  note(text: string): void;
  /** Shows where its time went. */
  journey(journey: Journey, transport: string): void;
}

/** Puts a line on top of the list. */
export function addLine(text: string, who: string): LineView {
  const note = element("span", "note", "");
  const bar = element("span", "bar");
  bar.hidden = true;
  const line = element(
    "li",
    "",
    element("span", "text", text),
    element("span", "about", element("span", "who", who), note),
    bar,
  );
  const lines = byId("lines");
  lines.prepend(line);
  while (lines.childElementCount > MAX_LINES) lines.lastElementChild!.remove();
  byId("empty").hidden = true;
  return {
    note: (text) => note.textContent = text,
    journey({ legs, totalMs }, transport) {
      note.textContent = `${transport}, ${formatMs(totalMs)}`;
      const parts = legs.map(({ name, ms }) => `${name} ${formatMs(ms)}`).join(", ");
      bar.replaceChildren(...legs.map(({ ms }) => {
        const part = element("span", "");
        // By script: the page's policy allows no style attributes.
        part.style.flexGrow = String(Math.max(ms, totalMs / 100));
        return part;
      }));
      bar.title = parts;
      bar.setAttribute("role", "img");
      bar.setAttribute("aria-label", parts);
      bar.hidden = false;
    },
  };
}
