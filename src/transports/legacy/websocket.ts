import { CLOSES, ProtocolError } from "../../protocol/codes.ts";
import { legacyCodec, parseLegacyMessage } from "../../protocol/legacy.ts";
import { utf8LengthExceeds } from "../../hub/commands.ts";
import type { Entry } from "../../hub/entry.ts";
import type { Session } from "../../hub/session.ts";
import type { Gateway, Peer } from "../gateway.ts";
import { SocketTransport } from "../socket.ts";
import { upgrade } from "../upgrade.ts";
import { takeLegacyMessage } from "./conversation.ts";

/** Protocol 1 has no ping of its own: WebSocket's is sent, in seconds. */
const IDLE_TIMEOUT_S = 30;

/** Answers `GET /chloe/websocket`: protocol 1, where a session is as old as its socket. */
export function acceptLegacyWebSocket(
  gateway: Gateway,
  request: Request,
  { peer, cors }: { peer: Peer; cors: Readonly<Record<string, string>> },
): Response {
  const noSocket = gateway.room.noSocket(cors, peer);
  if (noSocket !== null) return noSocket;
  const upgraded = upgrade(request, { idleTimeout: IDLE_TIMEOUT_S, cors });
  if (upgraded instanceof Response) return upgraded;
  new LegacySocket(upgraded.socket, gateway, peer);
  return upgraded.response;
}

class LegacySocket extends SocketTransport {
  readonly kind = "legacy-websocket";
  readonly #gateway: Gateway;

  /** Who this is, until there is a session. */
  #peer: Peer | null;

  constructor(socket: WebSocket, gateway: Gateway, peer: Peer) {
    super(socket, gateway.socketOptions(peer));
    this.#gateway = gateway;
    this.#peer = peer;
    socket.addEventListener("open", this);
  }

  protected get maxBytes(): number {
    return this.#gateway.commands.maxBytes;
  }

  protected override opened(): void {
    const session = this.#gateway.openSession(legacyCodec, { peer: this.#peer!, graceMs: 0 });
    this.#peer = null;
    this.goOnWith(
      session instanceof Promise
        ? session.then((session) => this.#attach(session))
        : this.#attach(session),
    );
  }

  #attach(session: Session): Session {
    session.attach(this);
    return session;
  }

  protected take(text: string): void {
    if (utf8LengthExceeds(text, this.maxBytes)) {
      throw new ProtocolError("too_large", CLOSES.tooBig);
    }
    const message = parseLegacyMessage(text);
    if (typeof message === "string") throw new ProtocolError("bad_frame", CLOSES.badFrame, message);
    if (this.session !== null) takeLegacyMessage(this.#gateway, this.session, message);
  }

  /** One text frame is one message in this protocol, however many come together. */
  override write(entry: Entry): void {
    if (entry.lines === 1) return this.send(entry.text);
    for (const line of entry.text.split("\n")) this.send(line);
  }

  override flush(): void {}

  protected lastWords(): null {
    return null;
  }
}
