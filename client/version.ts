/** Put in by scripts/build_client.ts. */
declare const CHLOE_VERSION: string | undefined;

/** What the client calls itself, for Chloe's logs. */
export const CLIENT = `chloe.js/${typeof CHLOE_VERSION === "string" ? CHLOE_VERSION : "source"}`;
