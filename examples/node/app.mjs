// The echo app on plain Node: what one browser says, every browser hears.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { CHLOE_SECRET, CHLOE_API_KEY, CHLOE_URL = "http://127.0.0.1:8901", PORT = 4567 } =
  process.env;

/** Whether Chloe signed the request, not over five minutes ago (standardwebhooks.com). */
function isSigned(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures } = headers;
  if (!signatures || !(Math.abs(Date.now() / 1000 - time) <= 300)) return false;
  const key = Buffer.from(CHLOE_SECRET.replace(/^whsec_/, ""), "base64");
  const digest = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  return signatures.split(" ").map((text) => Buffer.from(text)).some((given) =>
    given.length === expected.length && timingSafeEqual(given, expected)
  );
}

/** Handles an event, and gives the status to answer with. */
async function handle(headers, body) {
  if (CHLOE_SECRET && !isSigned(headers, body)) return 401;
  const event = JSON.parse(body);
  if (event.type !== "message") return 204;
  const response = await fetch(`${CHLOE_URL}/send`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(CHLOE_API_KEY && { authorization: `Bearer ${CHLOE_API_KEY}` }),
    },
    body: JSON.stringify({
      data: { via: "Node", from: event.session, said: event.data },
      id: headers["webhook-id"], // Chloe may post an event again: it is still sent only once
    }),
    signal: AbortSignal.timeout(5000),
  });
  return response.ok ? 204 : 502; // on a 5xx Chloe posts the event again
}

createServer(async (request, response) => {
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(await handle(request.headers, Buffer.concat(chunks))).end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(PORT, "127.0.0.1");
