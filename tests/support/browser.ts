/**
 * Tests in real browsers: each is run in Chromium and in Firefox.
 *
 * @module
 */
import { type ChromiumPage, hasChromium, launchChromium, watched } from "./chromium.ts";
import { type Firefox, hasFirefox, startFirefox } from "./firefox.ts";
import { eventually } from "./within.ts";

/** A browser for one test, as a visitor with an empty profile. */
export interface TestBrowser {
  /** Opens an address in a page; all pages of a test share storage, as the tabs of one window do. */
  open(url: string): Promise<TestPage>;
  /** Takes the network from all pages, or gives it back; `navigator.onLine` and its events tell them. */
  setOffline(offline: boolean): Promise<void>;
}

/** A page. */
export interface TestPage {
  /** Errors on the console and exceptions that nothing caught. */
  readonly errors: readonly string[];
  /** The value of a JavaScript expression, or what its promise resolves with; as JSON has it. */
  evaluate(expression: string): Promise<unknown>;
  /** Resolves when an expression is true. */
  waitFor(expression: string): Promise<void>;
  /** Closes it, as a visitor closes a tab. */
  close(): Promise<void>;
}

/** What a browser is for one test, and how that ends. */
type OpenBrowser = TestBrowser & AsyncDisposable;

/** Firefox, or why it is not there. Which tests are ignored has to be known before they are registered. */
const firefox: Firefox | string = hasFirefox
  ? await startFirefox().catch((error: Error) => `does not start: ${error.message}`)
  : "is not installed";

if (typeof firefox !== "string") Deno.test.afterAll(() => firefox.stop());

/**
 * A test of what a page does, in Chromium and in Firefox. One that is not installed is passed over, by the
 * test's name; in CI the test fails then. A Firefox that does not start (not every container lets it) is passed
 * over everywhere, and the name says why.
 */
export function browserTest(name: string, run: (browser: TestBrowser) => Promise<void>): void {
  const inCi = Boolean(Deno.env.get("CI"));
  const register = (label: string, ignore: boolean, open: () => Promise<OpenBrowser>) => {
    Deno.test({
      name: `${name} (${label})`,
      ignore,
      async fn() {
        await using browser = await open();
        await run(browser);
      },
    });
  };
  register("Chromium", !hasChromium && !inCi, openChromium);
  if (typeof firefox !== "string") register("Firefox", false, () => openFirefox(firefox));
  else {
    register(`Firefox, which ${firefox}`, hasFirefox || !inCi, () => {
      throw new Error(`Cannot test in Firefox: it ${firefox}`);
    });
  }
}

async function openChromium(): Promise<OpenBrowser> {
  const browser = await launchChromium();
  const context = await browser.newContext();
  return {
    async open(url) {
      const page = watched(await context.newPage());
      await page.goto(url);
      return pageOf(page, page.errors);
    },
    setOffline: (offline) => context.setOffline(offline),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function openFirefox(firefox: Firefox): Promise<OpenBrowser> {
  const session = await firefox.session();
  return {
    async open(url) {
      const errors: string[] = [];
      return pageOf(await session.openTab(url, errors), errors);
    },
    setOffline: session.setOffline,
    [Symbol.asyncDispose]: session.close,
  };
}

/** Adds what both browsers have in common. */
function pageOf(
  page: Pick<ChromiumPage, "evaluate" | "close"> | Pick<TestPage, "evaluate" | "close">,
  errors: readonly string[],
): TestPage {
  const evaluate = (expression: string) => page.evaluate(expression);
  return {
    errors,
    evaluate,
    // Asked from here: the page's own timers may be the test's.
    waitFor: (expression) =>
      eventually(
        async () => await evaluate(`Boolean(${expression})`) ? null : undefined,
        expression,
      )
        .then(() => {}),
    close: () => page.close(),
  };
}
