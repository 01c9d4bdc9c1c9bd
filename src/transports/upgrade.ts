import { errorResponse } from "../web/errors.ts";

/**
 * Opens the WebSocket that a request asks for, or says why that cannot be.
 *
 * @param idleTimeout Seconds between Deno's own pings; 0 for none.
 */
export function upgrade(
  request: Request,
  { idleTimeout, cors }: { idleTimeout: number; cors: Readonly<Record<string, string>> },
): Deno.WebSocketUpgrade | Response {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return errorResponse(426, "upgrade_required", "This address speaks WebSocket only", {
      ...cors,
      upgrade: "websocket",
    });
  }
  try {
    return Deno.upgradeWebSocket(request, { idleTimeout });
  } catch {
    return errorResponse(
      400,
      "bad_request",
      "Cannot upgrade: the request lacks a header of the WebSocket handshake (RFC 6455)",
      cors,
    );
  }
}
