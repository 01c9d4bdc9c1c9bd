/// <reference lib="dom" />
/**
 * The status page: shows whether this browser has a connection and, with the demo app, the way of a line.
 * It uses chloe.js as any page does, by its script's global.
 *
 * @module
 */
import type { Chloe as ChloeClass } from "../chloe.ts";
import { type ConnectionStatus, showConnection } from "./connection_view.ts";
import { byId } from "./dom.ts";
import { showExamples } from "./examples.ts";
import { demoLine, journeyOf, TRANSPORT_NAMES } from "./journey.ts";
import { drawStops, showDeparture, showFailure, showJourney } from "./journey_view.ts";
import { addLine, type LineView } from "./lines_view.ts";
import type { TransportName } from "../options.ts";

declare const Chloe: typeof ChloeClass;

/** A line that is back sooner is not shown as being on its way: nothing flickers. */
const UNDER_WAY_MS = 150;

/** How long a line may take before the page says that it is missing. */
const OVERDUE_MS = 15_000;

/** A line of this page's that is under way. */
interface Sent {
  readonly view: LineView;
  readonly transport: string;
  readonly timers: readonly ReturnType<typeof setTimeout>[];
}

const isDemo = document.documentElement.dataset.demo === "true";
const isGuarded = document.documentElement.dataset.guarded === "true";
const underWay = new Map<string, Sent>();
let chloe: ChloeClass;

/** Milliseconds since 1970, with their fractions. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Opens a connection by the transport chosen, in place of the one before. */
function connect(choice: string): void {
  chloe?.close();
  const opened = new Chloe(
    location.origin,
    choice === "auto" ? {} : { transports: [choice as TransportName] },
  );
  chloe = opened;
  let since = now();
  opened.on("state", (state, why) => {
    if (chloe !== opened) return;
    if (state === "connecting") since = now();
    const { transport } = opened;
    const status: ConnectionStatus = { state, transport, choice, tookMs: now() - since, why };
    showConnection(status);
  });
  opened.onmessage((data) => chloe === opened && arrive(data));
  opened.connect().catch(() => {}); // its state tells
}

function send(text: string): void {
  const id = `${now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  const transport = chloe.transport ?? "";
  const view = addLine(text, "You");
  const timers = [
    setTimeout(() => {
      view.note("on its way…");
      showDeparture();
    }, UNDER_WAY_MS),
    setTimeout(() => fail(id, "It has not come back."), OVERDUE_MS),
  ];
  underWay.set(id, { view, transport, timers });
  chloe.send({ demo: { id, text, sent: now() } }).catch((error) => {
    fail(id, `Not delivered: ${error.message}.`);
  });
}

function fail(id: string, what: string): void {
  const sent = underWay.get(id);
  if (!sent) return;
  // It stays in the list: it may come yet.
  for (const timer of sent.timers) clearTimeout(timer);
  sent.view.note(what);
  showFailure(what);
}

/** A message came: a line of the demo app's, or anything that somebody posted to `/send`. */
function arrive(data: unknown): void {
  const arrived = now();
  const line = demoLine(data);
  if (!line) {
    addLine(typeof data === "string" ? data : JSON.stringify(data), "By /send");
    return;
  }
  const sent = underWay.get(line.id);
  if (!sent) {
    addLine(line.text, "Another visitor");
    return;
  }
  underWay.delete(line.id);
  for (const timer of sent.timers) clearTimeout(timer);
  const transport = sent.transport || chloe.transport || "";
  const name = TRANSPORT_NAMES[transport] ?? transport;
  const journey = journeyOf(line, arrived, transport);
  sent.view.journey(journey, name);
  showJourney(journey, name);
}

function start(): void {
  for (const part of document.querySelectorAll<HTMLElement>("[data-when]")) {
    part.hidden = (part.dataset.when === "demo") !== isDemo;
  }
  showExamples({ origin: location.origin, isGuarded });
  drawStops();

  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = byId<HTMLInputElement>("line");
    const text = input.value.trim();
    if (text) send(text);
    input.value = "";
  });
  const chosen = () => document.querySelector<HTMLInputElement>("#transports :checked")!.value;
  byId("transports").addEventListener("change", () => connect(chosen()));
  byId("again").addEventListener("click", () => connect(chosen()));
  connect(chosen());
}

start();
