import { CLOSES, ProtocolError } from "../protocol/codes.ts";
import { notConnected, parseFrame } from "../protocol/native.ts";
import { takeLine, utf8LengthExceeds } from "../hub/commands.ts";
import { farewell, type Gateway, type Peer } from "./gateway.ts";
import { SocketTransport } from "./socket.ts";
import { upgrade } from "./upgrade.ts";

/** Answers `GET /chloe/ws`: protocol 2 over a WebSocket. */
export function acceptWebSocket(
  gateway: Gateway,
  request: Request,
  { peer, cors }: { peer: Peer; cors: Readonly<Record<string, string>> },
): Response {
  const noSocket = gateway.room.noSocket(cors, peer);
  if (noSocket !== null) return noSocket;
  // Pings are the protocol's own, so Deno's are off.
  const upgraded = upgrade(request, { idleTimeout: 0, cors });
  if (upgraded instanceof Response) return upgraded;
  new NativeSocket(upgraded.socket, gateway, peer);
  return upgraded.response;
}

class NativeSocket extends SocketTransport {
  readonly kind = "websocket";
  readonly #gateway: Gateway;
  /** Who this is, until there is a session. */
  #peer: Peer | null;

  constructor(socket: WebSocket, gateway: Gateway, peer: Peer) {
    super(socket, gateway.socketOptions(peer));
    this.#gateway = gateway;
    this.#peer = peer;
  }

  protected get maxBytes(): number {
    return this.#gateway.maxMessageBytes;
  }

  protected override overdue(): void {
    this.fail(new ProtocolError("not_connected", CLOSES.noConnect));
  }

  protected take(text: string): void {
    if (utf8LengthExceeds(text, this.maxBytes)) {
      throw new ProtocolError("too_large", CLOSES.tooBig);
    }
    if (this.session !== null) this.session.heard();
    if (!text.includes("\n")) return this.#takeLine(text);
    for (const line of text.split("\n")) {
      if (this.isClosing) return;
      if (line !== "") this.#takeLine(line);
    }
  }

  #takeLine(line: string): void {
    if (this.session !== null) return takeLine(this.#gateway.commands, this.session, line);
    if (this.isWaiting) return this.keepForLater(line);

    this.#gateway.hub.counters.framesIn++;
    const frame = parseFrame(line);
    if (frame.kind === "bad") {
      throw new ProtocolError(frame.error.code, CLOSES.badFrame, frame.error.message);
    }
    if (frame.kind !== "connect") throw notConnected();
    if (utf8LengthExceeds(line, this.#gateway.commands.maxBytes)) {
      throw new ProtocolError("too_large", CLOSES.tooBig);
    }
    const peer = this.#peer!;
    this.#peer = null;
    this.goOnWith(this.#gateway.begin(frame.connect, peer, this));
  }

  protected lastWords(error: ProtocolError): string {
    return farewell(error);
  }
}
