/**
 * The OpenAPI document: what the routes say of themselves, and what else an app may ask of Chloe.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { REFUSALS, refusals, type Routes } from "./operation.ts";
import * as schema from "./schema.ts";

const DESCRIPTION =
  `How an app looks after its Chloe: who is connected, what is in which channel, and what ` +
  `to do about it. Prove that you may by a bearer key from \`api_keys\`, or sign the body by Standard ` +
  `Webhooks with \`secret\`; where neither is configured, Chloe serves this machine alone.

A signature covers neither method nor path, so a \`webhook-id\` stands for the first request that came ` +
  `with it: for another it is refused with 409, and for the same again a POST or DELETE gets the first ` +
  `answer, for 5 minutes.

Pages are stable while sessions and channels come and go: what is there all the while is listed once.

An error's body is \`{"error":{"code":"...","message":"...","retry":false}}\`: decide by \`code\`; \`message\` ` +
  `says what to do, \`retry\` whether the same request may succeed later.`;

const TAGS = [
  { name: "sessions", description: "A session is one page in a browser, whatever carries it." },
  { name: "users", description: "A user is whoever several sessions belong to." },
  { name: "channels", description: "Who is in them, and what they keep." },
  { name: "messages", description: "From the app to browsers." },
  { name: "server", description: "How this server is." },
];

const OPEN = { security: [] };

const text = (body: z.ZodType, type = "application/json") => ({
  content: { [type]: { schema: body } },
});

const Message = z.strictObject({
  data: z.unknown().openapi({ description: "Any JSON.", example: { n: 1 } }),
  channel: z.string().optional(),
  channels: z.array(z.string()).min(1).max(1000).optional(),
  session: z.string().optional(),
  user: z.string().optional(),
  except: z.string().optional().openapi({ description: "A session that does not get it." }),
  id: z.string().min(1).max(200).optional().openapi({
    description: "For 5 minutes the same id with the same message is sent once.",
  }),
}).required({ data: true }).openapi("Outgoing", {
  description: "For one of channel, channels, session and user; with none of them for everyone.",
});

const Sent = z.strictObject({
  id: z.string(),
  matched: z.int().min(0).openapi({ description: "How many sessions it was queued for." }),
}).openapi("Sent");

const Form = z.strictObject({
  data: z.string(),
  channel: z.string().optional(),
  channels: z.array(z.string()).optional(),
  session: z.string().optional(),
  user: z.string().optional(),
  except: z.string().optional(),
  id: z.string().optional(),
}).openapi("OutgoingForm");

const send = createRoute({
  method: "post",
  path: "/send",
  operationId: "send",
  tags: ["messages"],
  summary: "Send messages to browsers",
  description: "One message, or a list of which all are sent or none. docs/http-api.md says more.",
  request: {
    body: {
      required: true,
      content: {
        "application/json": { schema: z.union([Message, z.array(Message).min(1)]) },
        "application/x-www-form-urlencoded": { schema: Form },
      },
    },
  },
  responses: {
    200: {
      description: "On its way. A form is answered with `success`.",
      content: {
        "application/json": { schema: z.union([Sent, z.array(Sent)]) },
        "text/plain": { schema: z.string().openapi({ example: "success" }) },
      },
    },
    ...refusals(400, 401, 408, 409, 413, 415, 503),
  },
});

const Health = z.strictObject({
  status: z.string().openapi({ example: "ok" }),
  pid: z.int().optional().openapi({ description: "To this machine alone." }),
  version: z.string().optional(),
}).openapi("Health");

const healthz = createRoute({
  method: "get",
  path: "/healthz",
  operationId: "healthz",
  tags: ["server"],
  summary: "Whether the process lives",
  ...OPEN,
  responses: { 200: { description: "It does.", ...text(Health) } },
});

const readyz = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "readyz",
  tags: ["server"],
  summary: "Whether new sessions are taken",
  ...OPEN,
  responses: {
    200: { description: "They are.", ...text(Health) },
    503: { description: "Not any more: it shuts down.", ...text(Health) },
  },
});

const openapi = createRoute({
  method: "get",
  path: "/api/openapi.json",
  operationId: "getOpenApi",
  tags: ["server"],
  summary: "This document",
  ...OPEN,
  responses: {
    200: { description: "OpenAPI 3.1.", ...text(z.looseObject({ openapi: z.string() })) },
  },
});

const docs = createRoute({
  method: "get",
  path: "/api/docs",
  operationId: "getDocs",
  tags: ["server"],
  summary: "This document as a page",
  ...OPEN,
  responses: { 200: { description: "HTML.", ...text(z.string(), "text/html") } },
});

/** The OpenAPI 3.1 document of these routes, and of what is documented here alone. */
export type Document = ReturnType<Routes["getOpenAPI31Document"]>;

/** Makes the document, once all routes are there. */
export function makeDocument(routes: Routes, { version }: { readonly version: string }): Document {
  const { openAPIRegistry: registry } = routes;
  for (const route of [send, healthz, readyz, openapi, docs]) registry.registerPath(route);
  registry.register("Error", schema.ErrorAnswer);
  for (const [name, description] of Object.values(REFUSALS)) {
    registry.registerComponent("responses", name, {
      description,
      content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
    });
  }
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "One of `api_keys`.",
  });
  for (const [name, { header, description }] of Object.entries(SIGNATURE)) {
    registry.registerComponent("securitySchemes", name, {
      type: "apiKey",
      in: "header",
      name: header,
      description,
    });
  }
  return routes.getOpenAPI31Document({
    openapi: "3.1.0",
    servers: [{ url: "/" }],
    info: { title: "Chloe", version, description: DESCRIPTION },
    tags: TAGS,
    security: [
      { bearer: [] },
      Object.fromEntries(Object.keys(SIGNATURE).map((name) => [name, []])),
    ],
  });
}

/** The headers of Standard Webhooks, by the names of their security schemes. */
const SIGNATURE = {
  webhookId: {
    header: "webhook-id",
    description: "Stands for this one request: 1 to 200 characters.",
  },
  webhookTimestamp: {
    header: "webhook-timestamp",
    description: "In seconds, within 5 minutes of the server's clock.",
  },
  webhookSignature: {
    header: "webhook-signature",
    description: "`v1,` and the HMAC-SHA256 of `<id>.<timestamp>.<body>` with `secret`, in base64.",
  },
} as const;
