import type { TestPage } from "../support/browser.ts";

/** A page with the client as a classic script; what happens is written to `log`. */
export function page(script: string, source: string): string {
  return `<!doctype html><title>An app's page</title>
<script src="${source}"></script><script>var log = []; ${script}</script>`;
}

/** Resolves when the page's log has as many entries. */
export async function logOf(page: TestPage, length: number): Promise<unknown> {
  await page.waitFor(`log.length >= ${length}`);
  return await page.evaluate("log");
}

/** The numbers from 1 to `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/**
 * For a page's script: `time`, which stands still until the test moves it, with `time.environment` for the
 * client's option. Of a window to wait in it takes the half.
 */
export const FAKE_TIME = `
  const time = (() => {
    const timers = new Map();
    let now = Date.now();
    let lastId = 0;
    const first = () => [...timers].sort(([, a], [, b]) => a.at - b.at)[0];
    /** Runs the timer that is due first, at its time. */
    const next = () => {
      const [id, { at, run }] = first();
      timers.delete(id);
      now = at;
      run();
    };
    return {
      environment: {
        now: () => now,
        random: () => 0.5,
        setTimeout(run, ms) {
          timers.set(++lastId, { run, at: now + ms });
          return lastId;
        },
        clearTimeout: (id) => void timers.delete(id),
      },
      now: () => now,
      next,
      /** Lets so many milliseconds pass. */
      advance(ms) {
        const end = now + ms;
        while (timers.size > 0 && first()[1].at <= end) next();
        now = end;
      },
      /** Lets time pass, timer by timer, until something has happened. */
      until(happened) {
        while (!happened()) next();
      },
    };
  })();`;

/** An app that answers each event with what it got, handed back as the reply. */
export function startApp() {
  const handled: unknown[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { data } = await request.json();
    handled.push(data);
    return Response.json({ reply: { handled: data } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/updates`,
    /** The data of the events that came. */
    handled,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
