// Socket.IO as its documentation has it: rooms, and an app that publishes by HTTP.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((request, response) => {
  if (!request.url.startsWith("/publish/")) return; // Socket.IO's
  const room = decodeURIComponent(request.url.slice("/publish/".length));
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    io.to(room).emit("message", Buffer.concat(chunks).toString());
    response.writeHead(204).end();
  });
});
const io = new Server(http);
io.on("connection", (socket) => {
  socket.on("join", (...args) => {
    const done = args.pop();
    socket.join(args);
    done();
  });
});
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
