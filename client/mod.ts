/**
 * chloe.js: the browser's side of Chloe. Also runs in Deno, Node 20+ and Bun.
 *
 * @module
 */
import { Chloe } from "./chloe.ts";
import { home, homeOf } from "./options.ts";

export type { Json, Member, Presence, Push } from "../src/protocol/frames.ts";
export type { Channel } from "./channel.ts";
export type { ChloeEvents } from "./client.ts";
export type { Closing, State } from "./connection.ts";
export { ChloeError, type ChloeErrorCode } from "./errors.ts";
export type { ChloeOptions, TransportName } from "./options.ts";
export type { MessageHandler, SubscribeOptions, Who } from "./subscriptions.ts";
export { Chloe };

home.url = homeOf(import.meta.url);
