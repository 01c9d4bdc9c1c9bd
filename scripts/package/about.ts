/**
 * What all packages say of Chloe.
 *
 * @module
 */
import denoConfig from "../../deno.json" with { type: "json" };

/** Chloe's version, as deno.json has it. */
export const VERSION: string = denoConfig.version;

/** Where releases are, as `owner/name` on GitHub. A release workflow names its own repository. */
export const REPOSITORY: string = Deno.env.get("GITHUB_REPOSITORY") || "mashion/chloe";

/** Where Chloe is at home. */
export const HOMEPAGE = `https://github.com/${REPOSITORY}`;

/** Where the archives of a release are. */
export const DOWNLOADS = `${HOMEPAGE}/releases/download`;

/** One line that says what Chloe is. */
export const SUMMARY = "Realtime web server for apps that only speak HTTP";

/** The same in a few, each no longer than 78 signs. */
export const DESCRIPTION = [
  "Chloe holds browsers' connections (WebSocket, event stream, long-poll) for a",
  "web app that only speaks HTTP. What a browser sends reaches the app as a",
  "signed POST; what the app POSTs to Chloe reaches the browsers.",
] as const;

/** Who answers for the packages. */
export const MAINTAINER = "The Chloe authors <chloe@users.noreply.github.com>";
