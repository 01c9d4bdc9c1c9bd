// What one would write with `ws` alone: everyone gets every message, as its documentation has it.
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";

const http = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const text = Buffer.concat(chunks).toString();
    for (const client of sockets.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(text);
    }
    response.writeHead(204).end();
  });
});
const sockets = new WebSocketServer({ server: http });
sockets.on("connection", (socket) => socket.on("error", () => {}));
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
