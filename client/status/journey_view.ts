/// <reference lib="dom" />
import { byId, element } from "./dom.ts";
import { formatMs, type Journey } from "./journey.ts";

const STOPS: readonly (readonly [name: string, what: string])[] = [
  ["Browser", "sends it"],
  ["Chloe", "takes it"],
  ["App", "has it"],
  ["/send", "is called"],
  ["Browser", "has it back"],
];

const LEGS = ["up", "signed POST", "in the app", "down"];

/** Draws the way with nothing on it. */
export function drawStops(): void {
  byId("journey").replaceChildren(...STOPS.map(([name, what], index) => {
    const stop = element("span", "stop", element("b", "", name), element("small", "", what));
    if (index === 0) return element("li", "", stop);
    const leg = element(
      "span",
      "leg",
      element("span", "leg-name", LEGS[index - 1]!),
      element("span", "leg-time", "–"),
    );
    return element("li", "", leg, stop);
  }));
}

/** A line has left: it is on its way. */
export function showDeparture(): void {
  const journey = byId("journey");
  journey.className = "journey under-way";
  byId("total").textContent = "On its way…";
}

/** Shows where a line's time went, and lets it travel once more, slowly enough to be seen. */
export function showJourney({ legs, totalMs, isEstimate }: Journey, transport: string): void {
  const journey = byId("journey");
  journey.className = "journey";
  journey.querySelectorAll(".leg").forEach((leg, index) => {
    const { name, ms } = legs[index]!;
    leg.querySelector(".leg-name")!.textContent = name;
    leg.querySelector(".leg-time")!.textContent = formatMs(ms);
  });
  // Reading a size makes the browser take note of the class before it changes: the animation starts anew.
  void journey.offsetWidth;
  journey.className = "journey arrived";
  byId("total").textContent = `There and back by ${transport} in ${formatMs(totalMs)}.` +
    (isEstimate ? " The clocks here and there differ, so the ways up and down are estimates." : "");
}

/** No line is on its way any more, and none came back. */
export function showFailure(what: string): void {
  byId("journey").className = "journey";
  byId("total").textContent = what;
}
