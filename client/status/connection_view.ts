/// <reference lib="dom" />
import type { Closing, State } from "../connection.ts";
import { byId } from "./dom.ts";
import { formatMs, TRANSPORT_NAMES } from "./journey.ts";

/** How it stands with the connection. */
export interface ConnectionStatus {
  readonly state: State;
  readonly transport: string | null;
  /** The transport that the visitor chose; `auto` for none. */
  readonly choice: string;
  /** How long the newest connection took to come about, in milliseconds. */
  readonly tookMs: number;
  readonly why?: Closing | undefined;
}

/** Shows it, and what to do where it is bad. */
export function showConnection(status: ConnectionStatus): void {
  const { state, transport, choice, tookMs } = status;
  const name = TRANSPORT_NAMES[transport ?? ""] ?? "";
  const text = {
    idle: "Not connected",
    connecting: "Connecting…",
    connected: `Connected by ${name}`,
    waiting: "Not connected",
    closed: "Not connected",
  }[state];
  byId("connection").dataset.state = state;
  byId("connection").textContent = text;
  if (state === "connected") {
    byId("check").textContent = `Yes: by ${name}, within ${formatMs(tookMs)}.` +
      (choice === "auto" && transport !== "websocket"
        ? " No WebSocket came through: a proxy on the way may not let it pass."
        : "");
  } else if (state !== "connecting") {
    byId("check").textContent = "No, not now.";
  }
  // While the next try is under way the last one's trouble still stands.
  if (state !== "connecting") showTrouble(status);
}

function showTrouble({ state, choice, why }: ConnectionStatus): void {
  const trouble = byId("trouble");
  trouble.hidden = state !== "waiting" && state !== "closed";
  const title = trouble.hidden ? "Chloe is up" : "Chloe is out of reach";
  byId("title").textContent = document.title = title;
  byId("again").hidden = state !== "closed";
  if (trouble.hidden) return;
  byId("trouble-what").textContent = state === "closed"
    ? `Chloe closed the connection: ${why?.reason}.`
    : "This page lost its connection.";
  byId("trouble-todo").textContent = state === "closed"
    ? "Her log says more."
    : choice === "websocket" || choice === "events"
    ? "If a proxy on the way does not let that pass, choose Automatic. Trying again by itself."
    : "If Chloe was stopped, start her again, as with scripts/deno task start. Trying again by itself.";
}
