/**
 * Firefox, as Debian has it, driven by WebDriver BiDi: playwright-core 1.65 cannot, it wants commands that an
 * ESR does not know.
 *
 * One process serves all tests of a file, each with a container of its own, which has its own storage.
 *
 * @module
 */
import { type BidiConnection, type BidiValue, connectBidi } from "./bidi.ts";
import { findProgram } from "./programs.ts";
import { eventually } from "./within.ts";

/** Where Firefox is installed, unless `CHLOE_FIREFOX` names one. */
const FIREFOXES = [
  "/usr/bin/firefox-esr",
  "/usr/bin/firefox",
  "/Applications/Firefox.app/Contents/MacOS/firefox",
];

/** Nothing that looks for Mozilla's hosts, and no pauses: tabs in the background are as quick as others. */
const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.auto": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.startup.page": 0,
  "datareporting.healthreport.uploadEnabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  // It holds WebSockets back, longer and longer, where some of them failed: up to a minute.
  "network.websocket.delay-failed-reconnects": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
};

/** What its processes need: no sandbox inside a container's, and no reports of crashes. */
const ENVIRONMENT = {
  MOZ_CRASHREPORTER_DISABLE: "1",
  MOZ_DISABLE_CONTENT_SANDBOX: "1",
  MOZ_DISABLE_RDD_SANDBOX: "1",
  MOZ_DISABLE_SOCKET_PROCESS_SANDBOX: "1",
};

/** How long a start may take: it is taken for one that fails then. */
const START_MS = 45_000;

/** A process that runs. */
export interface Firefox {
  /** A session of its own; there can be one at a time. */
  session(): Promise<FirefoxSession>;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

/** Pages that share storage and a network. */
export interface FirefoxSession {
  /** @param errors Takes errors on the console and exceptions that nothing caught. */
  openTab(url: string, errors: string[]): Promise<FirefoxTab>;
  setOffline(offline: boolean): Promise<void>;
  /** Closes what is open, and resolves when it is. */
  close(): Promise<void>;
}

/** A page. */
export interface FirefoxTab {
  /** The value of an expression, or what its promise resolves with; as JSON has it. */
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Whether there is one. */
export const hasFirefox: boolean = findProgram("CHLOE_FIREFOX", FIREFOXES) !== null;

/** Starts one and opens a page with it. @throws Error where it is missing, or does not start. */
export async function startFirefox(): Promise<Firefox> {
  const program = findProgram("CHLOE_FIREFOX", FIREFOXES);
  if (program === null) throw new Error(`Cannot find Firefox: none of ${FIREFOXES}`);
  const profile = await Deno.makeTempDir({ prefix: "chloe-firefox-" });
  const lines = Object.entries(PREFERENCES).map(([name, value]) =>
    `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`
  );
  await Deno.writeTextFile(`${profile}/user.js`, lines.join(""));
  const process = new Deno.Command(program, {
    args: ["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile],
    // It does not start for root in somebody else's home.
    env: { ...ENVIRONMENT, HOME: profile },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let ended: Deno.CommandStatus | undefined;
  const end = process.status.then((status) => {
    ended = status;
  });
  const kill = () => {
    if (ended === undefined) process.kill("SIGKILL");
  };
  // Where no test of the file is run, nothing else ends it.
  globalThis.addEventListener("unload", kill);

  const stop = async () => {
    globalThis.removeEventListener("unload", kill);
    kill();
    await end;
    // Its children follow it a moment later, and write until then.
    await eventually(() => removed(profile), "the end of Firefox");
  };
  try {
    const port = await portOf(profile, () => ended);
    const firefox: Firefox = { session: () => openSession(`ws://127.0.0.1:${port}/session`), stop };
    await probe(firefox);
    return firefox;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function removed(path: string): Promise<true | undefined> {
  try {
    await Deno.remove(path, { recursive: true });
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound || undefined;
  }
}

/** The port that it listens on, which it writes into its profile. */
async function portOf(
  profile: string,
  ended: () => Deno.CommandStatus | undefined,
): Promise<number> {
  const late = performance.now() + START_MS;
  return await eventually(async () => {
    const status = ended();
    if (status) throw new Error(`it ended with ${status.signal ?? status.code}`);
    if (performance.now() > late) throw new Error(`no port within ${START_MS / 1000} s`);
    try {
      return JSON.parse(await Deno.readTextFile(`${profile}/WebDriverBiDiServer.json`)).ws_port;
    } catch {
      return undefined; // not there, or not all of it
    }
  }, "Firefox's port");
}

/** A page is a process of its own, which may not start where Firefox does. */
async function probe(firefox: Firefox): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no page within ${START_MS / 1000} s`)), START_MS);
  });
  const opened = (async () => {
    const session = await firefox.session();
    await session.openTab("about:blank", []);
    await session.close();
  })();
  try {
    await Promise.race([opened, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function openSession(url: string): Promise<FirefoxSession> {
  /** Where complaints go, by the page's id. */
  const complaints = new Map<string, string[]>();
  const connection = await connectBidi(url, (method, { level, text, source }) => {
    if (method === "log.entryAdded" && level === "error") {
      complaints.get(source.context)?.push(text ?? "");
    }
  });
  const { send } = connection;
  await send("session.new", { capabilities: {} });
  await send("session.subscribe", { events: ["log.entryAdded"] });
  const { userContext } = await send("browser.createUserContext");
  return {
    async openTab(address, errors) {
      const { context } = await send("browsingContext.create", { type: "tab", userContext });
      complaints.set(context, errors);
      await send("browsingContext.navigate", { context, url: address, wait: "complete" });
      return tab(connection, context);
    },
    async setOffline(offline) {
      const networkConditions = offline ? { type: "offline" } : null;
      await send("emulation.setNetworkConditions", {
        networkConditions,
        userContexts: [userContext],
      });
    },
    async close() {
      await send("browser.removeUserContext", { userContext });
      await send("session.end");
      await connection.close();
    },
  };
}

function tab({ send }: BidiConnection, context: string): FirefoxTab {
  return {
    async evaluate(expression) {
      const answer: BidiValue = await send("script.evaluate", {
        // As JSON, in an array so that there is some for undefined, too.
        expression: `(async () => JSON.stringify([await (${expression}\n)]))()`,
        target: { context },
        awaitPromise: true,
      });
      if (answer.type === "exception") throw new Error(answer.exceptionDetails.text);
      return JSON.parse(answer.result.value)[0];
    },
    close: async () => void await send("browsingContext.close", { context }),
  };
}
