/**
 * Debian's Chromium (or another one), driven by playwright-core.
 *
 * @module
 */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findProgram } from "./programs.ts";

/** Where browsers are installed, unless `CHLOE_BROWSER` names one. */
const BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** No sandbox for root, and nothing that looks for Google's hosts. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How long a start, and anything on a page, may take; far beyond what a loaded machine needs. */
const PATIENCE_MS = 60_000;

/** Chromium for one test. */
export interface ChromiumBrowser {
  /** Opens an address in a page of its own, as a visitor with an empty profile. */
  open(url: string, options?: BrowserContextOptions): Promise<ChromiumPage>;
}

/** All that playwright-core can do with a page, and what the page complained of. */
export type ChromiumPage = Page & {
  /** Errors on the console and exceptions that nothing caught. */
  readonly errors: string[];
};

/** Whether there is one. */
export const hasChromium: boolean = findProgram("CHLOE_BROWSER", BROWSERS) !== null;

/**
 * A test of what only Chromium can show or do. Where there is none it is ignored, by its name; in CI it fails
 * then.
 */
export function chromiumTest(name: string, run: (browser: ChromiumBrowser) => Promise<void>): void {
  Deno.test({
    name: `${name} (Chromium)`,
    ignore: !hasChromium && !Deno.env.get("CI"),
    async fn() {
      const browser = await launchChromium();
      try {
        await run({
          async open(url, options) {
            const page = watched(await browser.newPage(options));
            await page.goto(url);
            return page;
          },
        });
      } finally {
        await browser.close();
      }
    },
  });
}

/** Starts one; closing it ends its process. @throws Error where there is none. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findProgram("CHLOE_BROWSER", BROWSERS);
  if (executablePath === null) throw new Error(`Cannot find Chromium: none of ${BROWSERS}`);
  return await chromium.launch({ executablePath, args: FLAGS, timeout: PATIENCE_MS });
}

/** A page whose complaints are kept. */
export function watched(page: Page): ChromiumPage {
  page.setDefaultTimeout(PATIENCE_MS);
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  return Object.assign(page, { errors });
}
