import type { Transport, TransportKind, TransportListener, TransportOptions } from "./transport.ts";

const OPEN = 1;

/** Everything over one WebSocket. */
export const websocket: TransportKind = {
  name: "websocket",
  acknowledges: true,
  supported: ({ WebSocket }) => WebSocket,
  open,
};

function open(options: TransportOptions, listener: TransportListener): Transport {
  const { environment, base, connect } = options;
  const socket = new environment.WebSocket!(`${base.replace(/^http/, "ws")}/chloe/ws`);
  const send = (line: string) => {
    if (socket.readyState === OPEN) socket.send(line);
  };
  // A close event follows; Node ends the process where an error event has no listener.
  socket.onerror = () => {};
  socket.onopen = () => send(connect(true));
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") listener.text(data);
  };
  socket.onclose = ({ code, reason }) => {
    listener.lost(reason || "closed", { code });
  };

  return {
    send,
    close(code) {
      socket.onopen = null;
      socket.close(code);
    },
  };
}
